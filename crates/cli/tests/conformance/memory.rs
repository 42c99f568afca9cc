//! No transport at all: the service of a node, asked in memory.
//!
//! What fails here fails because of what is answered, not because of how it is sent. Its role holds
//! copies of the site's files; it must never ask the site's node for anything.

use std::{
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, fs::FileExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use overspill_core::{
    catalog::{Catalog, Content, Entry, InstanceId, Kind, Revision},
    dispatch::Ticket,
    fleet::MemberId,
    path::CatalogPath,
    root::{Root, Sha256},
};
use overspill_http1::{
    range::ByteRange,
    request::{Limits, Parsed, Request, parse},
};
use overspill_net::{
    Answer, Body, Client, Clock, FileBody, FlowTable, Part, Security, Service, StreamItem,
};
use overspill_node::{
    Ask, FileVersion, Found, FoundFile, NodeService, NodeSettings, Role, Route, common_routes,
};
use overspill_store::archive::Contents;
use overspill_wire::status::FleetStatus;
use tokio::runtime::{self, Runtime};

use crate::{
    http::{self, Reply},
    speak::{Asked, Broken, Speak, Version},
    stage::sha256,
};

/// A service, asked without a connection.
pub(crate) struct InMemory {
    service: NodeService<Held>,
    runtime: Runtime,
}

/// A role that holds a tree which nobody changes.
struct Held {
    tree: PathBuf,
    catalog: Arc<Catalog>,
}

const REVISION: Revision = Revision(1);

impl InMemory {
    /// A service over the files of `tree`.
    pub(crate) fn over(tree: &Path) -> Self {
        let mut entries = Vec::new();
        enter(tree, &CatalogPath::root(), &mut entries);
        let mut catalog = Catalog::new(InstanceId(1));
        let batch = entries.iter().map(|(path, entry)| (path, Some(entry)));
        catalog.apply(REVISION, batch);
        let role = Arc::new(Held {
            tree: tree.to_owned(),
            catalog: Arc::new(catalog),
        });
        let (router, flows) = (common_routes(Arc::clone(&role)), FlowTable::new(1));
        let settings = NodeSettings::default();
        Self {
            service: NodeService::new(role, router, Arc::new(flows), &settings, 0),
            runtime: runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
        }
    }

    fn answer(&self, request: &Request<'_>) -> io::Result<Reply> {
        let client = Client {
            address: ([127, 0, 0, 1], 1).into(),
            security: Security::Plain,
        };
        let mut out = Vec::new();
        let now = Clock::new().now();
        let answer = self.service.answer(request, &client, now, &mut out);
        let Answer::Reply(reply) = self.runtime.block_on(answer) else {
            return Err(io::Error::other("nobody to hand it over to"));
        };
        // What was written behind the head goes with it; of errors the reply does not say so.
        let end = http::find(&out, b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        let written = out.split_off(end + 4);
        let head = String::from_utf8_lossy(&out[..end]).into_owned();
        Ok(Reply {
            status: head[9..12].parse().map_err(io::Error::other)?,
            head,
            body: collect(reply.body, written)?,
        })
    }
}

impl Speak for InMemory {
    fn name(&self) -> &'static str {
        "nothing, in memory"
    }

    fn version(&self) -> Version {
        Version::Http1
    }

    fn exchange(&self, asked: &Asked<'_>) -> Result<Reply, Broken> {
        let Asked {
            method,
            target,
            fields,
        } = asked;
        let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        match parse(head.as_bytes(), &Limits::default()) {
            Ok(Parsed::Request { request, .. }) => self
                .answer(&request)
                .map_err(|error| Broken::Other(error.to_string())),
            Ok(other) => Err(Broken::Other(format!("no request: {other:?}"))),
            Err(error) => Err(Broken::Refused(Some(error.status().code()))),
        }
    }
}

/// All bytes of a body, as a connection would send them.
fn collect(body: Body, written: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut bytes = written;
    match body {
        Body::Bytes(part) => bytes.extend_from_slice(&part),
        Body::Notice(promised) | Body::Written(promised) if promised != bytes.len() as u64 => {
            return Err(io::Error::other("not what was said to be written"));
        }
        Body::Empty | Body::Notice(_) | Body::Written(_) => {}
        Body::File { file, range } => read(&file, range, &mut bytes)?,
        Body::Relay(_) | Body::Striped(_) => {
            return Err(io::Error::other("nobody relays without a dispatcher"));
        }
        Body::Parts { mut parts, .. } => {
            while let Some(part) = parts.next_part()? {
                match part {
                    Part::Bytes(part) => bytes.extend_from_slice(&part),
                    Part::File { file, range } => read(&file, range, &mut bytes)?,
                    Part::Relay(_) => {
                        return Err(io::Error::other("nobody relays without a dispatcher"));
                    }
                }
            }
        }
        Body::Stream(mut stream) => loop {
            match stream.items.blocking_recv() {
                Some(StreamItem::Bytes(part)) => bytes.extend_from_slice(&part),
                Some(StreamItem::End) => break,
                None => return Err(io::Error::other("cut")),
            }
        },
    }
    Ok(bytes)
}

fn read(file: &FileBody, range: ByteRange, bytes: &mut Vec<u8>) -> io::Result<()> {
    let before = bytes.len();
    bytes.resize(before + range.len() as usize, 0);
    file.file().read_exact_at(&mut bytes[before..], range.start)
}

/// Enters what is in a folder, and below it.
fn enter(folder: &Path, path: &CatalogPath, entries: &mut Vec<(CatalogPath, Arc<Entry>)>) {
    for child in fs::read_dir(folder).expect("a folder") {
        let child = child.expect("a file").path();
        let name = child.file_name().expect("a name").as_bytes();
        let path = path.join(name).expect("a path of the catalog");
        let facts = fs::metadata(&child).expect("facts");
        let content = (!facts.is_dir()).then(|| content(&fs::read(&child).expect("a file")));
        let entry = Entry {
            kind: content.map_or(Kind::Folder, |_| Kind::File),
            size: content.map_or(0, |_| facts.size()),
            mtime_ns: facts.mtime() * 1_000_000_000 + facts.mtime_nsec(),
            mode: facts.mode() & 0o7777,
            revision: REVISION,
            content,
            stamp: None,
        };
        if entry.kind == Kind::Folder {
            enter(&child, &path, entries);
        }
        entries.push((path, Arc::new(entry)));
    }
}

fn content(bytes: &[u8]) -> Content {
    Content {
        root: Root(*blake3::hash(bytes).as_bytes()),
        sha256: Sha256(sha256(bytes).try_into().expect("32 bytes")),
        // Only a ZIP archive tells it, and none is unpacked here.
        crc32: 0,
    }
}

impl Role for Held {
    fn name(&self) -> &str {
        "held"
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    fn find(&self, path: &CatalogPath) -> Found {
        if self.catalog.is_folder(path) {
            return Found::Folder;
        }
        let Some(entry) = self.catalog.entry(path) else {
            return Found::Absent;
        };
        let name = std::ffi::OsStr::from_bytes(path.as_bytes());
        match (File::open(self.tree.join(name)), entry.content) {
            (Ok(file), Some(content)) => Found::File(FoundFile {
                body: FileBody::Object(Arc::new(file)),
                version: FileVersion::known(entry.size, entry.mtime_ns, content, REVISION),
            }),
            _ => Found::Unreadable,
        }
    }

    fn find_in_memory(&self, path: &CatalogPath) -> Option<Found> {
        Some(self.find(path))
    }

    fn has_all(&self, _: &Contents) -> bool {
        true
    }

    fn route(&self, _: &Ask<'_>) -> Route {
        Route::Here
    }

    fn returned_from(&self, _: &MemberId, _: &Ask<'_>) {}

    fn arrived(&self, _: &[u8]) -> Option<Ticket> {
        None
    }

    fn send_back(&self) -> Option<(String, MemberId)> {
        None
    }

    fn status(&self) -> FleetStatus {
        unreachable!("no case asks for it")
    }

    fn is_ready(&self) -> bool {
        true
    }
}

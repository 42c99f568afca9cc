//! Bodies of archives against a role made of a folder and a catalog.

use std::{fs, os::unix::fs::FileExt};

use overspill_core::{
    catalog::{Catalog, Content, Entry, InstanceId, Kind, Revision},
    dispatch::Ticket,
    fleet::MemberId,
    root::{Root, Sha256},
};
use overspill_net::{ByteStream, FileBody, Framing, Part, Parts, StreamItem};
use overspill_store::tree::{Hidden, LiveFile, Opened, Tree};
use overspill_wire::status::FleetStatus;

use super::*;
use crate::{
    file::{FileVersion, FoundFile},
    role::{Ask, Found, Route},
};

/// Finds whatever lies in the folder, in the version that the script says.
struct Script {
    tree: Tree,
    /// The root of what is found; `None` for hot files.
    root: Option<Root>,
}

/// Whether a file was touched since it was promised.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Touched {
    No,
    Yes,
}

fn open(tree: &Tree, path: &CatalogPath) -> LiveFile {
    match tree.open_path(path) {
        Ok(Opened::File(live)) => live,
        other => panic!("{other:?}"),
    }
}

impl Role for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn find_in_memory(&self, path: &CatalogPath) -> Option<Found> {
        Some(self.find(path))
    }

    fn catalog(&self) -> Arc<Catalog> {
        unreachable!("a layout has its own")
    }

    fn find(&self, path: &CatalogPath) -> Found {
        let live = open(&self.tree, path);
        let facts = live.facts;
        let (body, version) = match self.root {
            Some(root) => (
                FileBody::Object(Arc::new(live.file)),
                FileVersion::known(facts.size, facts.mtime_ns, content(root), Revision(1)),
            ),
            None => (FileBody::Hot(Arc::new(live)), FileVersion::hot(&facts)),
        };
        Found::File(FoundFile { body, version })
    }

    fn has_all(&self, _contents: &Contents) -> bool {
        true
    }

    fn route(&self, _ask: &Ask<'_>) -> Route {
        Route::Here
    }

    fn returned_from(&self, _: &MemberId, _: &Ask<'_>) {}

    fn arrived(&self, _ticket: &[u8]) -> Option<Ticket> {
        None
    }

    fn send_back(&self) -> Option<(String, MemberId)> {
        None
    }

    fn status(&self) -> FleetStatus {
        unreachable!("nobody asks")
    }

    fn is_ready(&self) -> bool {
        true
    }
}

fn content(root: Root) -> Content {
    Content {
        root,
        sha256: Sha256([0; 32]),
        crc32: crc32fast::hash(b"bytes"),
    }
}

/// A folder with three files of five bytes and a hundred empty ones.
struct Scene {
    role: Arc<Script>,
    layout: Arc<Layout>,
    _folder: tempfile::TempDir,
}

fn scene(
    container: Container,
    promised: Option<Root>,
    found: Option<Root>,
    touched: Touched,
) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::open(folder.path(), Hidden::Hide).unwrap();
    let mut catalog = Catalog::new(InstanceId(1));
    for at in 0..103 {
        let (name, bytes) = match at {
            0..3 => (format!("full{at}"), &b"bytes"[..]),
            _ => (format!("none{at}"), &b""[..]),
        };
        fs::write(folder.path().join(&name), bytes).unwrap();
        let path = CatalogPath::parse(name.as_bytes()).unwrap();
        let facts = open(&tree, &path).facts;
        let mut stamp = facts.stamp;
        stamp.ctime_ns -= i64::from(touched == Touched::Yes);
        let entry = Arc::new(Entry {
            kind: Kind::File,
            size: facts.size,
            mtime_ns: facts.mtime_ns,
            mode: facts.mode,
            revision: Revision(1),
            content: promised.map(content),
            stamp: Some(stamp),
        });
        catalog.apply(Revision(1), [(&path, Some(&entry))]);
    }
    let contents = Contents::new(Arc::new(catalog), CatalogPath::root(), None);
    let role = Script { tree, root: found };
    Scene {
        role: Arc::new(role),
        layout: Arc::new(Layout::plan(contents, container).unwrap()),
        _folder: folder,
    }
}

const ROOT: Option<Root> = Some(Root([7; 32]));

impl Scene {
    fn parts(&self) -> StoredParts<Script> {
        let range = overspill_http1::range::ByteRange::new(0, self.layout.length()).unwrap();
        StoredParts::new(Arc::clone(&self.role), Arc::clone(&self.layout), range)
    }

    /// All parts: how long each is, and their bytes.
    fn stored(&self) -> std::io::Result<(Vec<usize>, Vec<u8>)> {
        let (mut parts, mut lengths, mut out) = (self.parts(), Vec::new(), Vec::new());
        while let Some(part) = parts.next_part()? {
            let bytes = match part {
                Part::Bytes(bytes) => bytes.to_vec(),
                Part::File { file, range } => {
                    let mut bytes = vec![0; range.len() as usize];
                    file.file().read_exact_at(&mut bytes, range.start)?;
                    bytes
                }
                Part::Relay(_) => panic!("an archive is made of files"),
            };
            lengths.push(bytes.len());
            out.extend(bytes);
        }
        Ok((lengths, out))
    }

    /// All of a stream, and whether it came to its proper end.
    async fn streamed(self, format: ArchiveFormat) -> (Vec<u8>, bool) {
        let layout = Arc::into_inner(self.layout).unwrap();
        let producer = Producer::admit(self.role, layout, format).unwrap();
        let ByteStream { mut items, framing } = producer.start(Framing::Chunked);
        assert_eq!(framing, Framing::Chunked);
        let mut out = Vec::new();
        while let Some(item) = items.recv().await {
            match item {
                StreamItem::Bytes(bytes) => out.extend(bytes),
                StreamItem::End => return (out, true),
            }
        }
        (out, false)
    }
}

#[test]
fn headers_that_follow_each_other_go_out_together() {
    let scene = scene(Container::Zip, ROOT, ROOT, Touched::No);
    let (lengths, bytes) = scene.stored().unwrap();
    assert_eq!(bytes.len() as u64, scene.layout.length());
    assert_eq!(lengths.len(), 6 + 1, "{lengths:?}");
    assert_eq!(lengths[..6].iter().filter(|&&bytes| bytes == 5).count(), 3);
}

#[test]
fn a_file_of_another_version_cuts_the_body() {
    for (case, promised, found, touched, is_whole) in [
        ("the same content", ROOT, ROOT, Touched::Yes, true),
        (
            "another content",
            ROOT,
            Some(Root([8; 32])),
            Touched::No,
            false,
        ),
        ("not hashed again yet", ROOT, None, Touched::No, false),
        ("hot and untouched", None, None, Touched::No, true),
        ("hot and touched", None, None, Touched::Yes, false),
        ("a mirror has no hot files", None, ROOT, Touched::No, false),
    ] {
        let scene = scene(Container::Tar, promised, found, touched);
        match scene.stored() {
            Ok((_, bytes)) => {
                assert!(is_whole, "{case}");
                assert_eq!(bytes.len() as u64, scene.layout.length());
            }
            Err(error) => {
                assert!(!is_whole, "{case}: {error}");
                assert_eq!(
                    error.to_string(),
                    "full0 changed or vanished while the archive was sent; ask for the archive \
                     again"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stream_ends_properly_only_when_it_is_whole() {
    for format in [ArchiveFormat::TarGz, ArchiveFormat::TarZst] {
        let whole = scene(Container::Tar, ROOT, ROOT, Touched::No);
        let (_, expected) = whole.stored().unwrap();
        let (bytes, is_whole) = whole.streamed(format).await;
        assert!(is_whole, "{format:?}");
        let mut unpacked = Vec::new();
        if format == ArchiveFormat::TarGz {
            let mut gzip = flate2::write::GzDecoder::new(&mut unpacked);
            std::io::Write::write_all(&mut gzip, &bytes).unwrap();
            gzip.finish().unwrap();
        } else {
            unpacked = zstd::decode_all(&bytes[..]).unwrap();
        }
        assert!(unpacked == expected, "{format:?}");
        let torn = scene(Container::Tar, ROOT, None, Touched::No);
        assert!(!torn.streamed(format).await.1, "{format:?}");
    }
}

/// The CRC-32 of a hot file follows it, and stands in the central directory.
#[tokio::test]
async fn a_zip_of_hot_files_learns_their_checksums_on_the_way() {
    let hot = scene(Container::Zip, None, None, Touched::No);
    let length = hot.layout.length();
    assert!(hot.layout.needs_checksums());
    let (bytes, is_whole) = hot.streamed(ArchiveFormat::Zip).await;
    assert_eq!((bytes.len() as u64, is_whole), (length, true));
    let crc32 = crc32fast::hash(b"bytes").to_le_bytes();
    let times = |needle: &[u8]| {
        bytes
            .windows(needle.len())
            .filter(|at| *at == needle)
            .count()
    };
    assert_eq!(times(&[b"bytesPK\x07\x08", &crc32[..]].concat()), 3);
    assert_eq!(times(&crc32), 3 + 3);
}

//! A folder or a selection as one download: `?archive=tar|tar.gz|tar.zst|zip`.
//!
//! A stored archive has a length, a strong entity tag and ranges like any file, and its contents go
//! from the disk to the socket by the kernel. A compressed one is made by a thread of its own while
//! it is sent, and has none of these. It must never send a file that is not the version the catalog
//! had when the head was written: the body is cut then, never short, shifted or mixed.

pub(crate) mod disposition;
mod files;
mod stored;
mod streamed;

use std::sync::Arc;

use overspill_core::{catalog::Selection, path::CatalogPath};
use overspill_http1::{
    conditional::{ETag, Validators},
    date::UnixSeconds,
    request::{Fields, Method, Request},
    response::{Plan, Representation, plan},
    status::Status,
};
use overspill_net::{Answer, Body};
use overspill_store::archive::{Container, Contents, Identity, Layout, LayoutError};

use self::{stored::StoredParts, streamed::Producer};
use crate::{
    file::FieldLines,
    parts::Boundaries,
    query::ArchiveFormat,
    reply::{Context, Selected, reply},
    role::Role,
    rules::Origins,
};

/// A request for an archive.
pub(crate) struct Asked<'a, R> {
    pub(crate) role: &'a Arc<R>,
    pub(crate) request: &'a Request<'a>,
    pub(crate) folder: &'a CatalogPath,
    pub(crate) format: ArchiveFormat,
    pub(crate) boundaries: &'a Boundaries,
    pub(crate) now: UnixSeconds,
}

/// What became of laying an archive out.
pub(crate) enum Planned {
    Layout(Box<Layout>),
    /// Not all of it is on this node: the request belongs to the server.
    NotHere,
    Refused(LayoutError),
}

/// Lays out what `selection` leaves of `folder`. It walks all of it, so not on the serving thread.
pub(crate) async fn lay_out<R: Role>(
    role: &Arc<R>,
    folder: &CatalogPath,
    selection: Option<&Selection>,
    format: ArchiveFormat,
) -> Planned {
    let contents = Contents::new(role.catalog(), folder.clone(), selection.cloned());
    let role = Arc::clone(role);
    let planned = tokio::task::spawn_blocking(move || {
        if !role.has_all(&contents) {
            return Planned::NotHere;
        }
        match Layout::plan(contents, format.container()) {
            Ok(layout) => Planned::Layout(Box::new(layout)),
            Err(error) => Planned::Refused(error),
        }
    });
    // A panic there has been printed.
    planned.await.unwrap_or(Planned::NotHere)
}

impl<R: Role> Asked<'_, R> {
    /// Answers it with `layout`.
    pub(crate) fn answer(&self, layout: Layout, context: Context<'_>) -> Answer {
        if self.format.is_compressed() || layout.needs_checksums() {
            self.stream(layout, context)
        } else {
            self.send(layout, context)
        }
    }

    /// A body of known length, from headers in memory and files on the disk.
    fn send(&self, layout: Layout, mut context: Context<'_>) -> Answer {
        let is_exact = matches!(layout.identity(), Identity::Exact(_));
        let (ranges, accepted) = match is_exact {
            true => ("bytes", self.request.fields.range),
            // A part of a thing that has no strong name fits to nothing.
            false => ("none", None),
        };
        let etag = self.etag(&layout);
        let plan = self.plan(&etag, layout.length(), accepted);
        let lines = self.lines(&etag, ranges);
        let selected = context.file_head(plan, layout.length(), &lines, self.boundaries);
        let Selected::Range(range) = selected else {
            return reply(Body::Empty, self.request.keep_alive);
        };
        let parts = StoredParts::new(Arc::clone(self.role), Arc::new(layout), range);
        let body = Body::Parts {
            bytes: range.len(),
            parts: Box::new(parts),
        };
        reply(body, self.request.keep_alive)
    }

    /// A body that is made while it is sent.
    fn stream(&self, layout: Layout, mut context: Context<'_>) -> Answer {
        let etag = self.etag(&layout);
        let lines = self.lines(&etag, "none");
        let plan = self.plan(&etag, 0, None);
        if plan != Plan::Full {
            context.file_head(plan, 0, &lines, self.boundaries);
            return reply(Body::Empty, self.request.keep_alive);
        }
        if self.request.method == Method::Head {
            let (_, keep_alive) = context.stream_head(&lines);
            return reply(Body::Empty, keep_alive);
        }
        let Some(producer) = Producer::admit(Arc::clone(self.role), layout, self.format) else {
            return context.error(Status::ServiceUnavailable, streamed::FULL);
        };
        let (framing, keep_alive) = context.stream_head(&lines);
        reply(Body::Stream(producer.start(framing)), keep_alive)
    }

    /// Evaluates preconditions and, where it is `accepted`, the range.
    ///
    /// There is no modification time to go by: deleting a file makes none of the others newer.
    fn plan(&self, etag: &str, length: u64, accepted: Option<&[u8]>) -> Plan {
        let validators = Validators {
            etag: ETag::parse(etag.as_bytes()),
            last_modified: None,
        };
        let fields = Fields {
            range: accepted,
            ..self.request.fields
        };
        let request = Request {
            fields,
            ..*self.request
        };
        let representation = Representation {
            content_type: self.format.content_type(),
            length,
            validators,
        };
        match plan(&request, &representation, self.now) {
            // Nobody asks for several pieces of an archive but to try us.
            Plan::Parts(_) => Plan::Full,
            plan => plan,
        }
    }

    /// The tag is strong where equal ones mean equal bytes. What a compressor makes depends on its
    /// version, and two nodes of a fleet may have different ones for a while; a hot file has no root.
    fn etag(&self, layout: &Layout) -> String {
        let format = self.format.extension();
        match layout.identity() {
            Identity::Exact(digest) if !self.format.is_compressed() => {
                format!("\"{format}-{digest}\"")
            }
            Identity::Exact(digest) | Identity::Vague(digest) => {
                format!("W/\"{format}-{digest}\"")
            }
        }
    }

    fn lines(&self, etag: &str, ranges: &str) -> FieldLines {
        let name = match self.folder.name() {
            b"" => b"files",
            name => name,
        };
        let disposition = disposition::attachment(name, self.format.extension());
        let revalidation = format!("ETag: {etag}\r\nCache-Control: no-cache\r\n");
        let description = format!(
            "Content-Disposition: {disposition}\r\nAccept-Ranges: {ranges}\r\n\
             X-Content-Type-Options: nosniff\r\n"
        );
        FieldLines {
            content_type: self.format.content_type().to_owned(),
            description,
            legacy_digest: String::new(),
            repr_digest: String::new(),
            revalidation,
            whole: String::new(),
            settled: true,
            links: None,
            origins: Origins::Own,
        }
    }
}

impl ArchiveFormat {
    /// What its files are called after the last dots of their names.
    fn extension(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::TarGz => "tar.gz",
            Self::TarZst => "tar.zst",
            Self::Zip => "zip",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Tar => "application/x-tar",
            Self::TarGz => "application/gzip",
            Self::TarZst => "application/zstd",
            Self::Zip => "application/zip",
        }
    }

    fn container(self) -> Container {
        match self {
            Self::Tar | Self::TarGz | Self::TarZst => Container::Tar,
            Self::Zip => Container::Zip,
        }
    }

    fn is_compressed(self) -> bool {
        match self {
            Self::Tar | Self::Zip => false,
            Self::TarGz | Self::TarZst => true,
        }
    }
}

/// The whole of an archive.
fn whole(layout: &Layout) -> std::ops::Range<u64> {
    0..layout.length()
}

#[cfg(test)]
mod tests;

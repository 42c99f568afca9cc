//! Describing a file instead of sending it: Metalink documents, and who has it.
//!
//! It must never describe bytes whose hash is not known.

use overspill_core::{
    catalog::{Content, Revision},
    dispatch::{Holding, Manner, Part, Turn},
    path::{CatalogPath, UrlForm, UrlPath},
};
use overspill_http1::{negotiate, status::Status};
use overspill_net::Answer;
use overspill_wire::paths::{EXPLAIN, MIRRORS};

use super::{NodeService, visit::Visit};
use crate::{
    archive::disposition::attachment,
    cache::Ready,
    holders::{Own, Ranked, holders},
    metalink::{Asked, Document, Format},
    reply::Generated,
    role::{Ask, Found, Role},
};

/// The version of a file that a document is about.
struct Subject {
    size: u64,
    mtime_ns: i64,
    content: Option<(Content, Revision)>,
    holding: Holding,
}

/// The document that is the better answer to a request for the file itself, if the client says so.
pub(super) fn preferred(ready: &Ready, visit: Visit<'_>) -> Option<Asked> {
    let accept = visit.request.fields.accept.iter();
    let wish = negotiate::Metalink::negotiate(accept, &ready.lines.content_type);
    let is_known = ready.version.content.is_some();
    (wish == negotiate::Metalink::Preferred && is_known).then(|| Asked {
        path: ready.path.clone(),
        format: Format::Four,
        ending: "?meta4",
    })
}

impl<R: Role> NodeService<R> {
    /// Answers with a Metalink document.
    pub(super) async fn describe(
        &self,
        asked: Asked,
        visit: Visit<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let subject = match self.find(&asked.path).await {
            Found::File(file) => Subject {
                size: file.version.size,
                mtime_ns: file.version.mtime_ns,
                content: file.version.content,
                holding: Holding::Here,
            },
            Found::Elsewhere | Found::Unreadable => match self.named(&asked.path) {
                Some(subject) => subject,
                None => return absent(visit, out),
            },
            Found::Folder => {
                let detail = "a folder is not described by Metalink; ask for a file in it";
                return visit.context(out).error(Status::BadRequest, detail);
            }
            Found::Absent => return absent(visit, out),
        };
        let Some((content, revision)) = subject.content else {
            let detail = "not hashed yet, so there is nothing to check it by; try again soon";
            return visit.context(out).error(Status::ServiceUnavailable, detail);
        };
        let holders = self.holders(&subject, &content, revision, visit);
        if holders.is_empty() {
            let detail = "nobody who could be reached has it; try again later";
            return visit.context(out).error(Status::ServiceUnavailable, detail);
        }
        let document = Document {
            path: &asked.path,
            size: subject.size,
            mtime_ns: subject.mtime_ns,
            sha256: content.sha256,
            holders: &holders,
            origin: &format!("{}{}{}", visit.origin(), asked.path.to_url(), asked.ending),
        };
        let body = document.render(asked.format);
        let disposition = attachment(asked.path.name(), asked.format.extension());
        let kind = Generated {
            content_type: asked.format.content_type(),
            etag: format!("\"{}\"", blake3::hash(body.as_bytes()).to_hex()),
            fields: &[("Content-Disposition", &disposition), ("Vary", "Accept")],
        };
        visit.context(out).generated(&kind, || body.into())
    }

    /// Leads to who has it: of a file with the reasons, of a folder as a list.
    pub(super) fn answer_mirror_list(
        &self,
        url: &UrlPath,
        visit: Visit<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let path = url.path.to_url();
        let location = match url.form {
            UrlForm::File => format!("{EXPLAIN}{path}"),
            UrlForm::Folder => {
                let path = overspill_core::path::encode_component(url.path.as_bytes());
                format!("{MIRRORS}?path={path}")
            }
        };
        visit.context(out).redirect(&location, None)
    }

    /// What the catalog says of a file whose bytes are not here.
    fn named(&self, path: &CatalogPath) -> Option<Subject> {
        let catalog = self.role.catalog();
        let entry = catalog.entry(path)?;
        Some(Subject {
            size: entry.size,
            mtime_ns: entry.mtime_ns,
            content: entry.content.map(|content| (content, entry.revision)),
            holding: Holding::Elsewhere,
        })
    }

    fn holders(
        &self,
        subject: &Subject,
        content: &Content,
        revision: Revision,
        visit: Visit<'_>,
    ) -> Vec<Ranked> {
        let ask = Ask {
            revision,
            root: content.root,
            bytes: subject.size,
            part: Part::Whole,
            holding: subject.holding,
            client: visit.client.address.ip().to_canonical(),
            turn: Turn::First,
            avoid: &visit.query.avoid,
            host: visit.request.host,
            scheme: visit.scheme(),
            links: 0,
            manner: Manner::AsSet,
        };
        let is_named = !visit.request.host.is_empty();
        let own = match subject.holding {
            Holding::Here if is_named => Own::At(visit.origin()),
            Holding::Here | Holding::Elsewhere => Own::Absent,
        };
        holders(&*self.role, &ask, own)
    }
}

fn absent(visit: Visit<'_>, out: &mut Vec<u8>) -> Answer {
    let detail = "there is no such file";
    visit.context(out).error(Status::NotFound, detail)
}

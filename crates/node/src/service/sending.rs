//! The body behind a head that has been written: from memory, a file, or another node.
//!
//! It must never name bytes of another version than the head does.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use bytes::Bytes;
use overspill_core::{
    catalog::{Content, Revision},
    relay::Span,
};
use overspill_http1::range::ByteRange;
use overspill_net::{Answer, Body, Decision, FileBody};

use super::{NodeService, visit::Visit};
use crate::{
    cache::{Ready, Source},
    parts::{self, Supplier},
    query::Whence,
    relay::{Chosen, Steering, Subject, relay},
    reply::{Selected, decided},
    role::Role,
};

impl<R: Role> NodeService<R> {
    /// What follows the head: from here, or from the member that was `chosen`.
    pub(super) fn send(
        &self,
        selected: Selected,
        ready: &Ready,
        chosen: Option<Chosen>,
        visit: Visit<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let decision = match (&selected, &chosen) {
            (Selected::Nothing, _) | (_, None) => Decision::Serve,
            (_, Some(chosen)) => Decision::Relay(Arc::from(chosen.member.as_str())),
        };
        let version = &ready.version;
        let body = match (selected, &ready.source) {
            (Selected::Nothing, _) => Body::Empty,
            (Selected::Range(range), Source::Memory(bytes)) if chosen.is_none() => {
                memory_body(bytes, range, out)
            }
            (Selected::Parts(multipart), Source::Memory(bytes)) if chosen.is_none() => {
                parts::in_memory(multipart, bytes)
            }
            (selected, source) => match (source, version.content) {
                (_, Some(known)) if chosen.is_some() || self.can_go_on(visit) => {
                    let steering = self.steering(ready, known, chosen, visit);
                    self.relayed(selected, version.size, &steering)
                }
                (Source::File(file), _) => from_file(selected, file),
                // Nothing but a relay is chosen where there is no file, and that is of known content.
                (Source::Elsewhere(_) | Source::Memory(_), _) => Body::Empty,
            },
        };
        decided(decision, body, visit.request.keep_alive)
    }

    /// Whether somebody else could go on with a body that begins here: not for a node that relays to
    /// its own client, and asks the next one itself.
    fn can_go_on(&self, visit: Visit<'_>) -> bool {
        visit.query.whence != Whence::Here && self.role.dispatcher().is_some()
    }

    /// The choice of who feeds a body.
    fn steering(
        &self,
        ready: &Ready,
        (content, revision): (Content, Revision),
        chosen: Option<Chosen>,
        visit: Visit<'_>,
    ) -> Rc<RefCell<Steering<R>>> {
        let subject = Subject {
            path: ready.content_path.clone(),
            root: content.root,
            revision,
            client: visit.client.address.ip(),
            host: visit.request.host.into(),
            scheme: visit.scheme(),
        };
        let own = match &ready.source {
            Source::File(file) => Some(file.clone()),
            _ => None,
        };
        Steering::new(Arc::clone(&self.role), subject, own, chosen, self.relayed)
    }

    fn relayed(&self, selected: Selected, size: u64, steering: &Rc<RefCell<Steering<R>>>) -> Body {
        let (steering, relayer) = (Rc::clone(steering), Rc::clone(&self.relayer));
        let relay_of = move |range: ByteRange| {
            let (start, end) = (range.start, range.end);
            relay(&steering, Span { start, end, size }, &relayer)
        };
        match selected {
            Selected::Nothing => Body::Empty,
            Selected::Range(range) => Body::Relay(relay_of(range)),
            Selected::Parts(multipart) => {
                parts::body(multipart, Supplier::Relays(Box::new(relay_of)))
            }
        }
    }
}

fn from_file(selected: Selected, file: &FileBody) -> Body {
    let file = file.clone();
    match selected {
        Selected::Nothing => Body::Empty,
        Selected::Range(range) => Body::File { file, range },
        Selected::Parts(multipart) => parts::body(multipart, Supplier::File(file)),
    }
}

/// Puts a small range behind the head in `out`, or names the shared bytes.
fn memory_body(bytes: &Bytes, range: ByteRange, out: &mut Vec<u8>) -> Body {
    const MAX_COPIED_BYTES: u64 = 16 << 10;
    let part = range.start as usize..range.end as usize;
    if range.len() > MAX_COPIED_BYTES {
        return Body::Bytes(bytes.slice(part));
    }
    out.extend_from_slice(&bytes[part]);
    Body::Written(range.len())
}

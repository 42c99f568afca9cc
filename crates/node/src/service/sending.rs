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
use overspill_net::{Answer, Body, Decision, FileBody, Reservation};

use super::{NodeService, visit::Visit};
use crate::{
    cache::{Ready, Source},
    parts::{self, Supplier},
    query::Whence,
    relay::{Chosen, Steer, Steering, Striping, Subject, relay},
    reply::{Selected, decided},
    role::Role,
    settings::Relayed,
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
                    let subject = subject(ready, known, visit);
                    self.fed(selected, version.size, (subject, own(source), chosen))
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

    /// A body that may change its feeder: striped if it is relayed and that is set, else from one after
    /// the other.
    fn fed(
        &self,
        selected: Selected,
        size: u64,
        (subject, own, chosen): (Subject, Option<FileBody>, Option<Chosen>),
    ) -> Body {
        let reserved = chosen.as_ref().and_then(|_| self.reserve(&selected));
        match (chosen, reserved) {
            (Some(chosen), Some((range, reservation))) => {
                let (start, end) = (range.start, range.end);
                let span = Span { start, end, size };
                let steer = Steer::new(&self.role, subject, own, chosen);
                let relayer = Rc::clone(&self.relayer);
                Body::Striped(Box::new(steer.striped(span, relayer, reservation)))
            }
            (chosen, _) => {
                let steering = Steering::new(
                    Arc::clone(&self.role),
                    subject,
                    own,
                    chosen,
                    self.relayed.get(),
                );
                self.relayed(selected, size, &steering)
            }
        }
    }

    /// Memory to stripe a body in; `None` if it is not to be striped.
    fn reserve(&self, selected: &Selected) -> Option<(ByteRange, Reservation)> {
        let Selected::Range(range) = selected else {
            return None;
        };
        if self.relayed.get() == Relayed::Checked {
            // Windows are read by tasks that know nothing of groups.
            return None;
        }
        let striping = self.striping.borrow();
        let Striping { lanes, memory } = striping.as_ref()?;
        let reservation = memory.reserve(*lanes, range.len())?;
        Some((*range, reservation))
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

/// What a body is of, and for whom.
fn subject(ready: &Ready, (content, revision): (Content, Revision), visit: Visit<'_>) -> Subject {
    Subject {
        path: ready.content_path.clone(),
        root: content.root,
        revision,
        client: visit.client.address.ip(),
        host: visit.request.host.into(),
        scheme: visit.scheme(),
    }
}

/// This node's own file, if it has it.
fn own(source: &Source) -> Option<FileBody> {
    match source {
        Source::File(file) => Some(file.clone()),
        _ => None,
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

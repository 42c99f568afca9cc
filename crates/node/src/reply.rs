//! Writing replies: files, redirects, listings, errors.
//!
//! One function per kind, all through `HeadWriter`. It must never send a body with HEAD or 304.

use std::sync::Arc;

use bytes::Bytes;
use overspill_http1::{
    date::IMF_FIXDATE_BYTES,
    range::ByteRange,
    request::{KeepAlive, Method, Request},
    response::{HeadWriter, Plan, error_body},
    status::Status,
};
use overspill_net::{Answer, Body, Decision, Now, Reply};
use overspill_wire::paths::MEMBER_FIELD;

use crate::file::FieldLines;

/// The methods of the tree.
const ALLOW: &[u8] = b"GET, HEAD, OPTIONS";

/// What every reply needs of its request.
pub(crate) struct Context<'a> {
    request: &'a Request<'a>,
    date: &'a [u8; IMF_FIXDATE_BYTES],
    out: &'a mut Vec<u8>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(request: &'a Request<'a>, now: &'a Now, out: &'a mut Vec<u8>) -> Self {
        Self {
            request,
            date: &now.date,
            out,
        }
    }

    /// The head for `plan` over a file of `length` bytes; the range to send, if any.
    pub(crate) fn file_head(
        &mut self,
        plan: Plan,
        length: u64,
        lines: &FieldLines,
    ) -> Option<ByteRange> {
        let keep_alive = self.request.keep_alive;
        let mut head = HeadWriter::start(self.out, self.request.version, plan.status());
        head.date(self.date).connection(keep_alive);
        let range = match plan {
            Plan::Full => {
                head.raw_fields(lines.all.as_bytes())
                    .field_u64("Content-Length", length);
                ByteRange::new(0, length)
            }
            Plan::Partial(range) => {
                head.raw_fields(lines.all.as_bytes())
                    .content_range(range, length)
                    .field_u64("Content-Length", range.len());
                Some(range)
            }
            Plan::NotModified => {
                head.raw_fields(lines.revalidation.as_bytes());
                None
            }
            Plan::PreconditionFailed => {
                head.field_u64("Content-Length", 0);
                None
            }
            Plan::RangeNotSatisfiable => {
                head.unsatisfied_range(length)
                    .field_u64("Content-Length", 0);
                None
            }
        };
        head.finish();
        range.filter(|_| self.request.method == Method::Get)
    }

    /// Sends the client elsewhere. Never cached: the next request may be decided otherwise.
    pub(crate) fn redirect(mut self, location: &str, member: Option<&str>) -> Answer {
        let mut head = self.start(Status::TemporaryRedirect);
        head.field("Location", location.as_bytes())
            .field("Cache-Control", b"private, no-store")
            .field_u64("Content-Length", 0);
        let decision = match member {
            Some(member) => {
                head.field(MEMBER_FIELD, member.as_bytes());
                Decision::Redirect(Arc::from(member))
            }
            None => Decision::Serve,
        };
        head.finish();
        decided(decision, Body::Empty, self.request.keep_alive)
    }

    /// A generated document.
    pub(crate) fn document(
        mut self,
        content_type: &str,
        extra: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut head = self.start(Status::Ok);
        head.field("Content-Type", content_type.as_bytes())
            .field("Cache-Control", b"no-cache")
            .field("X-Content-Type-Options", b"nosniff")
            .field("Vary", b"Accept")
            .field_u64("Content-Length", body.len() as u64);
        for (name, value) in extra {
            head.field(name, value.as_bytes());
        }
        head.finish();
        let body = match self.request.method {
            Method::Get => Body::Bytes(Bytes::from(body)),
            _ => Body::Empty,
        };
        reply(body, self.request.keep_alive)
    }

    /// What can be done here.
    pub(crate) fn options(mut self) -> Answer {
        let mut head = self.start(Status::Ok);
        head.field("Allow", ALLOW).field_u64("Content-Length", 0);
        head.finish();
        reply(Body::Empty, self.request.keep_alive)
    }

    /// An error in one line of text.
    pub(crate) fn error(mut self, status: Status, detail: &str) -> Answer {
        let body = error_body(status, detail);
        let mut head = self.start(status);
        head.field("Content-Type", b"text/plain; charset=utf-8")
            .field("X-Content-Type-Options", b"nosniff")
            .field_u64("Content-Length", body.len() as u64);
        match status {
            Status::MethodNotAllowed => head.field("Allow", ALLOW),
            Status::ServiceUnavailable => head.field("Retry-After", b"5"),
            _ => &mut head,
        };
        head.finish();
        if self.request.method != Method::Head {
            self.out.extend_from_slice(body.as_bytes());
        }
        reply(Body::Empty, self.request.keep_alive)
    }

    fn start(&mut self, status: Status) -> HeadWriter<'_> {
        let mut head = HeadWriter::start(self.out, self.request.version, status);
        head.date(self.date).connection(self.request.keep_alive);
        head
    }
}

/// An answer with this body.
pub(crate) fn reply(body: Body, keep_alive: KeepAlive) -> Answer {
    decided(Decision::Serve, body, keep_alive)
}

/// An answer with this body, after a decision.
fn decided(decision: Decision, body: Body, keep_alive: KeepAlive) -> Answer {
    Answer::Reply(Reply {
        body,
        keep_alive,
        decision,
    })
}

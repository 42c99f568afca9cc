//! Writing replies: files, redirects, listings, errors.
//!
//! One function per kind, all through `HeadWriter`. It must never send a body with HEAD or 304.

use std::sync::Arc;

use bytes::Bytes;
use overspill_http1::{
    conditional::{ETag, Precondition, Validators, evaluate},
    date::IMF_FIXDATE_BYTES,
    digest::{self, Wish},
    multipart::Multipart,
    range::ByteRange,
    request::{Fields, KeepAlive, Method, Request, Version},
    response::{HeadWriter, Plan, error_body},
    status::Status,
};
use overspill_net::{Answer, Body, Decision, Framing, Now, Reply};
use overspill_wire::paths::MEMBER_FIELD;

use crate::{file::FieldLines, parts::Boundaries, rules::Origins};

/// What is said about a generated document.
pub(crate) struct Generated<'a> {
    /// Its type.
    pub(crate) content_type: &'a str,
    /// Its entity tag as it goes on the wire.
    pub(crate) etag: String,
    /// Further fields, of a 304 too.
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

/// When a client may come back from a trouble of which nobody knows how long it lasts.
const RETRY_AFTER_S: u32 = 5;

/// The methods of the tree.
const ALLOW: &[u8] = b"GET, HEAD, OPTIONS";

/// What every reply needs of its request.
pub(crate) struct Context<'a> {
    request: &'a Request<'a>,
    date: &'a [u8; IMF_FIXDATE_BYTES],
    /// Lines that every answer carries.
    always: &'a str,
    /// Lines for other origins, in answers that are not about the file itself.
    allowed: String,
    /// Lines about the file that a redirect leads to.
    beyond: String,
    out: &'a mut Vec<u8>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(request: &'a Request<'a>, now: &'a Now, out: &'a mut Vec<u8>) -> Self {
        Self {
            request,
            date: &now.date,
            always: "",
            allowed: String::new(),
            beyond: String::new(),
            out,
        }
    }

    /// The same, with `lines` in every answer, each with its CRLF.
    pub(crate) fn always(self, lines: &'a str) -> Self {
        Self {
            always: lines,
            ..self
        }
    }

    /// The same, with `lines` for other origins: a browser wants them in each answer on the way.
    pub(crate) fn allowing(self, lines: String) -> Self {
        Self {
            allowed: lines,
            ..self
        }
    }

    /// The same, with `lines` in a redirect, about what it leads to: each with its CRLF.
    pub(crate) fn describing(self, lines: String) -> Self {
        Self {
            beyond: lines,
            ..self
        }
    }

    /// The head for `plan` over a file of `length` bytes; what of the file is to follow it.
    pub(crate) fn file_head(
        &mut self,
        plan: Plan,
        length: u64,
        lines: &FieldLines,
        boundaries: &Boundaries,
    ) -> Selected {
        let request = self.request;
        let mut head = self.start(plan.status());
        let has_wishes = !request.fields.want_repr_digest.is_empty()
            || !request.fields.want_digest.is_empty()
            || lines.origins != Origins::Own;
        if plan == Plan::Full && !has_wishes && !lines.whole.is_empty() {
            head.raw_fields(lines.whole.as_bytes());
            head.finish();
            return match request.method {
                Method::Get => whole(length),
                _ => Selected::Nothing,
            };
        }
        head.raw_fields(lines.revalidation.as_bytes());
        if lines.origins != Origins::Own {
            let allowed = lines.origins.lines(request.fields.origin);
            head.raw_fields(allowed.as_bytes());
        }
        if plan == Plan::NotModified {
            head.finish();
            return Selected::Nothing;
        }
        // Also with 412 and 416: whoever asks again knows by them how.
        head.raw_fields(lines.description.as_bytes());
        if plan.status().is_success() {
            write_digests(&mut head, lines, &request.fields);
        }
        let selected = write_length(&mut head, plan, length, &lines.content_type, boundaries);
        head.finish();
        match request.method {
            Method::Get => selected,
            _ => Selected::Nothing,
        }
    }

    /// The head of a body whose length is not known; how its end is marked, and what becomes of the
    /// connection. HTTP/1.0 knows no chunks, so its end is that of the connection.
    pub(crate) fn stream_head(mut self, lines: &FieldLines) -> (Framing, KeepAlive) {
        let (framing, keep_alive) = match self.request.version {
            Version::Http10 => (Framing::UntilClose, KeepAlive::No),
            Version::Http11 => (Framing::Chunked, self.request.keep_alive),
        };
        let mut head = self.start_with(Status::Ok, keep_alive);
        head.raw_fields(lines.revalidation.as_bytes())
            .raw_fields(lines.description.as_bytes())
            .field("Content-Type", lines.content_type.as_bytes());
        if framing == Framing::Chunked {
            head.field("Transfer-Encoding", b"chunked");
        }
        head.finish();
        (framing, keep_alive)
    }

    /// Sends the client elsewhere. Never cached: the next request may be decided otherwise.
    pub(crate) fn redirect(mut self, location: &str, member: Option<&str>) -> Answer {
        let allowed = std::mem::take(&mut self.allowed);
        let beyond = std::mem::take(&mut self.beyond);
        let mut head = self.start(Status::TemporaryRedirect);
        head.field("Location", location.as_bytes())
            .field("Cache-Control", b"private, no-store")
            .raw_fields(beyond.as_bytes())
            .raw_fields(allowed.as_bytes())
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

    /// Sends the client back to whoever sent it here.
    pub(crate) fn send_back(self, location: &str) -> Answer {
        match self.redirect(location, None) {
            Answer::Reply(reply) => Answer::Reply(Reply {
                decision: Decision::SendBack,
                ..reply
            }),
            other => other,
        }
    }

    /// A document made from the catalog, unless the client has it already; `body` is made only when
    /// its length at least is needed.
    ///
    /// Always revalidated and always whole: `Range` is not looked at, for it is made anew in less time
    /// than a resume takes. This is the place to compress it, when `Accept-Encoding` is understood.
    pub(crate) fn generated(
        mut self,
        kind: &Generated<'_>,
        body: impl FnOnce() -> Bytes,
    ) -> Answer {
        let validators = Validators {
            etag: ETag::parse(kind.etag.as_bytes()),
            last_modified: None,
        };
        let status = match evaluate(self.request, &validators) {
            Precondition::Proceed => Status::Ok,
            Precondition::NotModified => Status::NotModified,
            Precondition::Failed => Status::PreconditionFailed,
        };
        let body = if status == Status::Ok {
            body()
        } else {
            Bytes::new()
        };
        let mut head = self.start(status);
        head.field("ETag", kind.etag.as_bytes())
            .field("Cache-Control", b"no-cache");
        for (name, value) in kind.fields {
            head.field(name, value.as_bytes());
        }
        if status == Status::Ok {
            head.field("Content-Type", kind.content_type.as_bytes())
                .field("X-Content-Type-Options", b"nosniff");
        }
        if status != Status::NotModified {
            head.field_u64("Content-Length", body.len() as u64);
        }
        head.finish();
        let body = match self.request.method {
            Method::Get if !body.is_empty() => Body::Bytes(body),
            _ => Body::Empty,
        };
        reply(body, self.request.keep_alive)
    }

    /// What can be done here.
    pub(crate) fn options(mut self, lines: &str) -> Answer {
        let mut head = self.start(Status::Ok);
        head.field("Allow", ALLOW)
            .raw_fields(lines.as_bytes())
            .field_u64("Content-Length", 0);
        head.finish();
        reply(Body::Empty, self.request.keep_alive)
    }

    /// An error in one line of text.
    pub(crate) fn error(self, status: Status, detail: &str) -> Answer {
        self.error_after(status, detail, RETRY_AFTER_S)
    }

    fn error_after(mut self, status: Status, detail: &str, retry_after_s: u32) -> Answer {
        let body = error_body(status, detail);
        let mut head = self.start(status);
        head.field("Content-Type", b"text/plain; charset=utf-8")
            .field("X-Content-Type-Options", b"nosniff")
            .field_u64("Content-Length", body.len() as u64);
        match status {
            Status::MethodNotAllowed => head.field("Allow", ALLOW),
            Status::ServiceUnavailable => head.field_u64("Retry-After", retry_after_s.into()),
            _ => &mut head,
        };
        head.finish();
        if self.request.method == Method::Head {
            return reply(Body::Empty, self.request.keep_alive);
        }
        self.out.extend_from_slice(body.as_bytes());
        reply(Body::Notice(body.len() as u64), self.request.keep_alive)
    }

    /// Nobody has a slot free; the client may come back.
    pub(crate) fn overloaded(self, retry_after_s: u32) -> Answer {
        let detail = format!("every node is at its limit; try again in {retry_after_s} s");
        match self.error_after(Status::ServiceUnavailable, &detail, retry_after_s) {
            Answer::Reply(reply) => Answer::Reply(Reply {
                decision: Decision::Reject,
                ..reply
            }),
            other => other,
        }
    }

    fn start(&mut self, status: Status) -> HeadWriter<'_> {
        self.start_with(status, self.request.keep_alive)
    }

    fn start_with(&mut self, status: Status, keep_alive: KeepAlive) -> HeadWriter<'_> {
        let mut head = HeadWriter::start(self.out, self.request.version, status);
        head.date(self.date)
            .connection(keep_alive)
            .raw_fields(self.always.as_bytes());
        head
    }
}

/// What of a file an answer carries.
#[derive(Debug)]
pub(crate) enum Selected {
    Nothing,
    Range(ByteRange),
    Parts(Multipart),
}

/// All of a file.
fn whole(length: u64) -> Selected {
    ByteRange::new(0, length).map_or(Selected::Nothing, Selected::Range)
}

/// `Repr-Digest` unless it is refused, `Digest` only when it is asked for (RFC 9530).
fn write_digests(head: &mut HeadWriter<'_>, lines: &FieldLines, fields: &Fields<'_>) {
    if digest::repr_digest(fields.want_repr_digest.iter()) != Wish::Refused {
        head.raw_fields(lines.repr_digest.as_bytes());
    }
    if digest::legacy(fields.want_digest.iter()) == Wish::Wanted {
        head.raw_fields(lines.legacy_digest.as_bytes());
    }
}

/// The fields that say what follows and how long it is.
fn write_length(
    head: &mut HeadWriter<'_>,
    plan: Plan,
    length: u64,
    content_type: &str,
    boundaries: &Boundaries,
) -> Selected {
    match plan {
        Plan::Full => {
            head.field("Content-Type", content_type.as_bytes())
                .field_u64("Content-Length", length);
            whole(length)
        }
        Plan::Partial(range) => {
            head.field("Content-Type", content_type.as_bytes())
                .content_range(range, length)
                .field_u64("Content-Length", range.len());
            Selected::Range(range)
        }
        Plan::Parts(ranges) => {
            // `Content-Range` stands in each part, never here (RFC 9110 section 15.3.7.2).
            let multipart = Multipart::new(ranges, length, content_type, boundaries.draw());
            head.field("Content-Type", multipart.content_type().as_bytes())
                .field_u64("Content-Length", multipart.bytes());
            Selected::Parts(multipart)
        }
        Plan::RangeNotSatisfiable => {
            head.unsatisfied_range(length)
                .field_u64("Content-Length", 0);
            Selected::Nothing
        }
        Plan::NotModified | Plan::PreconditionFailed => {
            head.field_u64("Content-Length", 0);
            Selected::Nothing
        }
    }
}

/// An answer with this body.
pub(crate) fn reply(body: Body, keep_alive: KeepAlive) -> Answer {
    decided(Decision::Serve, body, keep_alive)
}

/// An answer with this body, after a decision.
pub(crate) fn decided(decision: Decision, body: Body, keep_alive: KeepAlive) -> Answer {
    Answer::Reply(Reply {
        body,
        keep_alive,
        decision,
    })
}

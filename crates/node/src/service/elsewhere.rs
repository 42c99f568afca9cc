//! Sending a client to where it is served better, or at all.
//!
//! It must never send anybody round in circles, nor out of https.

use std::rc::Rc;

use overspill_core::{
    dispatch::{Holding, Manner, Part, Turn},
    fleet::{MemberId, Scheme},
    path::CatalogPath,
    root::Root,
};
use overspill_http1::{
    digest::{self, Wish},
    negotiate::Metalink,
    request::{Method, Version},
    response::Plan,
    status::Status,
};
use overspill_net::Answer;
use overspill_wire::paths::{AVOID, DIRECT, RELAY, TICKET};

use super::{NodeService, visit::Visit};
use crate::{
    cache::{Lack, Ready, Source},
    dispatcher::Waiting,
    links,
    query::{Aspect, TreeQuery, Whence},
    relay::Chosen,
    role::{Ask, Holder, Role, Route},
};

/// Who sends a body.
pub(super) enum Course {
    /// This node.
    Here,
    /// Another.
    Elsewhere(Away),
    /// Another, through this one.
    Through(Chosen),
    /// Nobody yet.
    Wait(Waiting),
    /// Nobody, for so many seconds.
    Reject {
        /// For `Retry-After`.
        retry_after_s: u32,
    },
}

/// Where a client is sent, and what it is told about that.
pub(super) struct Away {
    /// Where.
    pub(super) location: String,
    /// The member there.
    pub(super) member: MemberId,
    /// Lines about the file that is there.
    pub(super) lines: String,
}

impl<R: Role> NodeService<R> {
    /// Who is to send what `plan` selects.
    pub(super) fn course(
        &self,
        ready: &Ready,
        visit: Visit<'_>,
        plan: &Plan,
        turn: Turn,
    ) -> Course {
        let Some(mut ask) = ask(ready, visit, plan, turn) else {
            return Course::Here;
        };
        ask.manner = manner(visit, ask.holding);
        if let Some(failed) = visit.query.avoid.last().filter(|_| turn == Turn::First) {
            self.role.returned_from(failed, &ask);
        }
        match self.role.route(&ask) {
            // Nowhere else, that is: the bytes are here.
            Route::Here | Route::Nowhere => Course::Here,
            Route::Redirect {
                member,
                url,
                ticket,
                links,
            } => {
                let target = target(&ready.path, &ticket, visit.query);
                Course::Elsewhere(Away {
                    lines: lines_about(ready, visit, &links, &target),
                    location: url + &target,
                    member,
                })
            }
            Route::Relay {
                member,
                url,
                ticket,
            } => Course::Through(Chosen::new(member, url, &ticket, &ready.content_path)),
            Route::Wait(waiting) => Course::Wait(waiting),
            Route::Reject { retry_after_s } => Course::Reject { retry_after_s },
        }
    }

    /// Where another node has the file that was asked for, when there is nobody to send back to.
    fn other_holder(&self, visit: Visit<'_>) -> Option<Away> {
        let path = CatalogPath::from_url(visit.request.path()).ok()?.path;
        let catalog = self.role.catalog();
        let entry = catalog.entry(&path)?;
        let content = entry.content?;
        let ask = Ask {
            revision: entry.revision,
            root: content.root,
            bytes: entry.size,
            part: Part::Whole,
            holding: Holding::Elsewhere,
            client: visit.client.address.ip(),
            avoid: &visit.query.avoid,
            host: visit.request.host,
            scheme: visit.scheme(),
            turn: Turn::First,
            links: self.rules.load().about(&path).links.0,
            manner: Manner::AsSet,
        };
        match self.role.route(&ask) {
            Route::Redirect {
                member,
                url,
                ticket,
                links,
            } => {
                let target = target(&path, &ticket, visit.query);
                let sum = format!("Digest: SHA-256={}\r\n", content.sha256.to_base64());
                let mut lines = digest_line(visit, &sum).to_owned();
                links::push_duplicates(&links, &target, &mut lines);
                Some(Away {
                    location: url + &target,
                    member,
                    lines,
                })
            }
            // It is asked for later again: nobody waits for what may not be there.
            Route::Here
            | Route::Relay { .. }
            | Route::Wait(_)
            | Route::Reject { .. }
            | Route::Nowhere => None,
        }
    }

    /// What the catalog knows at `path`, to be had from others; `None` on a node that is not the last
    /// resort, and for who wants this node's own copy.
    pub(super) fn other_holders(
        &self,
        path: &CatalogPath,
        lack: Lack,
        visit: Visit<'_>,
    ) -> Option<Rc<Ready>> {
        let is_wanted = visit.query.whence != Whence::Here && visit.query.aspect == Aspect::Content;
        if !is_wanted || self.role.send_back().is_some() {
            return None;
        }
        self.make_elsewhere_ready(path, lack, visit.now)
    }

    /// Notes the arrival of a client with a ticket; says what content it was promised.
    pub(super) fn promised(&self, query: &TreeQuery) -> Option<Root> {
        let ticket = query.ticket.as_ref()?;
        self.role.arrived(ticket).map(|ticket| ticket.root)
    }

    /// The catalog knows the file and its bytes are not here: back to whoever sent the client.
    pub(super) fn answer_elsewhere(&self, visit: Visit<'_>, out: &mut Vec<u8>) -> Answer {
        let (request, query) = (visit.request, visit.query);
        let path = CatalogPath::from_url(request.path());
        let origins = path.map(|url| self.rules.load().about(&url.path).origins);
        let allowed = origins.map(|origins| origins.lines(request.fields.origin));
        let context = visit.context(out).allowing(allowed.unwrap_or_default());
        let ticket = query.ticket.as_ref();
        let origin = ticket.and_then(|ticket| self.role.arrived(ticket));
        let back = self.role.send_back().map(|(server, me)| {
            let origin = origin.map_or(server, |ticket| ticket.origin);
            (origin, me)
        });
        if query.whence == Whence::Here && request.fields.if_match.iter().next().is_some() {
            // Whoever relays or copies asks somebody else; it is no failure of this node.
            return context.error(Status::PreconditionFailed, "this version is not here");
        }
        let way = back.filter(|(to, _)| visit.scheme().may_lead_to(Scheme::of_url(to)));
        let Some((origin, me)) = way else {
            if let Some(away) = self.other_holder(visit) {
                return context.describing(away.lines).send_back(&away.location);
            }
            let detail =
                "not all of it is on this node, nor is there another to ask; try again later";
            return context.error(Status::ServiceUnavailable, detail);
        };
        let path = String::from_utf8_lossy(request.path());
        let avoid = avoid_parameter(query, Some(me.as_str()));
        let kept = kept_parameters(request.query().unwrap_or_default());
        context.send_back(&format!("{origin}{path}?{kept}{}", &avoid[1..]))
    }
}

/// What dispatch is asked about this body; `None` if there is nothing to ask.
fn ask<'a>(ready: &Ready, visit: Visit<'a>, plan: &Plan, turn: Turn) -> Option<Ask<'a>> {
    let (bytes, part) = match plan {
        Plan::Full => (ready.version.size, Part::Whole),
        Plan::Partial(range) if range.end == ready.version.size => {
            (range.len(), Part::Rest(range.start))
        }
        Plan::Partial(range) => (range.len(), Part::Span),
        Plan::Parts(ranges) => (ranges.bytes(), Part::Span),
        _ => return None,
    };
    let (content, revision) = ready.version.content?;
    if visit.request.method != Method::Get || visit.query.whence == Whence::Here {
        return None;
    }
    // After two hops a browser calls the origin `null`, which no list has.
    if visit.request.fields.origin.is_some() && ready.lines.origins.varies() {
        return None;
    }
    Some(Ask {
        revision,
        root: content.root,
        bytes,
        part,
        holding: match ready.source {
            Source::Elsewhere(_) => Holding::Elsewhere,
            Source::File(_) | Source::Memory(_) => Holding::Here,
        },
        client: visit.client.address.ip(),
        avoid: &visit.query.avoid,
        host: visit.request.host,
        scheme: visit.scheme(),
        turn,
        links: ready.lines.links.map_or(0, |links| links.0),
        manner: Manner::AsSet,
    })
}

/// The path, with what the redirect gives the client on its way.
fn target(path: &CatalogPath, ticket: &str, query: &TreeQuery) -> String {
    let (path, avoid) = (path.to_url(), avoid_parameter(query, None));
    format!("{path}?{TICKET}={ticket}{avoid}")
}

/// What a redirect to `target` says of the file there; nothing of a compressed form.
fn lines_about(ready: &Ready, visit: Visit<'_>, links: &[Holder], target: &str) -> String {
    if ready.lines.links.is_none() {
        return String::new();
    }
    let mut lines = digest_line(visit, &ready.lines.legacy_digest).to_owned();
    links::push_duplicates(links, target, &mut lines);
    lines.push_str(&description_line(ready, visit));
    lines
}

/// The line `Digest`, unless it is refused (RFC 3230 section 4.3.1). aria2 checks what it has fetched
/// by it, from whomever.
fn digest_line<'l>(visit: Visit<'_>, line: &'l str) -> &'l str {
    match digest::legacy(visit.request.fields.want_digest.iter()) {
        Wish::Refused => "",
        Wish::Unsaid | Wish::Wanted => line,
    }
}

/// The line that leads to the file's Metalink document, for who says that it can read one.
fn description_line(ready: &Ready, visit: Visit<'_>) -> String {
    let accept = visit.request.fields.accept.iter();
    match Metalink::negotiate(accept, &ready.lines.content_type) {
        Metalink::Unnamed => String::new(),
        Metalink::Named | Metalink::Preferred => {
            let (origin, path) = (visit.origin(), ready.path.to_url());
            links::description(&format!("{origin}{path}?meta4"))
        }
    }
}

/// How this client may be led elsewhere.
fn manner(visit: Visit<'_>, holding: Holding) -> Manner {
    match (visit.query.whence, holding, visit.request.version) {
        (Whence::Relayed, ..) => Manner::ByRelay,
        // Who asks for what this node has on offer need not know that its disk is bad.
        (_, Holding::Elsewhere, _) => Manner::NotByRedirect,
        // Clients as old as this often follow nothing.
        (_, _, Version::Http10) => Manner::NotByRedirect,
        _ => Manner::AsSet,
    }
}

/// The parameters that say what is asked for, without those of one hop; each ends in `&`.
fn kept_parameters(query: &[u8]) -> String {
    let of_one_hop = [AVOID, DIRECT, RELAY, TICKET];
    let kept = query.split(|&byte| byte == b'&').filter(|pair| {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        !name.is_empty() && !of_one_hop.iter().any(|hop| hop.as_bytes() == name)
    });
    kept.map(|pair| format!("{}&", String::from_utf8_lossy(pair)))
        .collect()
}

/// `&avoid=a,b` for the members this client has already met in vain, and `also`.
fn avoid_parameter(query: &TreeQuery, also: Option<&str>) -> String {
    let names: Vec<&str> = query
        .avoid
        .iter()
        .map(|member| member.as_str())
        .chain(also)
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("&{AVOID}={}", names.join(","))
    }
}

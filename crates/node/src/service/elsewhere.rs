//! Sending a client to where it is served better, or at all.
//!
//! It must never send anybody round in circles, nor out of https.

use overspill_core::{fleet::Scheme, path::CatalogPath, root::Root};
use overspill_http1::{request::Method, response::Plan, status::Status};
use overspill_net::Answer;
use overspill_wire::paths::{AVOID, DIRECT, TICKET};

use super::{NodeService, visit::Visit};
use crate::{
    cache::Ready,
    query::{TreeQuery, Whence},
    role::{Ask, Role, Route},
};

impl<R: Role> NodeService<R> {
    /// Where this body should come from instead, if from elsewhere; with the member's name.
    pub(super) fn redirect(
        &self,
        ready: &Ready,
        visit: Visit<'_>,
        plan: &Plan,
    ) -> Option<(String, String)> {
        let query = visit.query;
        if let Some(failed) = query.avoid.last() {
            self.role.returned_from(failed);
        }
        let bytes = match plan {
            Plan::Full => ready.version.size,
            Plan::Partial(range) => range.len(),
            Plan::Parts(ranges) => ranges.bytes(),
            _ => return None,
        };
        let (content, revision) = ready.version.content?;
        if visit.request.method != Method::Get || query.whence == Whence::Here {
            return None;
        }
        // After two hops a browser calls the origin `null`, which no list has.
        if visit.request.fields.origin.is_some() && ready.lines.origins.varies() {
            return None;
        }
        match self.role.route(&Ask {
            revision,
            root: content.root,
            bytes,
            avoid: &query.avoid,
            host: visit.request.host,
            scheme: visit.scheme(),
        }) {
            Route::Here => None,
            Route::Redirect {
                member,
                url,
                ticket,
            } => {
                let path = ready.path.to_url();
                let avoid = avoid_parameter(query, None);
                let location = format!("{url}{path}?{TICKET}={ticket}{avoid}");
                Some((location, member.to_string()))
            }
        }
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
        let way = back.filter(|(to, _)| visit.scheme().may_lead_to(Scheme::of_url(to)));
        let Some((origin, me)) = way else {
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

/// The parameters that say what is asked for, without those of one hop; each ends in `&`.
fn kept_parameters(query: &[u8]) -> String {
    let of_one_hop = [AVOID, DIRECT, TICKET];
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

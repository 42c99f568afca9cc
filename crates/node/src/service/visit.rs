//! A request on its way through the service: what was asked, by whom, and when.

use overspill_core::fleet::Scheme;
use overspill_http1::request::Request;
use overspill_net::{Client, Now, Security};

use crate::{query::TreeQuery, reply::Context};

/// One request, and what is known when it arrives.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) query: &'a TreeQuery,
    pub(super) client: &'a Client,
    pub(super) now: &'a Now,
    /// Lines that every answer to this request carries, or nothing.
    pub(super) always: &'a str,
}

impl<'a> Visit<'a> {
    /// What is needed to reply.
    pub(super) fn context(self, out: &'a mut Vec<u8>) -> Context<'a> {
        Context::new(self.request, self.now, out).always(self.always)
    }

    /// This node as the client named it: scheme and authority.
    pub(super) fn origin(self) -> String {
        let host = String::from_utf8_lossy(self.request.host);
        format!("{}://{host}", self.scheme())
    }

    /// How the client came.
    pub(super) fn scheme(self) -> Scheme {
        match self.client.security {
            Security::Plain => Scheme::Http,
            Security::Tls => Scheme::Https,
        }
    }
}

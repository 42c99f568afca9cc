//! The URL by which a client knows this node, for answers that name the node itself.
//!
//! It must never hold a user name, which would go to whoever is shown the answer.

use axum::http::{HeaderMap, HeaderValue, Uri, header, uri::Authority};
use overspill_core::fleet::Scheme;
use overspill_net::Security;

/// The scheme by which a client came.
pub(crate) fn scheme_of(security: Security) -> Scheme {
    match security {
        Security::Plain => Scheme::Http,
        Security::Tls => Scheme::Https,
    }
}

/// Scheme and authority as the client wrote them; `None` if it did not say, or not well.
pub(crate) fn origin(uri: &Uri, fields: &HeaderMap, security: Security) -> Option<String> {
    let host = fields.get(header::HOST).map(HeaderValue::as_bytes);
    let authority: Authority = match host {
        Some(host) => Authority::try_from(host).ok()?,
        None => uri.authority()?.clone(),
    };
    let is_plain = !authority.as_str().contains('@');
    is_plain.then(|| format!("{}://{authority}", scheme_of(security)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_where_it_was_asked() {
        let about = |host: Option<&'static str>, uri: &str, security| {
            let mut fields = HeaderMap::new();
            if let Some(host) = host {
                fields.insert(header::HOST, HeaderValue::from_static(host));
            }
            origin(&uri.parse().unwrap(), &fields, security)
        };
        for (host, uri, security, expected) in [
            (Some("h:80"), "/a", Security::Plain, Some("http://h:80")),
            (Some("[::1]"), "/a", Security::Tls, Some("https://[::1]")),
            // HTTP/2 has no Host.
            (None, "https://h/a", Security::Tls, Some("https://h")),
            (None, "/a", Security::Plain, None),
            (Some("me:secret@h"), "/a", Security::Plain, None),
            (Some("h/x"), "/a", Security::Plain, None),
            (Some(""), "/a", Security::Plain, None),
        ] {
            assert_eq!(about(host, uri, security).as_deref(), expected, "{host:?}");
        }
    }
}

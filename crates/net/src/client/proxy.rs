//! Proxies: which of them a URL is asked through, as the environment says.
//!
//! The rules are those of curl (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`), read by
//! hyper-util. It must never ask a URL directly that the environment wants asked through a proxy,
//! even one of a kind we do not speak.

use std::{error::Error as StdError, sync::Arc};

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use thiserror::Error;

use super::fault::innermost;

/// Where requests go on their way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Option<Arc<Matcher>>);

/// How one URL is reached.
#[derive(Debug)]
pub(super) enum Way {
    /// Without a proxy.
    Direct,
    /// The proxy is asked for the URL (RFC 9112 section 3.2.2).
    Forward(Intercept),
    /// Through `CONNECT` (RFC 9110 section 9.3.6).
    Tunnel(Intercept),
    /// Through SOCKS version 5.
    Socks(Intercept),
}

/// A proxy that is asked for by a scheme nobody here speaks.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "the proxy {proxy} that the environment names cannot be used; proxies are spoken to by http:// \
     or socks5h://, or name this host in no_proxy"
)]
pub struct ProxyError {
    proxy: Uri,
}

/// A proxy did not do its part: the server it leads to was not reached.
#[derive(Debug, Error)]
#[error("the proxy {proxy} failed: {reason}")]
pub(super) struct ProxyFailure {
    proxy: Uri,
    reason: String,
}

impl ProxyFailure {
    /// What to say of what went wrong with this proxy.
    pub(super) fn of<E: StdError + 'static>(
        proxy: &Intercept,
    ) -> impl Fn(E) -> Self + Clone + use<E> {
        let proxy = proxy.uri().clone();
        move |error| Self {
            proxy: proxy.clone(),
            reason: innermost(&error),
        }
    }
}

impl Proxies {
    /// None: every URL is asked directly. Nodes of a fleet talk to each other so.
    pub fn none() -> Self {
        Self(None)
    }

    /// Those that `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` name now.
    pub fn from_environment() -> Self {
        Self(Some(Arc::new(Matcher::from_env())))
    }

    /// How `url` is reached.
    pub(super) fn way(&self, url: &Uri) -> Result<Way, ProxyError> {
        let Some(proxy) = self.0.as_ref().and_then(|proxies| proxies.intercept(url)) else {
            return Ok(Way::Direct);
        };
        let is_secure = url.scheme_str() == Some("https");
        match proxy.uri().scheme_str() {
            Some("http") if is_secure => Ok(Way::Tunnel(proxy)),
            Some("http") => Ok(Way::Forward(proxy)),
            Some("socks5" | "socks5h") => Ok(Way::Socks(proxy)),
            _ => Err(ProxyError {
                proxy: proxy.uri().clone(),
            }),
        }
    }

    /// What a proxy that is asked for `url` itself wants to hear from us, with each request.
    pub(super) fn authorization(&self, url: &Uri) -> Option<HeaderValue> {
        match self.way(url) {
            Ok(Way::Forward(proxy)) => proxy.basic_auth().cloned(),
            _ => None,
        }
    }
}

#[cfg(test)]
impl Proxies {
    /// This proxy for everything but `except`.
    pub(super) fn all(proxy: &str, except: &str) -> Self {
        let matcher = Matcher::builder().all(proxy).no(except).build();
        Self(Some(Arc::new(matcher)))
    }
}

#[cfg(test)]
mod tests;

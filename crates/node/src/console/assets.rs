//! The console's page, as it is built from `console/` and committed.
//!
//! Three files in the binary; nothing is loaded from anywhere else, and the policy says so. It must
//! never hold data of the node: what is shown comes by the API.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// One file of the page.
pub(super) struct Asset {
    content_type: &'static str,
    bytes: &'static [u8],
    etag: LazyLock<HeaderValue>,
}

/// The document.
pub(super) static INDEX: Asset = Asset {
    content_type: "text/html; charset=utf-8",
    bytes: include_bytes!("../../console/dist/index.html"),
    etag: LazyLock::new(|| etag(INDEX.bytes)),
};
/// Its script.
pub(super) static SCRIPT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    bytes: include_bytes!("../../console/dist/console.js"),
    etag: LazyLock::new(|| etag(SCRIPT.bytes)),
};
/// Its style.
pub(super) static STYLE: Asset = Asset {
    content_type: "text/css; charset=utf-8",
    bytes: include_bytes!("../../console/dist/console.css"),
    etag: LazyLock::new(|| etag(STYLE.bytes)),
};

/// Nothing but our own three files and our own API. Styles that the plot sets from its script go
/// through the CSSOM, which `style-src` does not concern.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn etag(bytes: &[u8]) -> HeaderValue {
    let hash = blake3::hash(bytes).to_hex();
    HeaderValue::try_from(format!("\"{}\"", &hash[..32])).expect("hexadecimal digits")
}

impl Asset {
    /// The file, or that it is still the same.
    pub(super) fn answer(&'static self, headers: &HeaderMap) -> Response {
        let known = headers.get(header::IF_NONE_MATCH);
        let is_known = known.is_some_and(|known| {
            let tags = known.as_bytes().split(|&byte| byte == b',');
            let mut tags = tags.map(<[u8]>::trim_ascii);
            tags.any(|tag| tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes())
        });
        let mut response = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Bytes::from_static(self.bytes).into_response(),
        };
        let fields = response.headers_mut();
        fields.insert(header::ETAG, self.etag.clone());
        for (name, value) in [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            fields.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page may weigh, together.
    const BYTES_MAX: usize = 150_000;

    #[test]
    fn the_page_is_small_and_loads_nothing_from_elsewhere() {
        let files = [&INDEX, &SCRIPT, &STYLE];
        let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
        assert!((10_000..BYTES_MAX).contains(&bytes), "{bytes} bytes");
        for file in files {
            let text = std::str::from_utf8(file.bytes).unwrap();
            // The namespace of SVG is a name, no address.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for word in [
                "http://",
                "https://",
                "//cdn",
                "@import",
                "eval(",
                "innerHTML",
            ] {
                assert!(!text.contains(word), "{}: {word}", file.content_type);
            }
        }
    }

    #[test]
    fn an_unchanged_file_is_not_sent_again() {
        let etag = INDEX.etag.to_str().unwrap().to_owned();
        for (known, status) in [
            (None, 200),
            (Some("\"other\"".to_owned()), 200),
            (Some(etag.clone()), 304),
            (Some(format!("\"other\", W/{etag}")), 304),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(known) = &known {
                headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            }
            let response = INDEX.answer(&headers);
            assert_eq!(response.status(), status, "{known:?}");
            let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
            assert!(policy.to_str().unwrap().starts_with("default-src 'none';"));
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        }
    }
}

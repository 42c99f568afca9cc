//! The Content-Security-Policy of listing pages.
//!
//! Style and script stand in the page and are named by their hashes, so an injected one would not run
//! even if escaping failed; nothing else is loaded but images from this very server, which a README
//! may show, and the icons in the style. It must never allow anything by its place alone.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use overspill_core::root::Sha256;

/// The page's style.
pub(super) const STYLE: &str = include_str!("listing.css");
/// The page's script.
pub(super) const SCRIPT: &str = include_str!("listing.js");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
         img-src 'self' data:; script-src {}; style-src {}",
        source(SCRIPT),
        source(STYLE)
    )
});

/// The policy as the field's value.
pub(super) fn text() -> &'static str {
    &POLICY
}

/// A hash source (CSP level 3, section 2.3.1) for what stands between the tags.
fn source(inline: &str) -> String {
    let mut sum = Sha256([0; 32]);
    sum.0
        .copy_from_slice(digest(&SHA256, inline.as_bytes()).as_ref());
    format!("'sha256-{}'", sum.to_base64())
}

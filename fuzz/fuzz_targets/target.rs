//! libFuzzer on the path of a URL. It must hold no check of its own: those are in `src/url.rs`.

#![no_main]

#[path = "../src/url.rs"]
#[allow(dead_code, reason = "each target uses one of its functions")]
mod url;

libfuzzer_sys::fuzz_target!(|input: &[u8]| url::target(input));

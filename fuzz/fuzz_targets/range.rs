//! libFuzzer on the field Range. It must hold no check of its own: those are in `src/http1.rs`.

#![no_main]

#[path = "../src/http1.rs"]
#[allow(dead_code, reason = "each target uses one of its functions")]
mod http1;

libfuzzer_sys::fuzz_target!(|input: &[u8]| http1::range(input));

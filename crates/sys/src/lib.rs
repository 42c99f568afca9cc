//! The one place with unsafe code: system calls that no safe crate wraps.
//!
//! Each is a function that cannot be misused. It must never hold state or know anything of
//! Overspill; what a safe crate offers is taken from there.

mod tcp;

pub use tcp::{TcpInfo, tcp_info};

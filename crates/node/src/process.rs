//! The process as the operating system sees it: memory, descriptors.
//!
//! Best effort; a figure that cannot be had is zero, and nothing here may stop a node.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Resident memory of this process in bytes; 0 if the system does not say.
pub fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// Raises the soft limit of open files to the hard one: every connection and every cached file is
/// a descriptor. Says how many are allowed now.
pub fn raise_open_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        return before.unwrap_or(u64::MAX);
    }
    limit.current.unwrap_or(u64::MAX)
}

//! A member's lasting name.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// A member's lasting name: 1 to 64 characters of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MemberId(Arc<str>);

/// Text that is no member name.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a member name: expected 1 to 64 characters of a-z, 0-9 and -")]
pub struct MemberIdError;

impl MemberId {
    /// Longest name.
    pub const MAX_BYTES: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MemberId {
    type Err = MemberIdError;

    fn from_str(text: &str) -> Result<Self, MemberIdError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(plain) {
            return Err(MemberIdError);
        }
        Ok(Self(Arc::from(text)))
    }
}

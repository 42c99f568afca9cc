//! Who has a file, as JSON: `GET /-/sources/PATH`; and that somebody sent wrong bytes of it:
//! `POST /-/api/complaint`.
//!
//! The reply is public and read-only. A complaint comes from anybody and proves nothing: whoever
//! takes one must look for itself.

use overspill_core::{fleet::MemberId, path::CatalogPath, root::Root};
use serde::{Deserialize, Serialize};

use crate::WireError;

/// Most sources told of one file.
pub const SOURCES_MAX: usize = 32;
/// Most bytes of a complaint.
pub const COMPLAINT_BYTES_MAX: usize = 64 << 10;

/// A file, and who may be asked for it by the client that asked for this.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SourcesReply {
    /// The file, as a URL writes its path.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its root in hexadecimal; absent while it is not hashed, when only this node can be asked.
    pub root: Option<String>,
    /// The batch that last changed it; absent while it is not hashed.
    pub revision: Option<u64>,
    /// When it was modified, nanoseconds since 1970.
    pub mtime_unix_ns: i64,
    /// Whether this node has its outboard at hand; if not, asking for one has it made.
    pub has_outboard: bool,
    /// The node that answers.
    pub node: String,
    /// The scheme and authority by which it was asked.
    pub url: String,
    /// Who can serve it, cheapest first, at most [`SOURCES_MAX`]; nobody if all are full or away.
    ///
    /// Each is asked by plain GET of the path with `?direct`, a range, and `If-Match` of the root.
    pub sources: Vec<Source>,
}

/// A node that holds the file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Source {
    /// Its name.
    pub member: String,
    /// Its scheme and authority, to which the path is appended.
    pub url: String,
    /// Where it stands, if anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Bytes per second it is believed to send.
    pub capacity_bytes_per_s: u64,
    /// What the whole file would cost there, in seconds.
    pub cost_s: f64,
}

/// A client's word that a member sent wrong bytes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ComplaintMessage {
    /// The member's name.
    pub member: String,
    /// The file, as a URL writes its path.
    pub path: String,
    /// The root in hexadecimal of the version that was asked for.
    pub root: String,
    /// Where in the file the wrong bytes are: any offset in their piece.
    pub offset: u64,
}

/// A complaint that is understood; whether it is true is another matter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// Who is said to have sent wrong bytes.
    pub member: MemberId,
    /// The file.
    pub path: CatalogPath,
    /// The version.
    pub root: Root,
    /// An offset among the wrong bytes.
    pub offset: u64,
}

impl From<&Complaint> for ComplaintMessage {
    fn from(complaint: &Complaint) -> Self {
        Self {
            member: complaint.member.to_string(),
            path: complaint.path.to_url(),
            root: complaint.root.to_string(),
            offset: complaint.offset,
        }
    }
}

impl ComplaintMessage {
    /// Checks the form of the complaint.
    pub fn into_complaint(self) -> Result<Complaint, WireError> {
        let path = CatalogPath::from_url(self.path.as_bytes());
        Ok(Complaint {
            member: self
                .member
                .parse()
                .map_err(|error| WireError::new("member", error))?,
            path: path.map_err(|error| WireError::new("path", error))?.path,
            root: self
                .root
                .parse()
                .map_err(|error| WireError::new("root", error))?,
            offset: self.offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> ComplaintMessage {
        ComplaintMessage {
            member: "m-1".to_owned(),
            path: "/a%20b".to_owned(),
            root: Root([7; 32]).to_string(),
            offset: 5,
        }
    }

    #[test]
    fn a_complaint_goes_there_and_back() {
        let complaint = message().into_complaint().unwrap();
        assert_eq!(complaint.path.as_bytes(), b"a b");
        assert_eq!(ComplaintMessage::from(&complaint), message());
    }

    #[test]
    fn a_complaint_that_is_none_names_the_field() {
        let field = |change: fn(&mut ComplaintMessage)| {
            let mut complaint = message();
            change(&mut complaint);
            complaint.into_complaint().unwrap_err().field
        };
        assert_eq!(field(|complaint| complaint.member = "M 1".into()), "member");
        assert_eq!(field(|complaint| complaint.path = "/a/../b".into()), "path");
        assert_eq!(field(|complaint| complaint.root = "b3".into()), "root");
    }
}

//! The operator's orders for members, kept in the state folder.
//!
//! One line each, for people to read and mend: `drained m-1f2e3d4c`, `removed m-5a6b7c8d`. An order
//! is in force before it is kept, for a full disk must not keep a node in the fleet. It must never
//! lose the orders that were kept before to a crash while it writes.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use overspill_core::fleet::{MemberId, Orders};
use thiserror::Error;

/// Where orders are kept.
#[derive(Debug)]
pub(crate) struct KeptOrders {
    path: PathBuf,
}

/// Why an order is in force but not kept.
#[derive(Debug, Error)]
#[error(
    "it is in force, but not for longer than this server runs: {path} cannot be written ({source})"
)]
pub(crate) struct KeepError {
    path: PathBuf,
    source: io::Error,
}

/// First line of the file.
const TITLE: &str = "# Orders of the operator, one a line: drained MEMBER or removed MEMBER";
const DRAINED: &str = "drained";
const REMOVED: &str = "removed";
/// Longest file read: all orders there may be, and as many comments.
const MAX_FILE_BYTES: u64 = 2 * 2 * (Orders::MAX * (MemberId::MAX_BYTES + 16)) as u64;

impl KeptOrders {
    /// The orders in this state folder, and where further ones are kept.
    ///
    /// What cannot be read is left out with a warning: a server without its orders is better than
    /// none.
    pub(crate) fn open(state: &Path) -> (Self, Orders) {
        let path = state.join("orders");
        let orders = match read(&path) {
            Ok(text) => parse(&text, |line, text| {
                let file = path.display();
                tracing::warn!(
                    event = "orders-unreadable", %file, line, order = text,
                    "a line of the kept orders is not an order; it is dropped at the next order"
                );
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Orders::default(),
            Err(error) => {
                let file = path.display();
                tracing::warn!(
                    event = "orders-unreadable", %file, %error,
                    "the kept orders cannot be read: nobody is drained or removed; give the orders \
                     again"
                );
                Orders::default()
            }
        };
        (Self { path }, orders)
    }

    /// Keeps these orders and no others.
    pub(crate) fn keep(&self, orders: &Orders) -> Result<(), KeepError> {
        let new = self.path.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(print(orders).as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            // The name is durable only when the folder is.
            self.path
                .parent()
                .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(|source| KeepError {
            path: self.path.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_FILE_BYTES {
        return Err(io::Error::other("it is far too long"));
    }
    fs::read_to_string(path)
}

fn print(orders: &Orders) -> String {
    let drained = orders.drained().map(|id| format!("{DRAINED} {id}\n"));
    let removed = orders.removed().map(|id| format!("{REMOVED} {id}\n"));
    let lines: String = drained.chain(removed).collect();
    format!("{TITLE}\n{lines}")
}

/// Reads orders; what is none goes to `complain`, with the number of its line.
fn parse(text: &str, mut complain: impl FnMut(usize, &str)) -> Orders {
    let (mut drained, mut removed) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (verb, name) = (words.next(), words.next());
        let member = name.and_then(|name| name.parse::<MemberId>().ok());
        match (verb, member, words.next()) {
            (Some(DRAINED), Some(member), None) => drained.push(member),
            (Some(REMOVED), Some(member), None) => removed.push(member),
            _ => complain(at + 1, line),
        }
    }
    Orders::new(drained, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Orders {
        let id = |name: &str| name.parse().unwrap();
        Orders::new([id("m-1"), id("m-2")], [id("m-3")])
    }

    #[test]
    fn orders_outlive_the_process() {
        let state = tempfile::tempdir().unwrap();
        let (kept, none) = KeptOrders::open(state.path());
        assert_eq!(none, Orders::default());
        kept.keep(&orders()).unwrap();
        assert_eq!(KeptOrders::open(state.path()).1, orders());
        let text = fs::read_to_string(state.path().join("orders")).unwrap();
        let expected = format!("{TITLE}\ndrained m-1\ndrained m-2\nremoved m-3\n");
        assert_eq!(text, expected);
        kept.keep(&Orders::default()).unwrap();
        assert_eq!(KeptOrders::open(state.path()).1, Orders::default());
    }

    #[test]
    fn bad_lines_are_named_and_the_others_hold() {
        let text = "# mine\n\n  drained  m-1\nremoved M_3\ndrain m-4\nremoved m-3\n\
                    drained m-2\ndrained m-5 m-6\ndrained\n";
        let mut complaints = Vec::new();
        let parsed = parse(text, |line, _| complaints.push(line));
        assert_eq!((parsed, complaints), (orders(), vec![4, 5, 8, 9]));
    }

    #[test]
    fn an_unreadable_file_leaves_no_orders_and_a_lost_folder_is_named() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("orders");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(KeptOrders::open(state.path()).1, Orders::default());
        let (kept, _) = KeptOrders::open(&state.path().join("absent"));
        let error = kept.keep(&orders()).unwrap_err().to_string();
        assert!(error.contains("absent/orders cannot be written"), "{error}");
    }
}

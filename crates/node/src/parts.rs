//! Several ranges of a file as one body.
//!
//! The text between the ranges is `overspill_http1`'s; here it meets the bytes. It must never read a
//! file: parts name their ranges, and the connection sends them.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
    io,
};

use bytes::Bytes;
use overspill_http1::{
    multipart::{Boundary, Multipart, Piece},
    range::ByteRange,
};
use overspill_net::{Body, FileBody, Part, Parts, Relay};

/// A source of boundaries that nobody who writes files can foretell.
///
/// Numbers in order, hashed under the keys that the standard library draws for each process: no
/// boundary tells another, and none costs a system call.
#[derive(Debug, Default)]
pub(crate) struct Boundaries {
    keys: RandomState,
    drawn: Cell<u64>,
}

impl Boundaries {
    /// The next boundary.
    pub(crate) fn draw(&self) -> Boundary {
        let number = self.drawn.get();
        self.drawn.set(number.wrapping_add(1));
        let half = |which: u8| u128::from(self.keys.hash_one((number, which)));
        Boundary::from_bits(half(0) << 64 | half(1))
    }
}

/// Where the ranges of a body come from.
pub(crate) enum Supplier {
    /// One file.
    File(FileBody),
    /// A relay of each range.
    Relays(Box<dyn Fn(ByteRange) -> Box<Relay>>),
}

impl fmt::Debug for Supplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Relays(_) => "Relays",
        })
    }
}

/// The body of `multipart` over bytes in memory, put together at once: it is shorter than the file,
/// and that is small.
pub(crate) fn in_memory(multipart: Multipart, bytes: &Bytes) -> Body {
    let pieces = multipart.map(|piece| match piece {
        Piece::Range(range) => bytes.slice(range.start as usize..range.end as usize),
        Piece::Text(text) => Bytes::from(text),
    });
    Body::Bytes(pieces.collect::<Vec<_>>().concat().into())
}

/// The body of `multipart` over the bytes that `supplier` has.
pub(crate) fn body(multipart: Multipart, supplier: Supplier) -> Body {
    Body::Parts {
        bytes: multipart.bytes(),
        parts: Box::new(SuppliedParts {
            supplier,
            multipart,
        }),
    }
}

/// The parts of a body whose ranges are not in memory.
#[derive(Debug)]
struct SuppliedParts {
    supplier: Supplier,
    multipart: Multipart,
}

impl Parts for SuppliedParts {
    fn next_part(&mut self) -> io::Result<Option<Part>> {
        let supply = |range| match &self.supplier {
            Supplier::File(file) => Part::File {
                file: file.clone(),
                range,
            },
            Supplier::Relays(relay) => Part::Relay(relay(range)),
        };
        Ok(self.multipart.next().map(|piece| match piece {
            Piece::Range(range) => supply(range),
            Piece::Text(text) => Part::Bytes(text.into()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Boundaries;

    #[test]
    fn boundaries_do_not_repeat_or_run_in_order() {
        let (first, second) = (Boundaries::default(), Boundaries::default());
        let drawn: Vec<_> = (0..500)
            .flat_map(|_| [first.draw(), second.draw()])
            .map(|boundary| boundary.to_string())
            .collect();
        let distinct: HashSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
        assert!(drawn.iter().all(|boundary| boundary.len() == 32));
        assert!(!drawn.is_sorted());
    }
}

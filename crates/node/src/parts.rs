//! Several ranges of a file as one body.
//!
//! The text between the ranges is `overspill_http1`'s; here it meets the bytes. It must never read a
//! file: parts name their ranges, and the connection sends them.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    io,
};

use bytes::Bytes;
use overspill_http1::multipart::{Boundary, Multipart, Piece};
use overspill_net::{Body, FileBody, Part, Parts};

use crate::cache::Source;

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

/// The body of `multipart` over the bytes of `source`.
///
/// In memory it is put together at once: it is shorter than the file, and that is small.
pub(crate) fn body(multipart: Multipart, source: &Source) -> Body {
    match source {
        Source::File(file) => Body::Parts {
            bytes: multipart.bytes(),
            parts: Box::new(FileParts {
                file: file.clone(),
                multipart,
            }),
        },
        Source::Memory(bytes) => {
            let pieces = multipart.map(|piece| match piece {
                Piece::Range(range) => bytes.slice(range.start as usize..range.end as usize),
                Piece::Text(text) => Bytes::from(text),
            });
            Body::Bytes(pieces.collect::<Vec<_>>().concat().into())
        }
    }
}

/// The parts of a body whose ranges are in a file.
#[derive(Debug)]
struct FileParts {
    file: FileBody,
    multipart: Multipart,
}

impl Parts for FileParts {
    fn next_part(&mut self) -> io::Result<Option<Part>> {
        Ok(self.multipart.next().map(|piece| match piece {
            Piece::Range(range) => Part::File {
                file: self.file.clone(),
                range,
            },
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

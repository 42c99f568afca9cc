//! What of a file is in a part already: read, checked, and counted only if it is right.
//!
//! It needs no record of what was written, and believes none: whatever lies there, of this version
//! or another, after a crash or a copy by hand, counts if its bytes are right.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use overspill_core::transfer::Pieces;
use rustix::fs::{SeekFrom, seek};
use tokio::task::spawn_blocking;

use super::proof::Proof;

/// Checks every piece of which the file has data. In steps, so that dropping the future stops it.
pub(super) async fn rescan(
    file: Arc<File>,
    mut pieces: Pieces,
    proof: Proof,
) -> io::Result<Pieces> {
    let mut piece = 0;
    while piece < pieces.count() {
        let (file, proof) = (Arc::clone(&file), proof.clone());
        let step = spawn_blocking(move || {
            let next = scan_some(&file, &mut pieces, &proof, piece)?;
            io::Result::Ok((pieces, next))
        });
        (pieces, piece) = step.await??;
    }
    Ok(pieces)
}

/// Looks at [`STEP_PIECES`] pieces with data at most; the piece to go on with.
fn scan_some(file: &File, pieces: &mut Pieces, proof: &Proof, from: u32) -> io::Result<u32> {
    let mut piece = from;
    let mut buffer = Vec::new();
    for _ in 0..STEP_PIECES {
        let Some(with_data) = next_with_data(file, pieces, piece)? else {
            return Ok(pieces.count());
        };
        let span = pieces.span(&(with_data..with_data + 1));
        buffer.resize(usize::try_from(span.end - span.start).unwrap_or(0), 0);
        match file.read_exact_at(&mut buffer, span.start) {
            Ok(()) if proof.is_right(with_data, span, &buffer) => drop(pieces.verify(with_data)),
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(pieces.count()),
            Err(error) => return Err(error),
        }
        piece = with_data + 1;
    }
    Ok(piece)
}

/// The first piece from `piece` on that is not all hole.
fn next_with_data(file: &File, pieces: &Pieces, piece: u32) -> io::Result<Option<u32>> {
    if piece >= pieces.count() {
        return Ok(None);
    }
    let offset = pieces.span(&(piece..piece + 1)).start;
    match seek(file, SeekFrom::Data(offset)) {
        Ok(data) => {
            let with_data = u32::try_from(data / pieces.piece_bytes()).unwrap_or(u32::MAX);
            Ok((with_data < pieces.count()).then_some(with_data))
        }
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // A file system that does not know of holes.
        Err(rustix::io::Errno::INVAL) => Ok(Some(piece)),
        Err(error) => Err(error.into()),
    }
}

/// Some 10 ms of work.
const STEP_PIECES: u32 = 64;

#[cfg(test)]
mod tests {
    use overspill_core::transfer::PIECE_BYTES;
    use overspill_store::outboard::OutboardBuilder;

    use super::*;

    const SIZE: usize = 5 * PIECE_BYTES as usize + 1000;

    fn content() -> Vec<u8> {
        (0..SIZE).map(|at| (at / 7 + 3) as u8).collect()
    }

    async fn there(write: impl FnOnce(&File, &[u8])) -> Vec<u32> {
        let content = content();
        let mut builder = OutboardBuilder::new();
        builder.update(&content);
        let proof = Proof::Outboard(Arc::new(builder.finish().1));
        let file = tempfile::tempfile().unwrap();
        write(&file, &content);
        let pieces = Pieces::new(SIZE as u64, PIECE_BYTES);
        let pieces = rescan(Arc::new(file), pieces, proof).await.unwrap();
        (0..pieces.count())
            .filter(|&piece| pieces.is_verified(piece))
            .collect()
    }

    fn put(file: &File, content: &[u8], piece: usize) {
        let start = piece * PIECE_BYTES as usize;
        let end = (start + PIECE_BYTES as usize).min(content.len());
        file.write_all_at(&content[start..end], start as u64)
            .unwrap();
    }

    #[tokio::test]
    async fn what_is_right_counts_and_nothing_else() {
        assert!(there(|_, _| {}).await.is_empty());
        let some = there(|file, content| {
            file.set_len(SIZE as u64).unwrap();
            [1, 3, 5]
                .into_iter()
                .for_each(|piece| put(file, content, piece));
            file.write_all_at(&[0xff], 3 * PIECE_BYTES + 77).unwrap();
        });
        assert_eq!(some.await, [1, 5]);
        let longer = there(|file, content| {
            (0..6).for_each(|piece| put(file, content, piece));
            file.write_all_at(b"more", SIZE as u64).unwrap();
        });
        assert_eq!(longer.await, [0, 1, 2, 3, 4, 5]);
        let short = there(|file, content| put(file, &content[..PIECE_BYTES as usize + 5], 0));
        assert_eq!(short.await, [0]);
    }
}

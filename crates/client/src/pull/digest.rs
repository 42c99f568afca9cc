//! The digest of a whole file, for files whose pieces nobody can prove.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use overspill_core::root::{Root, Sha256};
use tokio::task::spawn_blocking;

/// What all bytes together must come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Digest {
    /// BLAKE3.
    Root(Root),
    /// SHA-256.
    Sha256(Sha256),
}

enum Hasher {
    Root(Box<blake3::Hasher>),
    Sha256(Box<Context>),
}

impl Digest {
    /// Reads the first `size_bytes` of a file and compares; in steps, so that dropping the future
    /// stops the work soon.
    pub(crate) async fn matches(self, file: Arc<File>, size_bytes: u64) -> io::Result<bool> {
        let mut hasher = match self {
            Self::Root(_) => Hasher::Root(Box::new(blake3::Hasher::new())),
            Self::Sha256(_) => Hasher::Sha256(Box::new(Context::new(&SHA256))),
        };
        let mut offset = 0;
        while offset < size_bytes {
            let end = size_bytes.min(offset + STEP_BYTES);
            let file = Arc::clone(&file);
            let step = spawn_blocking(move || {
                hash_span(&file, offset, end, &mut hasher)?;
                io::Result::Ok(hasher)
            });
            hasher = step.await??;
            offset = end;
        }
        Ok(hasher.finish() == self)
    }
}

impl Hasher {
    fn finish(self) -> Digest {
        match self {
            Self::Root(hasher) => Digest::Root(Root(*hasher.finalize().as_bytes())),
            Self::Sha256(context) => {
                let mut sum = [0; 32];
                sum.copy_from_slice(context.finish().as_ref());
                Digest::Sha256(Sha256(sum))
            }
        }
    }
}

fn hash_span(file: &File, mut offset: u64, end: u64, hasher: &mut Hasher) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    while offset < end {
        let most = usize::try_from(end - offset)
            .unwrap_or(usize::MAX)
            .min(BUFFER_BYTES);
        let bytes = &mut buffer[..most];
        file.read_exact_at(bytes, offset)?;
        match hasher {
            Hasher::Root(hasher) => drop(hasher.update(bytes)),
            Hasher::Sha256(context) => context.update(bytes),
        }
        offset += most as u64;
    }
    Ok(())
}

/// Some 0.1 s of hashing.
const STEP_BYTES: u64 = 64 << 20;
const BUFFER_BYTES: usize = 256 << 10;

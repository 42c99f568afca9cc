//! Keeps the state of a pull beside its part, so that a later run of a foreign file can go on.
//!
//! A state claims a piece only after its bytes are durable. It is written now and then, and when the
//! pull is dropped. It must never delay a byte: it is advice, and a failure to give it is no error.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::part::PieceState;

/// The state of one pull.
#[derive(Debug)]
pub(super) struct Keeper {
    file: Arc<File>,
    path: PathBuf,
    state: PieceState,
    unsaved_bytes: u64,
    saved: Instant,
    saving: Option<JoinHandle<()>>,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// The state is of no more use.
    Done,
    /// It is to be kept.
    Open,
}

impl Keeper {
    /// `state` is what is there now.
    pub(super) fn new(file: Arc<File>, path: PathBuf, state: PieceState) -> Self {
        Self {
            file,
            path,
            state,
            unsaved_bytes: 0,
            saved: Instant::now(),
            saving: None,
            ending: Ending::Open,
        }
    }

    /// A piece is in the part.
    pub(super) fn stored(&mut self, piece: u32, bytes: u64) {
        self.state.add(piece);
        self.unsaved_bytes += bytes;
    }

    /// Saves, on a thread of its own, if it is time to.
    pub(super) fn save_when_due(&mut self) {
        let is_busy = self
            .saving
            .as_ref()
            .is_some_and(|saving| !saving.is_finished());
        let is_due = self.saved.elapsed() >= SAVE_EVERY || self.unsaved_bytes >= SAVE_BYTES;
        if self.unsaved_bytes == 0 || is_busy || !is_due {
            return;
        }
        self.unsaved_bytes = 0;
        self.saved = Instant::now();
        let (file, path, state) = (
            Arc::clone(&self.file),
            self.path.clone(),
            self.state.clone(),
        );
        self.saving = Some(spawn_blocking(move || {
            if let Err(error) = save(&file, &path, &state) {
                tracing::debug!(%error, "state not saved");
            }
        }));
    }

    /// Nothing of it is needed any more.
    pub(super) fn done(mut self) {
        self.ending = Ending::Done;
    }
}

impl Drop for Keeper {
    /// The last word of a pull that was stopped.
    fn drop(&mut self) {
        if self.ending == Ending::Done {
            return;
        }
        let result = match self.state.is_empty() {
            // What is not verified is not worth its space, and an empty part is deleted.
            true => self.file.set_len(0),
            false => save(&self.file, &self.path, &self.state),
        };
        if let Err(error) = result {
            tracing::debug!(%error, "state not saved");
        }
    }
}

fn save(file: &File, path: &Path, state: &PieceState) -> io::Result<()> {
    file.sync_data()?;
    state.write(path)
}

const SAVE_EVERY: Duration = Duration::from_secs(2);
const SAVE_BYTES: u64 = 64 << 20;

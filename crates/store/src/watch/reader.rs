//! The thread that waits for events and passes their hints on.
//!
//! It must never wait for anything but an event or the end, and never keep the folders locked
//! while a hint is told.

use std::{io::PipeReader, mem::MaybeUninit, os::fd::OwnedFd, sync::Arc};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify,
    io::Errno,
};

use super::{Hint, SharedFolders, hints::Batch};

/// Everything the thread has.
pub(super) struct Reader<S> {
    pub(super) folders: SharedFolders,
    pub(super) inotify: Arc<OwnedFd>,
    /// Hangs up when the thread is to end.
    pub(super) stopped: PipeReader,
    pub(super) sink: S,
}

impl<S: Fn(Hint)> Reader<S> {
    /// Tells hints until stopped, or until inotify fails, which no kernel is known to do.
    pub(super) fn run(self) {
        if let Err(errno) = self.read_all() {
            tracing::error!(
                event = "watch-failed", error = %errno,
                "inotify failed: changes are found by scanning only, later; start the server again"
            );
            (self.sink)(Hint::Rescan);
        }
    }

    fn read_all(&self) -> Result<(), Errno> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut batch = Batch::default();
        while self.wait()? == Wake::Events {
            self.read_batch(&mut events, &mut batch)?;
            batch.drain().for_each(&self.sink);
            self.rest()?;
        }
        Ok(())
    }

    /// Takes in what one read gives.
    fn read_batch(
        &self,
        events: &mut inotify::Reader<'_, &Arc<OwnedFd>>,
        batch: &mut Batch,
    ) -> Result<(), Errno> {
        loop {
            match events.next() {
                Ok(event) => batch.take((&event).into(), &mut self.folders.lock()),
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(errno) => return Err(errno),
            }
            if events.is_buffer_empty() {
                return Ok(());
            }
        }
    }

    fn wait(&self) -> Result<Wake, Errno> {
        let mut ready = [
            PollFd::new(&self.stopped, PollFlags::IN),
            PollFd::new(&self.inotify, PollFlags::IN),
        ];
        ignore_interrupts(poll(&mut ready, None))?;
        if ready[0].revents().is_empty() {
            Ok(Wake::Events)
        } else {
            Ok(Wake::Stopped)
        }
    }

    /// Lets events gather, unless the end comes first.
    fn rest(&self) -> Result<(), Errno> {
        let mut ready = [PollFd::new(&self.stopped, PollFlags::IN)];
        ignore_interrupts(poll(&mut ready, Some(&REST)))
    }
}

/// Why a wait ended.
#[derive(PartialEq)]
enum Wake {
    /// There may be events.
    Events,
    Stopped,
}

/// An interrupted wait ends early, which none of them minds.
fn ignore_interrupts(result: Result<usize, Errno>) -> Result<(), Errno> {
    match result {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Some 2,000 events of files with names of usual length.
const BUFFER_BYTES: usize = 64 * 1024;

/// 1 ms. While a file grows there is an event for each write; without a rest each would wake the
/// thread. The first event after silence never waits for it, and the queue, 16,384 events by
/// default, does not fill within it.
const REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

//! The thread that writes: chunk by chunk, whole lines, whatever the disk does.
//!
//! What cannot be written now is tried again until it can or until the log is closed; meanwhile the
//! queue fills, and the cores drop and count. Trouble is reported once when it begins and once when
//! it is over. While it lives, it must never leave half a line behind and begin another one after it.

use std::{io, sync::Arc, time::Duration};

use super::{
    output::{Output, Reopened},
    queue::{Chunk, Interruption, Next, Queue},
};

/// Writes the chunks of a queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    output: Output,
    health: Health,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Health {
    Failing,
    Writing,
}

/// Pause after a failed write: a full disk is not emptied sooner by asking more often.
const RETRY_EVERY: Duration = Duration::from_millis(500);

impl Writer {
    pub(super) fn new(queue: Arc<Queue>, output: Output) -> Self {
        Self {
            queue,
            output,
            health: Health::Writing,
        }
    }

    /// Writes until the queue is closed, and empty or of no use.
    pub(super) fn run(mut self) {
        loop {
            match self.queue.next() {
                Next::End => break,
                Next::Reopen => drop(self.reopen()),
                Next::Write(chunk) => {
                    if self.write(&chunk).is_none() {
                        break;
                    }
                    self.queue.recycle(chunk.bytes);
                }
            }
        }
        self.queue.end();
    }

    /// Writes a chunk to its end; `None` when the log is being closed and takes no more.
    fn write(&mut self, chunk: &Chunk) -> Option<()> {
        let mut written = 0;
        while written < chunk.bytes.len() {
            match self.output.write(&chunk.bytes[written..]) {
                Ok(bytes) if bytes > 0 => {
                    written += bytes;
                    self.recovered();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    let next = self.after_failure(failed.err(), &chunk.bytes, written);
                    if next.is_none() {
                        self.queue.count_dropped(chunk.lines);
                    }
                    written = next?;
                }
            }
        }
        self.queue.count_written(chunk.lines);
        Some(())
    }

    /// Where to go on in `bytes`, of which some are written, after a pause; `None` to give up.
    fn after_failure(
        &mut self,
        error: Option<io::Error>,
        bytes: &[u8],
        written: usize,
    ) -> Option<usize> {
        let is_slow = matches!(&error, Some(error) if error.kind() == io::ErrorKind::WouldBlock);
        let pause = if is_slow { Duration::ZERO } else { RETRY_EVERY };
        if !is_slow {
            self.failed(&error.unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
        }
        let interruption = self.queue.pause(pause);
        if interruption == Some(Interruption::Closing) {
            return None;
        }
        // A slow reader is the same reader still, unless somebody asks for another file.
        let is_same = is_slow && interruption.is_none();
        match if is_same {
            Reopened::Same
        } else {
            self.reopen()
        } {
            Reopened::Another => Some(start_of_line(bytes, written)),
            Reopened::Same => Some(written),
        }
    }

    /// Opens the file anew; if that fails, the one that is open is kept.
    fn reopen(&mut self) -> Reopened {
        self.output.reopen().unwrap_or_else(|error| {
            self.failed(&error);
            Reopened::Same
        })
    }

    fn failed(&mut self, error: &io::Error) {
        if self.health == Health::Writing {
            self.health = Health::Failing;
            let path = self.output.path();
            tracing::warn!(
                event = "access-log-failed", file = %path.display(), %error,
                "cannot write the access log; lines wait, then are dropped and counted; free some \
                 space or mend its folder"
            );
        }
    }

    fn recovered(&mut self) {
        if self.health == Health::Failing {
            self.health = Health::Writing;
            let dropped_lines = self.queue.totals().dropped_lines;
            let path = self.output.path();
            tracing::info!(
                event = "access-log-recovered", file = %path.display(), dropped_lines,
                "the access log is written again"
            );
        }
    }
}

/// The start of the line that `at` is in.
fn start_of_line(bytes: &[u8], at: usize) -> usize {
    let before = bytes[..at].iter().rposition(|byte| *byte == b'\n');
    before.map_or(0, |line_feed| line_feed + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_begins_with_a_whole_line() {
        let bytes = b"one\ntwo\n";
        for (written, from) in [(0, 0), (2, 0), (3, 0), (4, 4), (6, 4), (8, 8)] {
            assert_eq!(start_of_line(bytes, written), from, "{written}");
        }
    }
}

//! This node's own file as the feeder of a relay.
//!
//! It must never go on elsewhere after a file that changed: some of what was sent may be neither the
//! one version nor the other.

use bytes::Bytes;

use super::{BUFFER_BYTES, Relay};
use crate::{
    disk,
    service::FileBody,
    transmit::{TransmitError, check_unchanged},
};

impl Relay {
    /// Bytes of the file at hand; none if it was given up.
    pub(super) async fn pull_from_file(&mut self, file: &FileBody) -> Result<Bytes, TransmitError> {
        let rest = self.rest();
        let wanted = rest.len().min(BUFFER_BYTES as u64) as usize;
        let read = disk::append(file, rest.start, wanted, Vec::new()).await;
        match read {
            Ok(bytes) if bytes.len() == wanted => {
                if wanted as u64 == rest.len() {
                    check_unchanged(file).await?;
                }
                self.came(wanted as u64);
                Ok(Bytes::from(bytes))
            }
            Ok(_) => self.leave(file, TransmitError::ended(file)),
            Err(error) => self.leave(file, TransmitError::File(error)),
        }
    }

    /// Gives up the file at hand if that is possible; else the error stands.
    pub(crate) fn leave(
        &mut self,
        file: &FileBody,
        error: TransmitError,
    ) -> Result<Bytes, TransmitError> {
        if !matches!(error, TransmitError::File(_)) || !file.is_unchanged() {
            return Err(match error {
                TransmitError::File(_) => TransmitError::Changed,
                error => error,
            });
        }
        self.file_failed();
        Ok(Bytes::new())
    }
}

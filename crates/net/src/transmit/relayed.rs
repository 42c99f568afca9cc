//! Sending what a relay brings.
//!
//! Between two plain connections the bytes go through a pipe and never through our memory. Members
//! are read only when the client has taken what they sent before, so a slow client slows its member
//! and holds a pipe, no more.

use overspill_http1::range::ByteRange;

use super::{Sending, TURN_BYTES, TransmitError};
use crate::{
    flows::Flow,
    relay::{Pipe, Relay, Striped, Supply, Turn},
    service::FileBody,
    transport::{More, Transport},
};

impl<T: Transport> Sending<'_, T> {
    /// Sends all that `relay` brings.
    pub(crate) async fn relay(
        &mut self,
        relay: &mut Relay,
        flow: &Flow,
        more: More,
    ) -> Result<(), TransmitError> {
        let mut pipe: Option<Pipe> = None;
        while let Some(supply) = relay.supply().await? {
            match supply {
                Supply::Bytes(bytes) => {
                    let more = more_after(relay, more);
                    self.body_bytes(&bytes, more).await?;
                    flow.sent(bytes.len() as u64);
                }
                Supply::File(file) => self.relay_file(relay, &file, flow, more).await?,
                Supply::Spliceable => {
                    let taken = pipe.take().map_or_else(|| relay.relayer().take_pipe(), Ok);
                    if let Ok(taken) = taken {
                        self.splice(relay, &taken, flow, more).await?;
                        pipe = Some(taken);
                    } else {
                        // No descriptors left: it goes through memory.
                        let bytes = relay.pull_from_stream().await;
                        self.body_bytes(&bytes, more_after(relay, more)).await?;
                        flow.sent(bytes.len() as u64);
                    }
                }
            }
        }
        if let Some(pipe) = pipe {
            // Empty, as after each turn: otherwise we would not have come here.
            relay.relayer().give_pipe(pipe);
        }
        Ok(())
    }

    /// Sends all that `striped` brings, in order; windows are asked for meanwhile.
    pub(crate) async fn striped(
        &mut self,
        striped: &mut Striped,
        flow: &Flow,
    ) -> Result<(), TransmitError> {
        while let Some(turn) = striped.next().await? {
            match turn {
                Turn::Bytes(bytes) => {
                    self.body_bytes(&bytes, More::Nothing).await?;
                    flow.sent(bytes.len() as u64);
                }
                Turn::Rest(mut relay) => tokio::select! {
                    // The other arm never ends, so this one is never cut short.
                    sent = self.relay(&mut relay, flow, More::Nothing) => sent?,
                    never = striped.keep_asking() => match never {},
                },
            }
        }
        Ok(())
    }

    /// Sends this node's own file as far as it can be read.
    async fn relay_file(
        &mut self,
        relay: &mut Relay,
        file: &FileBody,
        flow: &Flow,
        more: More,
    ) -> Result<(), TransmitError> {
        let rest = relay.rest();
        let Some(range) = ByteRange::new(rest.start, rest.end) else {
            return Ok(());
        };
        let before_bytes = flow.sent_bytes();
        let sent = self.file(file, range, flow, more).await;
        relay.came(flow.sent_bytes() - before_bytes);
        match sent {
            Ok(()) => Ok(()),
            Err(error) => relay.leave(file, error).map(drop),
        }
    }

    /// Sends what the member has for now, until it gives less or the others are to have a turn.
    async fn splice(
        &mut self,
        relay: &mut Relay,
        pipe: &Pipe,
        flow: &Flow,
        more: More,
    ) -> Result<(), TransmitError> {
        let mut turn_bytes = 0;
        while turn_bytes < TURN_BYTES && relay.rest_bytes() > 0 {
            let filled_bytes = relay.fill(pipe).await as u64;
            if filled_bytes == 0 {
                return Ok(());
            }
            let more = more_after(relay, more);
            self.empty(pipe, filled_bytes, flow, more).await?;
            turn_bytes += filled_bytes;
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Sends the `bytes` that are in `pipe`.
    async fn empty(
        &mut self,
        pipe: &Pipe,
        bytes: u64,
        flow: &Flow,
        more: More,
    ) -> Result<(), TransmitError> {
        let mut left_bytes = bytes;
        while left_bytes > 0 {
            let now_bytes = self.allowance(left_bytes).await;
            let sent = self.transport.send_pipe(pipe.reader(), now_bytes, more);
            let sent = sent.await.map_err(TransmitError::Client)? as u64;
            self.spend(sent);
            flow.sent(sent);
            self.activity.moved(sent);
            left_bytes -= sent;
        }
        Ok(())
    }
}

/// Bytes wait for more only at the end of a relay, when what follows is at hand; what a member sends
/// next may take its time.
fn more_after(relay: &Relay, more: More) -> More {
    match relay.rest_bytes() {
        0 => more,
        _ => More::Nothing,
    }
}

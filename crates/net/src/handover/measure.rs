//! What every request that hyper has is measured by, whether or not anybody logs it.
//!
//! Bytes count when hyper takes them, which is as near to the kernel as it lets us look. It must
//! never claim an end that did not come.

use std::time::{Duration, Instant};

use overspill_http1::request::Method;

use super::HandedOver;
use crate::{
    observe::Outcome,
    service::Decision,
    tally::{DecisionKind, Ending, Tally},
};

/// One request and how its answer is getting on.
#[derive(Debug)]
pub(super) struct Measure {
    method: Method,
    began: Instant,
    first_byte: Option<Instant>,
    decision: DecisionKind,
    /// 0 before there is an answer.
    pub(super) status: u16,
    pub(super) sent_bytes: u64,
    /// By the client, as long as nothing else is known.
    pub(super) outcome: Outcome,
}

impl Measure {
    pub(super) fn of<B>(request: &http::Request<B>) -> Self {
        Self {
            method: Method::from_token(request.method().as_str().as_bytes()),
            began: Instant::now(),
            first_byte: None,
            decision: DecisionKind::Serve,
            status: 0,
            sent_bytes: 0,
            outcome: Outcome::CutByClient,
        }
    }

    /// There is an answer.
    pub(super) fn answered(&mut self, response: &http::Response<HandedOver>) {
        self.status = response.status().as_u16();
        self.decision = match (response.body(), response.extensions().get::<Decision>()) {
            (HandedOver::Routed(_), _) => DecisionKind::Control,
            (_, Some(decision)) => DecisionKind::of(decision),
            (_, None) => DecisionKind::Serve,
        };
    }

    /// So many bytes of it are on their way.
    pub(super) fn sent(&mut self, bytes: u64) {
        if self.first_byte.is_none() {
            self.first_byte = Some(Instant::now());
        }
        self.sent_bytes += bytes;
    }

    /// Since the request came.
    pub(super) fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    /// Counts it; it is over.
    pub(super) fn count(&self, tally: &Tally) {
        tally.answered(self.method, self.status, self.decision);
        // What is asked of the node itself may well last as long as the node.
        if self.decision == DecisionKind::Control || self.status == 0 {
            return;
        }
        let ending = self.outcome.into();
        tally.ended(ending, 1, self.sent_bytes);
        let first_byte = self.first_byte.map(|at| at - self.began);
        match (first_byte, ending) {
            (Some(after), _) => tally.first_byte(after, 1),
            (None, Ending::Complete) => tally.first_byte(self.lasted(), 1),
            (None, _) => {}
        }
        if ending == Ending::Complete {
            tally.finished(self.lasted(), self.sent_bytes);
        }
    }
}

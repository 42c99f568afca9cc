//! Bodies that several members feed at once, window by window.
//!
//! `core::relay::Stripe` says what is asked for when; each window is a [`Relay`] of its own. Those
//! behind the head of the line are read ahead by a task each, which hands its relay over when its
//! window gets there: what is left of it then goes the way of any relay, by splice where that can be.
//! It must never hold more memory than was reserved, nor send a byte before those in front of it.

mod memory;

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    fmt::{self, Debug},
    rc::Rc,
    time::Instant,
};

use bytes::Bytes;
use overspill_core::{
    relay::{Span, Stripe, Verdict, WindowId},
    root::Root,
};
use tokio::{select, sync::Notify, task::spawn_local};
use tokio_util::task::AbortOnDropHandle;

use self::memory::Buffer;
pub use self::memory::{AheadMemory, Reservation};
use super::{Guide, Relay, Relayer};
use crate::transmit::TransmitError;

/// Chooses who feeds each window of a body. Called on a serving thread: must not block.
pub trait StripeGuide: Debug {
    /// The guide of the next window.
    fn window(&mut self) -> Box<dyn Guide>;
}

/// A span of a content on its way from several places.
#[derive(Debug)]
pub struct Striped {
    shared: Rc<Shared>,
    root: Root,
    guide: Box<dyn StripeGuide>,
    relayer: Rc<Relayer>,
    /// Bytes that were not given out yet.
    rest_bytes: u64,
    /// The head of the line.
    sending: Option<Lane>,
    /// Those behind it.
    ahead: VecDeque<Lane>,
    // Given back when everything above is gone.
    _reservation: Reservation,
}

/// What the windows of one body share.
#[derive(Debug)]
struct Shared {
    stripe: RefCell<Stripe>,
    /// Rings when a window has been read ahead to its end.
    has_room: Notify,
}

/// What tells a [`Stripe`] of one window's relay.
pub(super) struct Pacer {
    shared: Rc<Shared>,
    id: WindowId,
}

/// One window.
#[derive(Debug)]
struct Lane {
    buffer: Rc<Buffer>,
    work: Work,
}

/// Who has the relay of a window; `None` in place of one that is over.
#[derive(Debug)]
enum Work {
    /// The task that reads ahead.
    Reading(AbortOnDropHandle<Fetched>),
    /// Nobody, until it is sent.
    AtHand(Option<Box<Relay>>),
}

type Fetched = Result<Option<Box<Relay>>, TransmitError>;

/// What comes next in a striped body.
pub(crate) enum Turn {
    /// Bytes that were read ahead.
    Bytes(Bytes),
    /// The rest of the window at the head of the line; to be sent whole before the next turn.
    Rest(Box<Relay>),
}

impl Striped {
    /// A body of the bytes of `span` of the content with this root, cut up as `reservation` plans.
    pub fn new(
        span: Span,
        root: Root,
        guide: Box<dyn StripeGuide>,
        relayer: Rc<Relayer>,
        reservation: Reservation,
    ) -> Self {
        let shared = Shared {
            stripe: RefCell::new(Stripe::new(span, reservation.plan())),
            has_room: Notify::new(),
        };
        Self {
            shared: Rc::new(shared),
            root,
            guide,
            relayer,
            rest_bytes: span.len(),
            sending: None,
            ahead: VecDeque::new(),
            _reservation: reservation,
        }
    }

    /// Bytes that were not given out yet.
    pub fn rest_bytes(&self) -> u64 {
        self.rest_bytes
    }

    /// What is to be sent next; `None` when that was all. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Turn>, TransmitError> {
        loop {
            self.ask();
            let Some(lane) = &mut self.sending else {
                if !self.advance() {
                    return Ok(None);
                }
                continue;
            };
            if let Some(bytes) = lane.buffer.pop() {
                self.rest_bytes -= bytes.len() as u64;
                return Ok(Some(Turn::Bytes(bytes)));
            }
            match &mut lane.work {
                Work::AtHand(relay) => {
                    let relay = relay.take();
                    self.sending = None;
                    if let Some(relay) = relay {
                        self.rest_bytes -= relay.rest_bytes();
                        return Ok(Some(Turn::Rest(relay)));
                    }
                }
                Work::Reading(task) => {
                    select! {
                        () = lane.buffer.filled() => {}
                        fetched = task => {
                            // Whoever waits for it does not abort it: it panicked.
                            let fetched = fetched.map_err(TransmitError::Ahead)?;
                            lane.work = Work::AtHand(fetched?);
                        }
                    }
                }
            }
        }
    }

    /// The next bytes, in memory; `None` when all have come. `head` is what [`Striped::next`] handed
    /// out, to be kept between the calls.
    pub(crate) async fn pull(
        &mut self,
        head: &mut Option<Box<Relay>>,
    ) -> Result<Option<Bytes>, TransmitError> {
        loop {
            if let Some(relay) = head {
                let pulled = select! {
                    pulled = relay.pull() => pulled?,
                    never = self.keep_asking() => match never {},
                };
                if let Some(bytes) = pulled {
                    return Ok(Some(bytes));
                }
                *head = None;
            }
            match self.next().await? {
                None => return Ok(None),
                Some(Turn::Bytes(bytes)) => return Ok(Some(bytes)),
                Some(Turn::Rest(relay)) => *head = Some(relay),
            }
        }
    }

    /// Asks for more whenever there is room for it, while the head of the line is sent. Cancel-safe.
    pub(crate) async fn keep_asking(&mut self) -> Infallible {
        loop {
            self.ask();
            self.shared.has_room.notified().await;
        }
    }

    /// Asks for all windows that may be asked for.
    fn ask(&mut self) {
        loop {
            // Two statements, so that nothing is borrowed while the guide is asked.
            let cut = self.shared.stripe.borrow_mut().cut();
            let Some((id, span)) = cut else { return };
            let (guide, relayer) = (self.guide.window(), Rc::clone(&self.relayer));
            let shared = Rc::clone(&self.shared);
            let mut relay = Box::new(Relay::new(span, self.root, guide, relayer));
            relay.pacer = Some(Pacer { shared, id });
            let buffer = Rc::new(Buffer::default());
            let shared = Rc::clone(&self.shared);
            let task = spawn_local(read_ahead(relay, Rc::clone(&buffer), shared));
            let work = Work::Reading(AbortOnDropHandle::new(task));
            self.ahead.push_back(Lane { buffer, work });
        }
    }

    /// Moves the next window to the head of the line; whether there was one.
    fn advance(&mut self) -> bool {
        let lane = self.ahead.pop_front();
        self.shared.stripe.borrow_mut().advance();
        if let Some(lane) = &lane {
            lane.buffer.lead();
        }
        self.sending = lane;
        self.sending.is_some()
    }
}

impl Pacer {
    /// Somebody is asked.
    pub(super) fn asked(&self) {
        self.shared.stripe.borrow_mut().asked(self.id);
    }

    /// The member is waited for.
    pub(super) fn waiting(&self) {
        let mut stripe = self.shared.stripe.borrow_mut();
        stripe.waiting(self.id, Instant::now());
    }

    /// Bytes have come.
    pub(super) fn came(&self, bytes: u64) -> Verdict {
        let mut stripe = self.shared.stripe.borrow_mut();
        stripe.came(self.id, Instant::now(), bytes)
    }
}

impl Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pacer({:?})", self.id)
    }
}

/// Reads a window into `buffer` until it is at the head of the line; gives back what is left of it.
async fn read_ahead(mut relay: Box<Relay>, buffer: Rc<Buffer>, shared: Rc<Shared>) -> Fetched {
    while !buffer.is_leading() {
        let pulled = relay.pull().await;
        match pulled? {
            Some(bytes) => buffer.push(&bytes),
            None => {
                shared.has_room.notify_one();
                return Ok(None);
            }
        }
    }
    Ok(Some(relay))
}

#[cfg(test)]
mod tests;

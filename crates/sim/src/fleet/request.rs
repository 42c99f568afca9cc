//! One client's request, from its arrival until the last byte, over as many nodes as it takes.
//!
//! It must never forget what the client already has.

use core::net::{IpAddr, Ipv4Addr};

use overspill_core::dispatch::Turn;

use crate::time::Time;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// In order of arrival; what it asks for nobody else does.
    pub(super) number: u64,
    pub(super) arrived: Time,
    /// Bytes of the file.
    pub(super) size: f64,
    /// Bytes the client has.
    pub(super) received: f64,
    /// The node that failed it.
    pub(super) avoid: Option<usize>,
    pub(super) turn: Turn,
}

impl Request {
    pub(super) fn new(number: u64, arrived: Time, size: f64) -> Self {
        Self {
            number,
            arrived,
            size,
            received: 0.0,
            avoid: None,
            turn: Turn::First,
        }
    }

    /// Bytes still to send.
    pub(super) fn left(&self) -> f64 {
        self.size - self.received
    }

    /// The same, as the product counts.
    pub(super) fn bytes_left(&self) -> u64 {
        (self.left().ceil() as u64).max(1)
    }

    /// Where the client is: all are in one network, so that they share what is known of the way.
    pub(super) fn client(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, (self.number % 250) as u8 + 1))
    }

    /// It comes back from a node that failed it, with what it got there.
    pub(super) fn failed_by(self, at: usize, left: f64) -> Self {
        Self {
            received: self.size - left,
            avoid: Some(at),
            turn: Turn::First,
            ..self
        }
    }
}

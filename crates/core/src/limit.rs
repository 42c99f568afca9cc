//! What one client, and all clients together, may take: connections, requests, bytes.
//!
//! [`Bucket`] is the arithmetic of a rate, [`ClientTable`] remembers who has taken what. Both are
//! state machines that are told the time; locks and addresses of sockets are the shell's. Nothing
//! here must ever grow with the number of clients beyond its cap.

mod bucket;
mod clients;
mod prefix;

pub use self::{
    bucket::{Allowance, Bucket, Reservation, Wait},
    clients::{Admitted, ClientTable, PerClient, TooManyConnections},
    prefix::{Prefix, PrefixBits},
};

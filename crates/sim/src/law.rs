//! The laws that sizes and arrivals follow.
//!
//! Each knows its own moments, so that a load can be set exactly and a formula be checked. A law
//! must never draw from any stream but the one it is handed.

mod arrival;
mod size;

pub use self::{
    arrival::{ArrivalLaw, Arrivals},
    size::{Part, SizeLaw},
};

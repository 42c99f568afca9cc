//! The control plane: joining, event streams, reports.
//!
//! Everything here but the first step of joining must carry a proof. It must never tell a stranger
//! more than that it is a stranger, and never accept the same message twice.

mod orders;
mod routes;
mod sessions;
mod view;

pub(crate) use self::{
    routes::{Control, Refusal, control_routes},
    sessions::Sessions,
};

//! What a run says, and how sure it is.
//!
//! Observations of a queue depend on their neighbours, so a confidence interval comes from the means
//! of long batches, never from single observations.

mod batch;
mod decades;
mod jain;
mod quantiles;

pub use self::{
    batch::{BATCHES, BatchMeans},
    decades::{Decade, Decades},
    jain::jain_index,
    quantiles::Quantiles,
};

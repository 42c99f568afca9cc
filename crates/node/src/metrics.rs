//! What a node tells a monitoring system: `GET /-/metrics`, as Prometheus and OpenMetrics write it.
//!
//! Everything is collected when somebody asks, from figures that exist anyway; between two scrapes a
//! metric costs nothing. What only a server or a mirror knows, its [`Role`] adds. It must never name
//! a client, a path or a secret, and no label may take values without a bound.

mod family;
mod load_report;
mod own;
mod process;
mod scrub;
mod sheet;

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

pub(crate) use self::load_report::{LoadFormat, load_line};
pub use self::{
    family::{Family, Kind, Unit},
    scrub::ScrubCounts,
    sheet::{Format, Number, Samples, Sheet},
};
pub use crate::complaints::COMPLAINTS;
use crate::role::Role;

/// Scrapes at a time, of all cores: each takes one of the few threads that wait for disks.
static SCRAPES: Semaphore = Semaphore::const_new(1);

/// `GET /-/metrics`.
pub(crate) async fn metrics<R: Role>(State(role): State<Arc<R>>, fields: HeaderMap) -> Response {
    let format = Format::accepted(fields.get_all(header::ACCEPT));
    // Some figures are read from the disk and from /proc, and the number of members has no small
    // bound: not on a serving thread.
    let _turn = SCRAPES.acquire().await;
    let collected = tokio::task::spawn_blocking(move || collect(role.as_ref(), format)).await;
    match collected {
        Ok(text) => {
            let head = [
                (header::CONTENT_TYPE, format.content_type()),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (head, text).into_response()
        }
        // A panic there has been printed.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// All metrics of a node, in the order of the table in the documentation.
fn collect<R: Role>(role: &R, format: Format) -> String {
    let mut sheet = Sheet::new(format);
    own::add(role, &mut sheet);
    role.measure(&mut sheet);
    process::add(&mut sheet);
    sheet.finish()
}

//! Every fault in turn, for one relay: downloads until one has met it.
//!
//! It must never count a download whose bytes met no fault as proof of anything.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{
    contender::Site,
    download::{Client, Expected, Request},
    fault::{Fault, Group},
    tally::{End, Tally},
};

/// What a client met at a relay: one tally for each group, in their order.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) client: Client,
    pub(super) cells: Vec<Tally>,
}

/// The clients that are tried.
pub(super) const CLIENTS: [Client; 2] = [Client::Curl, Client::Wget];
/// Every relay asks the faulty origin at least every second time, but ours, which gives an origin that
/// failed too often nothing for some seconds.
const DOWNLOADS_MAX: u32 = 500;

/// Runs all `groups`, with each client.
pub(super) fn run(
    site: &Site,
    groups: &[Group],
    expected: &Expected,
    folder: &Path,
    patience: Duration,
) -> Result<Vec<Row>> {
    let row = |client| {
        let request = Request {
            client,
            url: site.url(expected.path),
            expected,
            to: folder.join("got"),
            patience,
        };
        let cells = groups.iter().map(|group| {
            let mut tally = Tally::default();
            for fault in &group.faults {
                match meet(site, *fault, &request)? {
                    Some(end) => tally.count(end),
                    None => tally.unmet += 1,
                }
            }
            Ok(tally)
        });
        let cells = cells.collect::<Result<_>>()?;
        Ok(Row { client, cells })
    };
    CLIENTS.into_iter().map(row).collect()
}

/// How the first download ended that met `fault`; `None` if none of a few did.
///
/// One that goes wrong without having met it is told, too: that would be worse.
fn meet(site: &Site, fault: Fault, request: &Request<'_>) -> Result<Option<End>> {
    let way = site.way()?;
    way.set(Some(fault));
    let before = way.struck();
    for _ in 0..DOWNLOADS_MAX {
        let end = request.run()?;
        if way.struck() > before || end == End::Wrong {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

//! What connections cost that do nothing: resident memory of ours and of nginx.
//!
//! Every connection has had one answer and waits for its next request, as a browser's would. The
//! kernel's part of a connection is the same for everyone and is in neither figure.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    contender::{Contender, DoorKind, Setting},
    fetch::Connection,
    markdown, note, print,
    sample::{figure, mebibytes},
};

/// Descriptors of this process besides its connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// Prints the table, or a line on why there is none.
pub(super) fn compare(connections: u32, setting: &Setting<'_>, path: &str) -> Result<()> {
    let allowed = raise_descriptors()?;
    let needed = u64::from(connections) + SPARE_DESCRIPTORS;
    if allowed < needed {
        return print(&format!(
            "\nmemory of idle connections left out: {needed} descriptors needed, {allowed} allowed"
        ));
    }
    print(&format!(
        "\nResident memory with {connections} idle connections (target: no more than nginx)\n"
    ))?;
    let mut table = markdown(&["server", "before", "with them", "bytes each"], 1);
    for contender in [Contender::Overspill, Contender::Nginx] {
        let (before, after) = weigh(contender, connections, setting, path)?;
        let each = after.saturating_sub(before) as f64 / f64::from(connections);
        table.add_row([
            contender.name().to_owned(),
            mebibytes(before),
            mebibytes(after),
            figure(each),
        ]);
    }
    print(&table.to_string())
}

/// Resident bytes of a fresh server without and with the connections.
fn weigh(
    contender: Contender,
    connections: u32,
    setting: &Setting<'_>,
    path: &str,
) -> Result<(u64, u64)> {
    note(&format!(
        "opening {connections} connections to {}",
        contender.name()
    ));
    let site = contender.start(setting, DoorKind::Plain, path)?;
    let before = site.process.usage()?.resident_bytes;
    let mut open = Vec::new();
    for number in 0..connections {
        let context = || format!("connection {number} to {}", contender.name());
        let mut connection = Connection::open(site.doors.plain).with_context(context)?;
        connection.get(path).with_context(context)?;
        open.push(connection);
    }
    let after = site.process.usage()?.resident_bytes;
    drop(open);
    site.process.stop()?;
    Ok((before, after))
}

/// Raises the limit on open files as far as allowed, for this process and those it starts.
pub(super) fn raise_descriptors() -> Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit on open files")?;
    Ok(maximum.unwrap_or(u64::MAX))
}

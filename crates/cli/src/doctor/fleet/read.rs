//! Asking a node, and each member of its fleet.
//!
//! Everything is asked once, and every wait has an end. Nothing here may judge.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use overspill_client::{
    HttpClient, HttpUrl, ShownCertificate, fleet_status,
    probe::{Glance, ProbeError, direct, glance, through},
    shown_certificate,
};
use overspill_wire::{
    listing::{ListedKind, Listing},
    paths::{DIRECT, HEALTH, READY},
    status::FleetStatus,
};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};

use super::{Download, Heard, Sample};

/// How long a name, a connection or a handshake is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// And an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// Longest page of a listing that is read.
const LISTING_BYTES_MAX: usize = 4 << 20;
/// Most folders that are looked through for a file.
const FOLDERS_MAX: usize = 16;
/// Bytes asked of each member.
const MEMBER_BYTES: u64 = 64 << 10;
/// Bytes asked for as a client does.
const DOWNLOAD_BYTES: u64 = 4 << 20;
/// Most members that are asked.
const MEMBERS_MAX: usize = 256;
/// How many of them at once.
const AT_ONCE: usize = 16;

/// Asks the node of `url`, and its fleet.
pub(in crate::doctor) async fn read(client: &HttpClient, url: &HttpUrl) -> Heard {
    let (host, port) = authority(url);
    let addresses = resolve(&host, port).await;
    let connections = connect(addresses.as_deref().unwrap_or_default(), port).await;
    let able = connections.iter().find(|(_, result)| result.is_ok());
    let certificate = match able.filter(|_| url.is_secure()) {
        Some((address, _)) => Some(certificate(&host, SocketAddr::new(*address, port)).await),
        None => None,
    };
    let asked = SystemTime::now();
    let health = asked_at(client, url, HEALTH).await;
    let ahead_s = health
        .as_ref()
        .ok()
        .and_then(|health| ahead_s(asked, health));
    let ready = asked_at(client, url, READY).await;
    let fleet = fleet_status(client, url).await;
    let sample = find_sample(client, url).await;
    let mut heard = Heard {
        url: base(url, &host, port),
        host,
        addresses,
        connections,
        certificate,
        now: asked,
        ahead_s,
        health: health.map(|glance| glance.status.as_u16()),
        ready: ready.map(|glance| glance.status.as_u16()),
        fleet: fleet.map_err(|error| error.to_string()),
        sample,
        answers: Vec::new(),
        download: None,
    };
    try_sample(client, url, &mut heard).await;
    heard
}

/// Asks everybody for the sample.
async fn try_sample(client: &HttpClient, url: &HttpUrl, heard: &mut Heard) {
    let (Some(sample), Ok(fleet)) = (&heard.sample, &heard.fleet) else {
        return;
    };
    heard.answers = ask_members(client, url, fleet, sample).await;
    let span = 0..sample.bytes.min(DOWNLOAD_BYTES);
    let came = match url.resolve(&sample.path) {
        Ok(url) => within(through(client, &url, &sample.root, span)).await,
        Err(error) => Err(error.to_string()),
    };
    heard.download = Some(came.map(|came| Download {
        bytes: came.bytes.len() as u64,
        took: came.took,
        member: came.member,
    }));
}

fn authority(url: &HttpUrl) -> (String, u16) {
    let uri = url.uri();
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let usual = if url.is_secure() { 443 } else { 80 };
    (host.to_owned(), uri.port_u16().unwrap_or(usual))
}

/// Scheme, host and port: what may be shown to anybody.
fn base(url: &HttpUrl, host: &str, port: u16) -> String {
    let scheme = if url.is_secure() { "https" } else { "http" };
    match host.contains(':') {
        true => format!("{scheme}://[{host}]:{port}"),
        false => format!("{scheme}://{host}:{port}"),
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    let found = timeout(PATIENCE, lookup_host((host, port))).await;
    let found = found.map_err(|_| "the name server is silent".to_owned())?;
    let mut addresses: Vec<IpAddr> = found
        .map_err(|error| error.to_string())?
        .map(|address| address.ip())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Connects to the first address of each family.
async fn connect(addresses: &[IpAddr], port: u16) -> Vec<(IpAddr, Result<Duration, String>)> {
    let first = |is_v4| {
        addresses
            .iter()
            .find(move |address| address.is_ipv4() == is_v4)
    };
    let mut connections = Vec::new();
    for address in [first(true), first(false)].into_iter().flatten() {
        let begun = Instant::now();
        let connected = timeout(PATIENCE, TcpStream::connect((*address, port))).await;
        let result = match connected {
            Ok(Ok(_)) => Ok(begun.elapsed()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing for {} s", PATIENCE.as_secs())),
        };
        connections.push((*address, result));
    }
    connections
}

async fn certificate(host: &str, address: SocketAddr) -> Result<ShownCertificate, String> {
    let shown = shown_certificate(address, host, PATIENCE).await;
    shown.map_err(|error| error.to_string())
}

async fn asked_at(client: &HttpClient, url: &HttpUrl, path: &str) -> Result<Glance, String> {
    let asked = url.resolve(path).map_err(|error| error.to_string())?;
    within(glance(client, &asked, LISTING_BYTES_MAX)).await
}

async fn within<T>(asking: impl Future<Output = Result<T, ProbeError>>) -> Result<T, String> {
    match timeout(ANSWER_PATIENCE, asking).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer for {} s", ANSWER_PATIENCE.as_secs())),
    }
}

/// By how much the node's clock is ahead, or behind if negative.
///
/// It tells whole seconds, and when exactly it did is not known: what that may explain is none.
fn ahead_s(asked: SystemTime, answer: &Glance) -> Option<f64> {
    let said = answer.date?;
    let heard = SystemTime::now();
    let seconds = |later: SystemTime, earlier: SystemTime| {
        later
            .duration_since(earlier)
            .unwrap_or_default()
            .as_secs_f64()
    };
    let latest = said + Duration::from_secs(1);
    Some(if said > heard {
        seconds(said, heard)
    } else if latest < asked {
        -seconds(asked, latest)
    } else {
        0.0
    })
}

/// The largest hashed file of the first folder that has one.
async fn find_sample(client: &HttpClient, url: &HttpUrl) -> Option<Sample> {
    let mut due = vec![url.resolve("/").ok()?];
    for _ in 0..FOLDERS_MAX {
        let folder = due.pop()?;
        let Ok(page) = folder.resolve("?format=json&limit=1000") else {
            continue;
        };
        let Ok(page) = within(glance(client, &page, LISTING_BYTES_MAX)).await else {
            continue;
        };
        let Ok(listing) = serde_json::from_slice::<Listing>(&page.body) else {
            continue;
        };
        if let Some(sample) = largest(&folder, &listing) {
            return Some(sample);
        }
        let below = listing.entries.iter().rev();
        let below = below.filter(|entry| entry.kind == ListedKind::Folder);
        due.extend(below.filter_map(|entry| folder.resolve(&entry.href).ok()));
    }
    None
}

fn largest(folder: &HttpUrl, listing: &Listing) -> Option<Sample> {
    let hashed = listing.entries.iter().filter_map(|entry| {
        let (root, bytes) = entry.root.as_ref().zip(entry.size)?;
        (bytes > 0).then_some((entry, root, bytes))
    });
    let (entry, root, bytes) = hashed.max_by_key(|(_, _, bytes)| *bytes)?;
    let url = folder.resolve(&entry.href).ok()?;
    Some(Sample {
        path: url.uri().path().to_owned(),
        root: root.clone(),
        bytes,
    })
}

/// Asks each member for the same bytes; whoever sends others than the node itself is wrong.
async fn ask_members(
    client: &HttpClient,
    url: &HttpUrl,
    fleet: &FleetStatus,
    sample: &Sample,
) -> Vec<Option<Result<Duration, String>>> {
    let right = ask_directly(client.clone(), url.clone(), sample.clone()).await;
    let right = right.map(|(bytes, _)| bytes).ok();
    let mut answers = vec![None; fleet.members.len()];
    let asked: Vec<_> = fleet.members.iter().enumerate().take(MEMBERS_MAX).collect();
    for group in asked.chunks(AT_ONCE) {
        let mut asking = JoinSet::new();
        for (at, member) in group {
            let (client, sample, at) = (client.clone(), sample.clone(), *at);
            let url = HttpUrl::parse(&member.url).map_err(|error| error.to_string());
            asking.spawn(async move {
                let answer = match url {
                    Ok(url) => ask_directly(client, url, sample).await,
                    Err(error) => Err(error),
                };
                (at, answer)
            });
        }
        while let Some(Ok((at, answer))) = asking.join_next().await {
            answers[at] = Some(answer.and_then(|(bytes, took)| match &right {
                Some(right) if *right != bytes => Err("it sends other bytes than the node".into()),
                _ => Ok(took),
            }));
        }
    }
    answers
}

async fn ask_directly(
    client: HttpClient,
    url: HttpUrl,
    sample: Sample,
) -> Result<(Vec<u8>, Duration), String> {
    let url = url.resolve(&format!("{}?{DIRECT}", sample.path));
    let url = url.map_err(|error| error.to_string())?;
    let span = 0..sample.bytes.min(MEMBER_BYTES);
    let came = within(direct(&client, &url, &sample.root, span)).await?;
    Ok((came.bytes, came.took))
}

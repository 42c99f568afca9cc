//! Who has a file, and what proves its pieces: asked of the fleet, or read off an answer.
//!
//! A node of Overspill tells both. Anybody else is one source, unless a digest proves the whole and
//! so makes it safe to ask others. It must never join sources that nothing proves equal.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use overspill_core::{root::Root, transfer::PIECE_BYTES};
use overspill_net::client::HttpClient;
use overspill_store::outboard::{GroupSize, Outboard};
use overspill_wire::{
    paths::{DIRECT, OUTBOARD, SOURCES},
    sources::{SOURCES_MAX, Source, SourcesReply},
};
use tokio::time::timeout;

use super::{Digest, Fleet, Holder, Plan, Proof, SPLIT_BYTES_MIN, links};
use crate::{
    answer::Version,
    ask::{AskError, Document},
    download::asking::Asking,
    error::{DownloadError, Fault},
    follow::follow,
    url::HttpUrl,
};

/// What is known before the first byte.
#[derive(Debug)]
pub(crate) enum Found {
    /// It can be pulled in pieces.
    Plan(Box<Plan>),
    /// It is small, or nothing is known of it: one request will tell.
    Whole,
}

/// What asking again brought.
#[derive(Debug)]
pub(super) enum Again {
    /// The server has another version by now.
    Changed,
    /// These have it.
    Holders(Vec<Holder>),
    /// Nobody answers.
    Unknown,
}

/// Asks the node of the URL for the sources of the file, and for its outboard.
pub(crate) async fn find(asking: &mut Asking<'_>) -> Result<Found, DownloadError> {
    let url = asking.origin();
    let Some(target) = sources_url(&url, &url) else {
        return Ok(Found::Whole);
    };
    let reply = loop {
        match TELLING.fetch::<SourcesReply>(asking.client, &target).await {
            Ok(reply) => break reply,
            Err(AskError::Client(error)) if !error.is_lasting() => {
                asking.pause(Fault::Client(error), None).await?;
            }
            // Whatever it is, it is no Overspill; what it says of the file itself will be told.
            Err(_) => return Ok(Found::Whole),
        }
    };
    let Some(root) = known_root(&reply).filter(|_| reply.bytes >= SPLIT_BYTES_MIN) else {
        return Ok(Found::Whole);
    };
    let holders = holders(&url, &reply, root);
    let Some(outboard) = outboard(asking, &url, &holders, (root, reply.bytes)).await? else {
        return Ok(Found::Whole);
    };
    Ok(Found::Plan(Box::new(Plan {
        url,
        size_bytes: reply.bytes,
        piece_bytes: PIECE_BYTES,
        root: Some(root),
        tag: Some(root.etag()),
        proof: Proof::Outboard(Arc::new(outboard)),
        digest: None,
        holders,
        fleet: Fleet::Ours,
    })))
}

/// The plan of a file of any server, by the head of its answer; `None` unless it says that it does
/// ranges, and tells a strong tag and the size.
pub(crate) fn foreign(url: HttpUrl, version: &Version, fields: &HeaderMap) -> Option<Plan> {
    let (tag, size_bytes) = (version.tag.clone()?, version.size_bytes?);
    let does_ranges = fields
        .get(header::ACCEPT_RANGES)
        .is_some_and(|value| value == "bytes");
    if !does_ranges {
        return None;
    }
    let root = version.root();
    let sum = links::sha256(fields).map(Digest::Sha256);
    let digest = root.map(Digest::Root).or(sum);
    let mut holders = vec![foreign_holder(&url, Some(tag.clone()))];
    holders[0].is_origin = true;
    if digest.is_some() {
        let others = links::duplicates(fields, &url)
            .into_iter()
            .filter(|other| *other != url);
        holders.extend(others.map(|other| foreign_holder(&other, None)));
    }
    Some(Plan {
        url,
        size_bytes,
        piece_bytes: PIECE_BYTES,
        root,
        tag: Some(tag),
        proof: Proof::None,
        digest,
        holders,
        fleet: Fleet::Foreign,
    })
}

/// A holder that is no member of a fleet.
pub(crate) fn foreign_holder(url: &HttpUrl, tag: Option<String>) -> Holder {
    Holder {
        name: url
            .uri()
            .authority()
            .map_or_else(String::new, ToString::to_string),
        member: None,
        url: url.clone(),
        tag,
        is_origin: false,
    }
}

/// Asks for the sources of a plan again: the server first, then every member, for the server may be
/// the one that is gone.
pub(super) async fn find_again(client: HttpClient, plan: Plan) -> Again {
    let asked = timeout(AGAIN_PATIENCE, ask_all(&client, &plan)).await;
    asked.unwrap_or(Again::Unknown)
}

async fn ask_all(client: &HttpClient, plan: &Plan) -> Again {
    let nodes = std::iter::once(&plan.url).chain(plan.holders.iter().map(|holder| &holder.url));
    for node in nodes.take(NODES_ASKED_MAX) {
        let Some(target) = sources_url(node, &plan.url) else {
            continue;
        };
        let Ok(reply) = TELLING.fetch::<SourcesReply>(client, &target).await else {
            continue;
        };
        return match (known_root(&reply), plan.root) {
            (Some(root), Some(ours)) if root == ours => {
                Again::Holders(holders(&plan.url, &reply, root))
            }
            _ => Again::Changed,
        };
    }
    Again::Unknown
}

/// Where `node` tells of the file; `None` for URLs that are more than a path.
fn sources_url(node: &HttpUrl, file: &HttpUrl) -> Option<HttpUrl> {
    if file.uri().query().is_some() || file.is_folder() {
        return None;
    }
    node.resolve(&format!("{SOURCES}{}", file.path())).ok()
}

fn known_root(reply: &SourcesReply) -> Option<Root> {
    reply.root.as_deref()?.parse().ok()
}

fn holders(url: &HttpUrl, reply: &SourcesReply, root: Root) -> Vec<Holder> {
    let holder = |source: &Source| {
        let node = url.redirected(&source.url).ok()?;
        let direct = node.resolve(&format!("{}?{DIRECT}", url.path())).ok()?;
        Some(Holder {
            name: source.member.clone(),
            member: Some(source.member.clone()),
            url: direct,
            tag: Some(root.etag()),
            is_origin: source.member == reply.node,
        })
    };
    let sources = reply.sources.iter().take(SOURCES_MAX);
    let mut holders: Vec<Holder> = sources.filter_map(holder).collect();
    if holders.is_empty() {
        // All are full or away: whoever the server sends us to.
        holders.push(Holder {
            name: reply.node.clone(),
            member: Some(reply.node.clone()),
            url: url.clone(),
            tag: Some(root.etag()),
            is_origin: true,
        });
    }
    holders
}

/// The outboard, from the server or any of the holders; `None` when nobody has it.
async fn outboard(
    asking: &mut Asking<'_>,
    url: &HttpUrl,
    holders: &[Holder],
    (root, size_bytes): (Root, u64),
) -> Result<Option<Outboard>, DownloadError> {
    let group = match size_bytes {
        0..=FINE_BYTES_MAX => GroupSize::FINE,
        _ => GroupSize::PIECE,
    };
    for _ in 0..OUTBOARD_ROUNDS {
        let mut wait = None;
        let nodes = std::iter::once(url).chain(holders.iter().map(|holder| &holder.url));
        for node in nodes.take(NODES_ASKED_MAX) {
            let target = format!("{OUTBOARD}/{root}?group={}", group.bytes());
            let Ok(target) = node.resolve(&target) else {
                continue;
            };
            match outboard_from(asking.client, target).await {
                Given::Bytes(bytes) => match Outboard::parse(root, size_bytes, &bytes) {
                    Ok(outboard) if outboard.group() <= GroupSize::PIECE => {
                        return Ok(Some(outboard));
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "outboard refused"),
                },
                Given::Later(pause) => wait = wait.or(Some(pause)),
                Given::Nothing => {}
            }
        }
        let Some(pause) = wait else {
            return Ok(None);
        };
        tokio::time::sleep(pause.clamp(LATER_MIN, LATER_MAX)).await;
    }
    Ok(None)
}

enum Given {
    Bytes(Vec<u8>),
    Later(Duration),
    Nothing,
}

async fn outboard_from(client: &HttpClient, target: HttpUrl) -> Given {
    let mut fields = HeaderMap::new();
    fields.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/octet-stream, */*;q=0.1"),
    );
    let Ok(arrival) = follow(client, &Method::GET, target, &fields).await else {
        return Given::Nothing;
    };
    let reply = arrival.reply;
    match reply.status() {
        StatusCode::OK => match reply.collect(OUTBOARD_BYTES_MAX).await {
            Ok(bytes) => Given::Bytes(bytes),
            Err(_) => Given::Nothing,
        },
        StatusCode::SERVICE_UNAVAILABLE => {
            let asked = reply.field(header::RETRY_AFTER.as_str());
            let seconds = asked.and_then(|text| text.trim().parse().ok());
            Given::Later(Duration::from_secs(seconds.unwrap_or(1)))
        }
        _ => Given::Nothing,
    }
}

const TELLING: Document = Document {
    name: "Overspill list of sources",
    bytes_max: 1 << 20,
};
/// Up to here 64 KiB groups, an outboard of 4 MiB at most; beyond, those of a piece.
const FINE_BYTES_MAX: u64 = 4 << 30;
/// That of 1 TiB at groups of a piece.
const OUTBOARD_BYTES_MAX: usize = (64 << 20) + 8;
/// An outboard that is being made is waited for this often.
const OUTBOARD_ROUNDS: u32 = 15;
const LATER_MIN: Duration = Duration::from_millis(200);
const LATER_MAX: Duration = Duration::from_secs(2);
/// Nodes that are asked one after the other before nobody is said to answer.
const NODES_ASKED_MAX: usize = 4;
/// For asking again while nothing comes: what is known is tried again after it.
const AGAIN_PATIENCE: Duration = Duration::from_secs(10);

//! Nodes that serve one file by ranges, each with a fault of its own; some are a fleet of ours.

use std::{
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex},
};

use overspill_core::root::Root;
use overspill_store::outboard::OutboardBuilder;
use overspill_wire::sources::{ComplaintMessage, Source, SourcesReply};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is wrong with a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Says 503 with this `Retry-After` so many times, then is well.
    Busy { times: usize, retry_after_s: u64 },
    /// Closes each connection after so many bytes of the body.
    Cuts(usize),
    /// Says 404.
    Empty,
    /// This byte of the file is wrong.
    Flips(usize),
    /// This byte of every MiB is wrong.
    FlipsEach(usize),
    /// Says 200 and sends everything.
    IgnoresRanges,
    /// Nothing.
    None,
    /// Goes silent after so many bytes of the body.
    Stalls(usize),
    /// Says 412.
    Stale,
}

/// A version of the file.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) content: Arc<Vec<u8>>,
    pub(crate) root: Root,
    /// `None` for that of a fleet, which is made of the root.
    pub(crate) tag: Option<String>,
    /// More lines of each answer's head.
    pub(crate) fields: String,
    pub(crate) outboard: Arc<Vec<u8>>,
}

/// What a node was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) range: Option<Range<usize>>,
    pub(crate) if_match: Option<String>,
    pub(crate) if_range: Option<String>,
}

/// One node.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

/// What a node knows.
struct State {
    version: Mutex<Version>,
    fault: Mutex<Fault>,
    /// The members of its fleet; empty for a stranger.
    members: Mutex<Vec<(String, SocketAddr)>>,
    asked: Mutex<Vec<Asked>>,
    complaints: Mutex<Vec<ComplaintMessage>>,
    /// After so many requests for the file another version takes its place.
    change: Mutex<Option<(usize, Version)>>,
}

impl Version {
    pub(crate) fn new(content: Vec<u8>) -> Self {
        let mut builder = OutboardBuilder::new();
        builder.update(&content);
        let (root, outboard) = builder.finish();
        Self {
            content: Arc::new(content),
            root,
            tag: None,
            fields: String::new(),
            outboard: Arc::new(outboard.to_bytes()),
        }
    }

    fn tag(&self) -> String {
        self.tag.clone().unwrap_or_else(|| self.root.etag())
    }
}

impl Node {
    pub(crate) async fn start(version: &Version, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            version: Mutex::new(version.clone()),
            fault: Mutex::new(fault),
            members: Mutex::default(),
            asked: Mutex::default(),
            complaints: Mutex::default(),
            change: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/big", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    pub(crate) fn complaints(&self) -> Vec<ComplaintMessage> {
        self.state.complaints.lock().unwrap().clone()
    }

    /// Another version takes the place of its file after so many requests for it.
    pub(crate) fn changes_after(&self, requests: usize, version: &Version) {
        *self.state.change.lock().unwrap() = Some((requests, version.clone()));
    }

    /// Nobody is at home any more.
    pub(crate) fn stop(&self) {
        self.serving.abort();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Makes nodes a fleet: each tells of all of them, the first first.
pub(crate) fn join(nodes: &[&Node]) {
    let members = nodes.iter().enumerate();
    let members: Vec<_> = members
        .map(|(at, node)| (format!("n{at}"), node.address))
        .collect();
    for node in nodes {
        *node.state.members.lock().unwrap() = members.clone();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        connections.spawn(async move {
            // A client that has what it wants hangs up.
            let _ = exchange(stream, &state).await;
        });
    }
}

async fn exchange(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    if target.starts_with("/-/") {
        let length = field("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        return stream.write_all(&of_the_fleet(state, &target, &body)).await;
    }
    let asked = Asked {
        target,
        range: field("range").as_deref().and_then(span),
        if_match: field("if-match"),
        if_range: field("if-range"),
    };
    let is_head = head.starts_with("HEAD ");
    let count = {
        let mut all = state.asked.lock().unwrap();
        all.push(asked.clone());
        all.len()
    };
    let change = state.change.lock().unwrap().clone();
    if let Some((after, version)) = change
        && count > after
    {
        *state.version.lock().unwrap() = version;
    }
    let reply = reply(state, &asked);
    stream.write_all(reply.head.as_bytes()).await?;
    if !is_head {
        stream.write_all(&reply.body).await?;
    }
    if reply.stalls {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}

struct Reply {
    head: String,
    body: Vec<u8>,
    stalls: bool,
}

fn reply(state: &State, asked: &Asked) -> Reply {
    let version = state.version.lock().unwrap().clone();
    let fault = *state.fault.lock().unwrap();
    if let Fault::Busy {
        times: 1..,
        retry_after_s,
    } = fault
    {
        return busy(state, retry_after_s);
    }
    let tag = version.tag();
    let gone = asked.if_match.as_ref().is_some_and(|wanted| *wanted != tag);
    match fault {
        Fault::Empty => return bare("404 Not Found"),
        Fault::Stale => return bare("412 Precondition Failed"),
        _ if gone => return bare("412 Precondition Failed"),
        _ => {}
    }
    let size = version.content.len();
    let other = asked.if_range.as_ref().is_some_and(|wanted| *wanted != tag);
    let span = asked
        .range
        .clone()
        .filter(|_| fault != Fault::IgnoresRanges && !other);
    let mut body = version.content[span.clone().unwrap_or(0..size)].to_vec();
    let start = span.as_ref().map_or(0, |span| span.start);
    let (status, range) = match &span {
        None => ("200 OK", String::new()),
        Some(span) => {
            let range = format!(
                "Content-Range: bytes {}-{}/{size}\r\n",
                span.start,
                span.end - 1
            );
            ("206 Partial Content", range)
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nETag: {tag}\r\nAccept-Ranges: bytes\r\n\
         Content-Length: {}\r\n{range}{}\r\n",
        body.len(),
        version.fields
    );
    match fault {
        Fault::Flips(at) if (start..start + body.len()).contains(&at) => body[at - start] ^= 1,
        Fault::FlipsEach(at) => {
            let positions = (start..).zip(&mut body);
            let hit = positions.filter(|(position, _)| position % (1 << 20) == at);
            hit.for_each(|(_, byte)| *byte ^= 1);
        }
        Fault::Cuts(after) | Fault::Stalls(after) => body.truncate(after),
        _ => {}
    }
    let stalls = matches!(fault, Fault::Stalls(_));
    Reply { head, body, stalls }
}

fn busy(state: &State, retry_after_s: u64) -> Reply {
    if let Fault::Busy { times, .. } = &mut *state.fault.lock().unwrap() {
        *times -= 1;
    }
    let mut reply = bare("503 Service Unavailable");
    reply.head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: {retry_after_s}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    reply
}

fn bare(status: &str) -> Reply {
    Reply {
        head: format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        body: Vec::new(),
        stalls: false,
    }
}

/// What is under `/-/`: the sources, the outboard, complaints.
fn of_the_fleet(state: &State, target: &str, body: &[u8]) -> Vec<u8> {
    let members = state.members.lock().unwrap().clone();
    let version = state.version.lock().unwrap().clone();
    let answer = |status: &str, kind: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    if members.is_empty() {
        return answer("404 Not Found", "text/plain", b"");
    }
    if target.starts_with("/-/outboard/") {
        return answer("200 OK", "application/octet-stream", &version.outboard);
    }
    if target == "/-/api/complaint" {
        let complaint = serde_json::from_slice(body).unwrap();
        state.complaints.lock().unwrap().push(complaint);
        return answer("202 Accepted", "text/plain", b"");
    }
    let source = |(name, address): &(String, SocketAddr)| Source {
        member: name.clone(),
        url: format!("http://{address}"),
        zone: None,
        capacity_bytes_per_s: 1 << 20,
        cost_s: 1.0,
    };
    let reply = SourcesReply {
        path: "/big".to_owned(),
        bytes: version.content.len() as u64,
        root: Some(version.root.to_string()),
        revision: Some(1),
        mtime_unix_ns: 0,
        has_outboard: true,
        node: "n0".to_owned(),
        url: format!("http://{}", members[0].1),
        sources: members.iter().map(source).collect(),
    };
    answer(
        "200 OK",
        "application/json",
        &serde_json::to_vec(&reply).unwrap(),
    )
}

fn span(text: &str) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<usize>().ok()? + 1)
}

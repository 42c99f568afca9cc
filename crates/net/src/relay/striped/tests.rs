//! Striped bodies over real sockets: members that a test plays, and that cut, refuse or crawl.

use std::{cell::Cell, sync::Arc, time::Duration};

use overspill_core::relay::{Cut, Fault, Lanes, MIN_STRIPED_BYTES};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::relay::{Choice, Source};

const ROOT: Root = Root([7; 32]);
const SIZE: u64 = MIN_STRIPED_BYTES + 12_345;

/// What a member does with each request.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Answers what was asked.
    Sound,
    /// The same, but ends in the middle of every body.
    Cuts,
    /// Sends a little every now and then.
    Crawls,
}

/// The byte of the content at an offset; its period divides no window.
fn byte_at(at: u64) -> u8 {
    (at % 251) as u8
}

fn bytes_of(start: u64, end: u64) -> Vec<u8> {
    (start..end).map(byte_at).collect()
}

/// Plays a member; its source.
async fn member(manner: Manner) -> Source {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(play(stream, manner));
        }
    });
    Source {
        url: url.into(),
        target: "/file?direct".into(),
    }
}

async fn play(mut stream: TcpStream, manner: Manner) {
    while let Some((start, end)) = asked(&mut stream).await {
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nETag: {}\r\nContent-Length: {}\r\n\
             Content-Range: bytes {start}-{}/{SIZE}\r\n\r\n",
            ROOT.etag(),
            end - start,
            end - 1,
        );
        let body = bytes_of(start, end);
        let sent = match manner {
            Manner::Sound => stream.write_all(&[head.as_bytes(), &body].concat()).await,
            Manner::Cuts => {
                let half = &body[..body.len() / 2];
                let _ = stream.write_all(&[head.as_bytes(), half].concat()).await;
                return;
            }
            Manner::Crawls => crawl(&mut stream, &head, &body).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn crawl(stream: &mut TcpStream, head: &str, body: &[u8]) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for crumb in body.chunks(1000) {
        ticks.tick().await;
        stream.write_all(crumb).await?;
    }
    Ok(())
}

/// The range of the next request; `None` when there is none.
async fn asked(stream: &mut TcpStream) -> Option<(u64, u64)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let (_, range) = head.split_once("Range: bytes=")?;
    let (start, end) = range.split("\r\n").next()?.split_once('-')?;
    let end = end.parse().map_or(SIZE, |last: u64| last + 1);
    Some((start.parse().ok()?, end))
}

/// Gives out its sources in turn, and nobody once a window has failed as often as is allowed.
#[derive(Debug)]
struct Turns {
    sources: Vec<Source>,
    next: Cell<usize>,
    faults: RefCell<Vec<Fault>>,
    most_faults: usize,
}

#[derive(Debug)]
struct Shares(Rc<Turns>);

impl StripeGuide for Shares {
    fn window(&mut self) -> Box<dyn Guide> {
        Box::new(Self(Rc::clone(&self.0)))
    }
}

impl Guide for Shares {
    fn next(&mut self, failed: Option<Fault>, _rest: Span) -> Choice {
        self.0.faults.borrow_mut().extend(failed);
        if self.0.faults.borrow().len() > self.0.most_faults {
            return Choice::Nobody;
        }
        let at = self.0.next.get();
        self.0.next.set(at + 1);
        Choice::Member(self.0.sources[at % self.0.sources.len()].clone())
    }

    fn gave_up(&mut self, _rest: Span, _why: &dyn std::error::Error) {}
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default());
    runtime.unwrap().block_on(work)
}

/// A striped body of everything, from members of these manners in turn, at most three at once.
async fn begin(
    memory: &Arc<AheadMemory>,
    manners: &[Manner],
    most_faults: usize,
) -> (Striped, Rc<Turns>) {
    let mut sources = Vec::new();
    for manner in manners {
        sources.push(member(*manner).await);
    }
    let turns = Rc::new(Turns {
        sources,
        next: Cell::new(0),
        faults: RefCell::default(),
        most_faults,
    });
    let lanes = Lanes::new(manners.len().min(3) as u8).unwrap();
    let reservation = memory.reserve(lanes, SIZE).unwrap();
    let (start, end, size) = (0, SIZE, SIZE);
    let span = Span { start, end, size };
    let guide = Box::new(Shares(Rc::clone(&turns)));
    let relayer = Rc::<Relayer>::default();
    (Striped::new(span, ROOT, guide, relayer, reservation), turns)
}

/// Takes all of it, and says how much came, which was right.
async fn pull_all(striped: &mut Striped) -> (u64, Result<(), TransmitError>) {
    let (mut at, mut head) = (0, None);
    loop {
        match striped.pull(&mut head).await {
            Ok(None) => return (at, Ok(())),
            Err(error) => return (at, Err(error)),
            Ok(Some(bytes)) => {
                let end = at + bytes.len() as u64;
                assert!(bytes == bytes_of(at, end), "wrong bytes from {at}");
                at = end;
            }
        }
    }
}

#[test]
fn windows_of_many_come_in_order() {
    run(async {
        let memory = Arc::<AheadMemory>::default();
        let (mut striped, turns) = begin(&memory, &[Manner::Sound; 3], 0).await;
        assert_eq!(memory.taken_bytes(), 24 << 20);
        let (bytes, end) = pull_all(&mut striped).await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!((bytes, striped.rest_bytes()), (SIZE, 0));
        assert_eq!(turns.next.get(), 9, "windows of 4 MiB");
        drop(striped);
        assert_eq!(memory.taken_bytes(), 0);
    });
}

#[test]
fn a_member_that_cuts_every_body_costs_no_byte() {
    run(async {
        let memory = Arc::default();
        let manners = [Manner::Sound, Manner::Cuts];
        let (mut striped, turns) = begin(&memory, &manners, 100).await;
        let (bytes, end) = pull_all(&mut striped).await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(bytes, SIZE);
        let faults = turns.faults.borrow();
        assert!(!faults.is_empty());
        assert!(faults.iter().all(|fault| *fault == Fault::Short));
    });
}

#[test]
fn whoever_crawls_at_the_head_of_the_line_is_gone_on_without() {
    run(async {
        let memory = Arc::default();
        // Its turn comes once: there are fewer windows than members.
        let mut manners = [Manner::Sound; 16];
        manners[0] = Manner::Crawls;
        let (mut striped, turns) = begin(&memory, &manners, 100).await;
        let (bytes, end) = pull_all(&mut striped).await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(bytes, SIZE);
        let faults = turns.faults.borrow();
        assert!(faults.contains(&Fault::Slow), "{faults:?}");
    });
}

#[test]
fn what_nobody_can_go_on_with_is_cut_and_never_ends_short() {
    run(async {
        let memory = Arc::<AheadMemory>::default();
        let (mut striped, _) = begin(&memory, &[Manner::Cuts; 2], 3).await;
        let (bytes, end) = pull_all(&mut striped).await;
        let is_cut = matches!(end, Err(TransmitError::Relay(Cut::Nobody)));
        assert!(is_cut && bytes < SIZE, "{bytes} {end:?}");
        drop(striped);
        assert_eq!(memory.taken_bytes(), 0);
    });
}

#[test]
fn a_node_out_of_memory_for_it_does_not_stripe() {
    let memory = Arc::<AheadMemory>::default();
    let lanes = Lanes::new(2).unwrap();
    let taken: Vec<Reservation> = std::iter::from_fn(|| memory.reserve(lanes, SIZE)).collect();
    assert_eq!((taken.len(), memory.taken_bytes()), (16, 256 << 20));
    drop(taken);
    assert!(memory.reserve(lanes, MIN_STRIPED_BYTES - 1).is_none());
    assert!(memory.reserve(lanes, SIZE).is_some());
}

#[test]
fn what_comes_in_crumbs_takes_no_more_room_than_its_bytes() {
    let buffer = Buffer::default();
    for crumb in bytes_of(0, 200_000).chunks(77) {
        buffer.push(crumb);
    }
    let chunks: Vec<Bytes> = std::iter::from_fn(|| buffer.pop()).collect();
    assert_eq!(chunks.len(), 4, "all but the last are full");
    assert!(chunks.concat() == bytes_of(0, 200_000));
}

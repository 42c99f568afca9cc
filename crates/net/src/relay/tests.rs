//! Relays over real sockets: members that a test plays, files that cannot be read.

use std::{cell::RefCell, collections::VecDeque, fs::File, io::Write};

use overspill_core::relay::Cut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const ROOT: Root = Root([7; 32]);

fn content() -> Vec<u8> {
    (0..300_000_u32).map(|at| (at % 251) as u8).collect()
}

/// Choices in order, and what was said of those before.
#[derive(Debug, Default)]
struct Script {
    choices: RefCell<VecDeque<Choice>>,
    failed: RefCell<Vec<(Option<Fault>, u64)>>,
}

#[derive(Debug)]
struct Scripted(Rc<Script>);

impl Guide for Scripted {
    fn next(&mut self, failed: Option<Fault>, rest: Span) -> Choice {
        self.0.failed.borrow_mut().push((failed, rest.start));
        let choice = self.0.choices.borrow_mut().pop_front();
        choice.unwrap_or(Choice::Nobody)
    }

    fn gave_up(&mut self, _rest: Span, _why: &dyn std::error::Error) {}
}

/// What a member does with one request.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Answers what was asked, and keeps the connection.
    Answer,
    /// The same, but ends after so many bytes of the body.
    Cut(usize),
    /// Closes the connection once it has been asked.
    Close,
}

/// Plays a member: the acts of each connection, in the order in which they are made. Its URL.
async fn member(connections: Vec<Vec<Act>>) -> Source {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        for acts in connections {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::task::spawn_local(play(stream, acts));
        }
    });
    Source {
        url: url.into(),
        target: "/file?direct".into(),
    }
}

async fn play(mut stream: TcpStream, acts: Vec<Act>) {
    let content = content();
    for act in acts {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.contains(&format!("If-Match: {}\r\n", ROOT.etag())),
            "{head}"
        );
        let (_, range) = head.split_once("Range: bytes=").unwrap();
        let start: usize = range.split('-').next().unwrap().parse().unwrap();
        let body = &content[start..];
        let answer = format!(
            "HTTP/1.1 206 Partial Content\r\nETag: {}\r\nContent-Length: {}\r\n\
             Content-Range: bytes {start}-{}/{}\r\n\r\n",
            ROOT.etag(),
            body.len(),
            content.len() - 1,
            content.len(),
        );
        let bytes = match act {
            Act::Answer => body.len(),
            Act::Cut(bytes) => bytes,
            Act::Close => return,
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Whoever reads may have had enough.
        if stream.write_all(&body[..bytes]).await.is_err() || bytes < body.len() {
            return;
        }
    }
}

/// Runs to the end on a thread like a core's.
fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default());
    runtime.unwrap().block_on(work)
}

/// A relay of everything from `start`, by these choices.
fn begin(relayer: &Rc<Relayer>, start: u64, choices: Vec<Choice>) -> (Relay, Rc<Script>) {
    let script = Rc::new(Script {
        choices: RefCell::new(choices.into()),
        failed: RefCell::default(),
    });
    let size = content().len() as u64;
    let span = Span {
        start,
        end: size,
        size,
    };
    let guide = Box::new(Scripted(Rc::clone(&script)));
    (Relay::new(span, ROOT, guide, Rc::clone(relayer)), script)
}

async fn pull_all(relay: &mut Relay) -> Result<Vec<u8>, TransmitError> {
    let mut all = Vec::new();
    while let Some(bytes) = relay.pull().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

fn object(bytes: &[u8]) -> FileBody {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    FileBody::Object(Arc::new(file))
}

#[test]
fn a_body_is_passed_from_member_to_member_to_our_own_file() {
    run(async {
        let relayer = Rc::<Relayer>::default();
        let first = member(vec![vec![Act::Cut(70_000)]]).await;
        let second = member(vec![vec![Act::Cut(100_000)]]).await;
        let own = object(&content());
        let choices = vec![
            Choice::Member(first),
            Choice::Member(second),
            Choice::Here(own),
        ];
        let (mut relay, script) = begin(&relayer, 5, choices);
        assert!(pull_all(&mut relay).await.unwrap() == content()[5..]);
        let short = |at| (Some(Fault::Short), at);
        let expected = [(None, 5), short(70_005), short(170_005)];
        assert_eq!(*script.failed.borrow(), expected);
    });
}

#[test]
fn a_file_that_cannot_be_read_or_ends_early_is_gone_on_with_elsewhere() {
    run(async {
        let relayer = Rc::<Relayer>::default();
        let folder = FileBody::Object(Arc::new(File::open("/").unwrap()));
        for (own, from) in [(folder, 0), (object(&content()[..200_001]), 200_001)] {
            let source = member(vec![vec![Act::Answer]]).await;
            let choices = vec![Choice::Here(own), Choice::Member(source)];
            let (mut relay, script) = begin(&relayer, 0, choices);
            // What is left of a buffer that came short is asked for again.
            assert!(pull_all(&mut relay).await.unwrap() == content());
            let (fault, at) = script.failed.borrow()[1];
            assert_eq!(fault, Some(Fault::Unreadable));
            assert!(at <= from, "{at}");
        }
    });
}

#[test]
fn a_connection_is_used_again_and_a_stale_one_is_no_fault() {
    run(async {
        let relayer = Rc::<Relayer>::default();
        let acts = vec![
            vec![Act::Answer, Act::Answer, Act::Close],
            vec![Act::Answer],
        ];
        let source = member(acts).await;
        for _ in 0..3 {
            let (mut relay, script) = begin(&relayer, 0, vec![Choice::Member(source.clone())]);
            assert!(pull_all(&mut relay).await.unwrap() == content());
            assert_eq!(*script.failed.borrow(), [(None, 0)]);
        }
        let size = content().len() as u64;
        relayer.sweep(Instant::now() + std::time::Duration::from_secs(60));
        let (mut relay, script) = begin(&relayer, size, vec![]);
        assert!(pull_all(&mut relay).await.unwrap().is_empty());
        assert!(
            script.failed.borrow().is_empty(),
            "nobody is asked for nothing"
        );
    });
}

#[test]
fn what_nobody_has_is_cut_and_never_ends_short() {
    run(async {
        let relayer = Rc::<Relayer>::default();
        let source = member(vec![vec![Act::Cut(10)], vec![Act::Close]]).await;
        let choices = vec![Choice::Member(source.clone()), Choice::Member(source)];
        let (mut relay, script) = begin(&relayer, 0, choices);
        let error = pull_all(&mut relay).await.unwrap_err();
        assert!(
            matches!(error, TransmitError::Relay(Cut::Nobody)),
            "{error}"
        );
        let last = script.failed.borrow().last().copied();
        assert_eq!(last, Some((Some(Fault::Reset), 10)));
    });
}

#[test]
fn bytes_are_spliced_through_a_pipe() {
    run(async {
        let relayer = Rc::<Relayer>::default();
        let source = member(vec![vec![Act::Answer]]).await;
        let (mut relay, _) = begin(&relayer, 0, vec![Choice::Member(source)]);
        let pipe = relayer.take_pipe().unwrap();
        let mut all = Vec::new();
        while let Some(supply) = relay.supply().await.unwrap() {
            match supply {
                Supply::Bytes(bytes) => all.extend_from_slice(&bytes),
                Supply::File(_) => panic!("there is none"),
                Supply::Spliceable => {
                    let filled = relay.fill(&pipe).await;
                    let mut buffer = vec![0; filled];
                    let read = rustix::io::read(pipe.reader(), &mut buffer).unwrap();
                    assert_eq!(read, filled);
                    all.extend_from_slice(&buffer);
                }
            }
        }
        assert!(all == content());
    });
}

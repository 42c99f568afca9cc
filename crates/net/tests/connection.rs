//! Connections over loopback, served by a service that knows three answers.

#![allow(
    clippy::unwrap_used,
    reason = "a test's support code may fail like the test itself"
)]

use std::{
    cell::RefCell,
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use overspill_core::{
    load::{ClientSample, Limit},
    path::CatalogPath,
    units::Rate,
};
use overspill_http1::{range::ByteRange, request::Request, response::HeadWriter, status::Status};
use overspill_net::{
    Answer, BindError, Binding, Body, Client, Decision, FileBody, FlowTable, HandedOver, Label,
    Now, Reply, ServeLimits, Service, Serving, Streamed, bind,
};
use overspill_store::tree::{Hidden, Opened, Tree};
use tokio_util::sync::CancellationToken;

/// Answers `/live` with a file of a folder as a live file, `/object` as an object, `/-/` by hyper,
/// and anything else with its own path.
struct Folder(PathBuf);

impl Folder {
    fn file(&self, path: &str) -> FileBody {
        match path {
            "/live" => {
                let tree = Tree::open(&self.0, Hidden::Show).unwrap();
                match tree
                    .open_path(&CatalogPath::parse(b"file").unwrap())
                    .unwrap()
                {
                    Opened::File(live) => FileBody::Hot(Arc::new(live)),
                    Opened::Folder(_) => unreachable!("it is a file"),
                }
            }
            _ => FileBody::Object(Arc::new(File::open(self.0.join("file")).unwrap())),
        }
    }
}

impl Folder {
    /// The file as hyper sends it, counted by nobody.
    fn streamed(&self) -> HandedOver {
        let file = self.file("/object");
        let range = ByteRange::new(0, file.file().metadata().unwrap().len()).unwrap();
        let body = Body::File { file, range };
        let label = Label::new(b"/", Ipv4Addr::LOCALHOST.into(), &Decision::Serve);
        let streamed = Streamed::new(body, &FlowTable::new(1).shard(0), label);
        HandedOver::Streamed(Box::new(streamed))
    }
}

impl Service for Folder {
    async fn answer(
        &self,
        request: &Request<'_>,
        _client: &Client,
        _now: Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        let path = String::from_utf8_lossy(request.path()).into_owned();
        if path.starts_with("/-/") {
            return Answer::HandOver;
        }
        let body = match path.as_str() {
            "/live" | "/object" => {
                let file = self.file(&path);
                let range = ByteRange::new(0, file.file().metadata().unwrap().len()).unwrap();
                Body::File { file, range }
            }
            _ => Body::Bytes(Bytes::from(path)),
        };
        let length = match &body {
            Body::File { range, .. } => range.len(),
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Notice(bytes) | Body::Written(bytes) | Body::Parts { bytes, .. } => *bytes,
            Body::Relay(relay) => relay.rest_bytes(),
            Body::Striped(_) => unreachable!("no body here is striped"),
            Body::Empty | Body::Stream(_) => 0,
        };
        let mut head = HeadWriter::start(out, request.version, Status::Ok);
        head.field_u64("Content-Length", length)
            .connection(request.keep_alive);
        head.finish();
        Answer::Reply(Reply {
            body,
            keep_alive: request.keep_alive,
            decision: Decision::Serve,
        })
    }

    async fn route(
        &self,
        request: http::Request<hyper::body::Incoming>,
        _client: Client,
    ) -> http::Response<HandedOver> {
        let path = request.uri().path().to_owned();
        // A body that breaks off is answered to nobody.
        let _ = request.into_body().collect().await;
        http::Response::new(match path.as_str() {
            "/-/object" => self.streamed(),
            _ => HandedOver::Whole(Bytes::from(path)),
        })
    }
}

struct Scene {
    address: SocketAddr,
    folder: tempfile::TempDir,
    serving: Option<Serving>,
    flows: FlowTable,
    shutdown: CancellationToken,
}

impl Scene {
    fn start(change: impl FnOnce(&mut ServeLimits)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), vec![b'a'; 20 << 20]).unwrap();
        let mut limits = ServeLimits::default();
        change(&mut limits);
        let bound = bind(vec![plain((Ipv4Addr::LOCALHOST, 0).into())], 1).unwrap();
        let (address, shutdown) = (bound.addresses().next().unwrap(), CancellationToken::new());
        let path = folder.path().to_owned();
        let flows = FlowTable::new(1);
        let serving = bound
            .serve(limits, &flows, &shutdown, move |_| Folder(path.clone()))
            .unwrap();
        Self {
            address,
            folder,
            serving: Some(serving),
            flows,
            shutdown,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn file(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(serving) = self.serving.take() {
            serving.join();
        }
    }
}

fn plain(address: SocketAddr) -> Binding {
    Binding { address, tls: None }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// Reads until the other side is done.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after everything was read is as good an end as any for these tests.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn pipelined_requests_of_a_half_closed_client_are_answered_in_order() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream
        .write_all((get("/one") + &get("/two") + &get("/-/three") + &get("/-/four")).as_bytes())
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let text = rest(stream);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(
        at("/one") < at("/two") && at("/two") < at("/-/three"),
        "{text}"
    );
}

#[test]
fn a_head_may_arrive_in_any_pieces() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream.set_nodelay(true).unwrap();
    for byte in get("/pieces").bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(rest(stream).ends_with("\r\n\r\n/pieces"));
}

#[test]
fn a_bad_head_is_answered_and_the_answer_survives_what_follows_it() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // More than the answer's reader ever asks for: unread bytes must not turn it into a reset.
    let _ = stream.write_all(&vec![b'x'; 64 << 10]);
    stream.shutdown(Shutdown::Write).unwrap();
    let text = rest(stream);
    assert!(
        text.starts_with("HTTP/1.1 400 ") && text.contains("Host"),
        "{text}"
    );
}

#[test]
fn a_body_on_get_does_not_become_the_next_request() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    let smuggled = get("/smuggled");
    let length = smuggled.len();
    let first = format!("GET /first HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
    stream
        .write_all((first + &smuggled + &get("/second")).as_bytes())
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let text = rest(stream);
    assert!(
        text.contains("/first") && !text.contains("smuggled"),
        "{text}"
    );
}

#[test]
fn beyond_the_cap_connections_are_told_to_come_back() {
    let scene = Scene::start(|limits| limits.connections = 1);
    let mut first = scene.connect();
    first.write_all(get("/kept").as_bytes()).unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).unwrap();
    assert!(rest(scene.connect()).starts_with("HTTP/1.1 503 "));
}

#[test]
fn silence_ends_a_connection_and_progress_does_not() {
    let scene = Scene::start(|limits| limits.idle = Duration::from_secs(1));
    let begun = Instant::now();
    assert_eq!(rest(scene.connect()), "");
    assert!(begun.elapsed() < Duration::from_secs(15));
}

/// Does `step` again and again, at a distance, until `is_over`.
fn until(what: &str, distance: Duration, mut step: impl FnMut(), is_over: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_over() {
        assert!(begun.elapsed() < SOON, "waited in vain for {what}");
        step();
        std::thread::park_timeout(distance);
    }
}

/// By then anything that is too slow has been ended, with a window of [`WINDOW`].
const SOON: Duration = Duration::from_secs(15);
const WINDOW: Duration = Duration::from_secs(2);

/// Both take something all the time, so neither is silent.
#[test]
fn a_reader_of_a_byte_now_and_then_is_cut_and_one_that_is_merely_slow_is_not() {
    let scene = Scene::start(|limits| {
        limits.window = WINDOW;
        limits.least_body_rate = Rate::from_bytes_per_s(f64::from(256 << 10));
    });
    let [mut idler, mut slow] = [scene.connect(), scene.connect()];
    for stream in [&mut idler, &mut slow] {
        stream.write_all(get("/object").as_bytes()).unwrap();
    }
    let mut byte = [0];
    let mut part = vec![0; 64 << 10];
    let mut taken_bytes = 0;
    let step = || {
        idler.read_exact(&mut byte).unwrap();
        slow.read_exact(&mut part).unwrap();
        taken_bytes += part.len();
    };
    until("the end of the idler", STEP, step, || {
        scene.flows.totals().cut > 0
    });
    slow.shutdown(Shutdown::Write).unwrap();
    assert!(
        taken_bytes + rest(slow).len() > 20 << 20,
        "the slow one was cut"
    );
    assert_eq!(scene.flows.totals().cut, 1);
    assert!(rest(idler).len() < 20 << 20);
}

/// Between two steps of a slow client: 64 KiB each are 640 KiB/s at most, a byte each 10 bytes/s.
const STEP: Duration = Duration::from_millis(100);

/// The sweep sees what the client's own window does, on our path and on hyper's.
#[test]
fn a_client_that_reads_slowly_holds_itself_back() {
    for path in ["/object", "/-/object"] {
        let scene = Scene::start(|_| {});
        let mut slow = scene.connect();
        slow.write_all(get(path).as_bytes()).unwrap();
        let mut part = vec![0; 64 << 10];
        let step = || slow.read_exact(&mut part).unwrap();
        let learned: RefCell<Vec<ClientSample>> = RefCell::default();
        let what = format!("a sample of {path}");
        until(&what, STEP, step, || {
            let mut learned = learned.borrow_mut();
            learned.extend(scene.flows.take_client_samples());
            learned
                .iter()
                .any(|sample| sample.limited_by == Limit::Client)
        });
        let sending = scene.flows.sending();
        assert_eq!((sending.flows, sending.flows_limited_here), (1, 0));
        let learned = learned.into_inner();
        let sample = learned
            .iter()
            .find(|sample| sample.limited_by == Limit::Client);
        let sample = sample.unwrap();
        assert_eq!(sample.address, Ipv4Addr::LOCALHOST);
        assert!(sample.rtt > Duration::ZERO);
        // It asks for 640 KiB/s at most; the kernel opens its window in larger steps.
        assert!(sample.bytes_per_s < f64::from(10 << 20), "{sample:?}");
    }
}

#[test]
fn a_body_that_no_sweep_saw_says_how_fast_its_client_was() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream.write_all(get("/object").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let begun = Instant::now();
    assert!(rest(stream).len() > 20 << 20);
    // The end of the body and the sample of it are one step of the core after the other.
    until(
        "the end",
        STEP,
        || {},
        || scene.flows.totals().finished == 1,
    );
    let learned = scene.flows.take_client_samples();
    let least = f64::from(20 << 20) / begun.elapsed().as_secs_f64() / 2.0;
    assert!(
        learned.iter().any(|sample| sample.bytes_per_s > least),
        "{learned:?} {least}"
    );
}

/// A byte is no silence; only the rate tells.
#[test]
fn heads_and_routed_bodies_that_come_byte_by_byte_are_cut() {
    let scene = Scene::start(|limits| limits.window = WINDOW);
    let body = "POST /-/body HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    for begin in ["GET /", body] {
        let mut stream = scene.connect();
        stream.write_all(begin.as_bytes()).unwrap();
        let watched = stream.try_clone().unwrap();
        watched.set_nonblocking(true).unwrap();
        // Fails once the other side is done.
        let step = || drop(stream.write_all(b"x"));
        until(begin, STEP, step, || match watched.peek(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        });
    }
}

#[test]
fn a_large_object_arrives_whole() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream.write_all(get("/object").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let text = rest(stream);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(body.len() == 20 << 20 && body.bytes().all(|byte| byte == b'a'));
}

#[test]
fn a_live_file_that_changes_is_cut_and_never_torn() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream.write_all(get("/live").as_bytes()).unwrap();
    let mut begun = [0; 4096];
    stream.read_exact(&mut begun).unwrap();
    // 20 MiB do not fit the socket buffers, so the sender is still at it.
    fs::write(scene.file().join("file"), vec![b'b'; 20 << 20]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let received = begun.len() + rest(stream).len();
    assert!(
        received < 20 << 20,
        "completed although the file changed: {received}"
    );
}

#[test]
fn shutting_down_lets_a_running_body_finish() {
    let mut scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream.write_all(get("/object").as_bytes()).unwrap();
    let mut begun = [0; 1];
    stream.read_exact(&mut begun).unwrap();
    scene.shutdown.cancel();
    let reader = std::thread::spawn(move || rest(stream));
    scene.serving.take().unwrap().join();
    assert!(reader.join().unwrap().len() > 20 << 20);
}

#[test]
fn a_port_that_is_taken_is_an_error_even_for_us() {
    let scene = Scene::start(|_| {});
    let error = bind(vec![plain(scene.address)], 2).unwrap_err();
    assert!(matches!(error, BindError::InUse(address) if address == scene.address));
    assert!(
        error
            .to_string()
            .ends_with("stop it or choose another --listen"),
        "{error}"
    );
}

#[test]
fn keep_alive_is_the_services_choice() {
    let scene = Scene::start(|_| {});
    let mut stream = scene.connect();
    stream
        .write_all(b"GET /bye HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert!(rest(stream).contains("Connection: close\r\n"));
}

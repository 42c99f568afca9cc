//! A server whose every answer is scripted: it does exactly what a test needs, wrong or not.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A scripted server on loopback. Each connection carries one exchange, in the order of the script.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

/// A request as it came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

/// One scripted answer.
#[derive(Clone)]
pub(crate) struct Reply {
    head: String,
    body: Vec<u8>,
    ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy)]
enum Ending {
    Close,
    /// Keeps the connection open and silent.
    Stall,
}

impl Origin {
    /// Serves `script`; after its end connections are closed without an answer.
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        Self::with(|_| script).await
    }

    /// The same for a script that must know its own address.
    pub(crate) async fn with(script: impl FnOnce(SocketAddr) -> Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::default();
        let serving = tokio::spawn(serve(listener, script(address), Arc::clone(&requests)));
        Self {
            address,
            requests,
            serving,
        }
    }

    /// The URL of `target` here.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Reply {
    /// A status, fields as `name: value` lines, and no body.
    pub(crate) fn new(status: &str, fields: &[&str]) -> Self {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        Self {
            head: format!("HTTP/1.1 {status}\r\nConnection: close\r\n{fields}"),
            body: Vec::new(),
            ending: Ending::Close,
        }
    }

    /// A file with this tag, complete.
    pub(crate) fn file(tag: &str, body: &[u8]) -> Self {
        let (tag, length) = (
            format!("ETag: {tag}"),
            format!("Content-Length: {}", body.len()),
        );
        Self::new("200 OK", &[&tag, &length]).body(body)
    }

    /// The rest of a file from `first` on.
    pub(crate) fn rest(tag: &str, file: &[u8], first: usize) -> Self {
        let range = format!(
            "Content-Range: bytes {first}-{}/{}",
            file.len() - 1,
            file.len()
        );
        let length = format!("Content-Length: {}", file.len() - first);
        let tag = format!("ETag: {tag}");
        Self::new("206 Partial Content", &[&tag, &length, &range]).body(&file[first..])
    }

    /// A redirect, to a member of the fleet if it is named.
    pub(crate) fn redirect(location: &str, member: Option<&str>) -> Self {
        let location = format!("Location: {location}");
        let member = member.map(|member| format!("overspill-member: {member}"));
        let fields: Vec<&str> = [Some(location.as_str()), member.as_deref()]
            .into_iter()
            .flatten()
            .chain(["Content-Length: 0"])
            .collect();
        Self::new("307 Temporary Redirect", &fields)
    }

    /// JSON.
    pub(crate) fn json(body: &str) -> Self {
        let length = format!("Content-Length: {}", body.len());
        Self::new("200 OK", &["Content-Type: application/json", &length]).body(body.as_bytes())
    }

    pub(crate) fn body(self, body: &[u8]) -> Self {
        let body = body.to_vec();
        Self { body, ..self }
    }

    /// Only so many bytes of the body come; then the connection closes.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Only so many bytes of the body come; then nothing more.
    pub(crate) fn stall(self, bytes: usize) -> Self {
        let ending = Ending::Stall;
        Self { ending, ..self }.cut(bytes)
    }

    /// One bit of the body is wrong.
    pub(crate) fn flipped(mut self) -> Self {
        let middle = self.body.len() / 2;
        self.body[middle] ^= 1;
        self
    }
}

/// An address of this machine that nothing listens on.
pub(crate) async fn dead_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn serve(listener: TcpListener, script: Vec<Reply>, requests: Arc<Mutex<Vec<Asked>>>) {
    let mut stalled = Vec::new();
    for reply in script {
        let (mut stream, asked) = next_of_the_tree(&listener).await;
        let head_only = asked.method == "HEAD";
        requests.lock().unwrap().push(asked);
        let body = if head_only { &[][..] } else { &reply.body };
        let bytes = [reply.head.as_bytes(), b"\r\n", body].concat();
        // A client that saw enough may hang up on us.
        let _ = stream.write_all(&bytes).await;
        match reply.ending {
            Ending::Close => drop(stream.shutdown().await),
            Ending::Stall => stalled.push(stream),
        }
    }
    loop {
        drop(next_of_the_tree(&listener).await);
    }
}

/// The next request that is in the script. This is no Overspill: what is asked under `/-/` is not
/// found.
async fn next_of_the_tree(listener: &TcpListener) -> (TcpStream, Asked) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = read_request(&mut stream).await;
        if !asked.target.starts_with("/-/") {
            return (stream, asked);
        }
        let missing = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(missing).await.unwrap();
    }
}

async fn read_request(stream: &mut TcpStream) -> Asked {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return Asked::default(); // It hung up before it asked.
        };
        text.push(byte);
    }
    let text = String::from_utf8(text).unwrap();
    let mut lines = text.lines();
    let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
    let field = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    Asked {
        method: words.next().unwrap(),
        target: words.next().unwrap(),
        range: field("range"),
        if_range: field("if-range"),
    }
}

//! HTTP by hand: the very bytes that go out and come in.
//!
//! It must never mend what a node sends: a cut body stays cut, a second answer is not swallowed.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use socket2::{Domain, Socket, Type};

use crate::stage::sha256;

/// One answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// The head as received, without the empty line.
    pub(crate) head: String,
    /// The body as far as it came.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a field; case of `name` does not matter.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The length that the head promises.
    pub(crate) fn length(&self) -> u64 {
        let length = self.field("content-length");
        length.map_or(0, |length| length.parse().expect("a number"))
    }

    /// Whether the connection ended before the body did.
    pub(crate) fn is_cut(&self) -> bool {
        (self.body.len() as u64) < self.length()
    }

    /// The strong entity tag, if the answer has one.
    pub(crate) fn strong_etag(&self) -> Option<&str> {
        self.field("etag").filter(|etag| !etag.starts_with("W/"))
    }

    /// Checks that a whole body is what its validators claim.
    pub(crate) fn assert_honest(&self) {
        assert_eq!(self.status, 200, "{}", self.head);
        assert!(!self.is_cut(), "cut: {}", self.head);
        if let Some(etag) = self.strong_etag() {
            let root = blake3::hash(&self.body).to_hex();
            assert_eq!(etag, format!("\"b3-{root}\""), "{}", self.head);
        }
        if let Some(digest) = self.field("repr-digest") {
            let expected = format!("sha-256=:{}:", BASE64.encode(sha256(&self.body)));
            assert_eq!(digest, expected, "{}", self.head);
        }
    }
}

/// What carries the bytes of a connection.
pub(crate) trait Carrier: Read + Write {
    /// Says that no more will be sent.
    fn end(&mut self) -> io::Result<()>;
}

impl Carrier for TcpStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A connection.
pub(crate) struct Wire {
    stream: Box<dyn Carrier + Send>,
    buffer: Vec<u8>,
}

/// How long a node may be silent.
const SILENCE: Duration = Duration::from_secs(20);

impl Wire {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        tcp(address).map(Self::over)
    }

    /// Connects from another address of the loopback, as another client.
    pub(crate) fn open_from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect(&address.into())?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// A connection that is there already.
    pub(crate) fn over(stream: impl Carrier + Send + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
        }
    }

    /// Sends these bytes; a node that has closed already is told by the answer, not here.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Says that no more will be sent.
    pub(crate) fn half_close(&mut self) {
        self.stream.end().expect("an open connection");
    }

    /// The head of an answer; the body is left to be read.
    pub(crate) fn head(&mut self) -> io::Result<Reply> {
        let end = self.find(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let status = head.get(9..12).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {head}")))?;
        Ok(Reply {
            status,
            head,
            body: Vec::new(),
        })
    }

    /// Up to `bytes` of the body, fewer if the connection ends before.
    pub(crate) fn body(&mut self, bytes: u64) -> Vec<u8> {
        while (self.buffer.len() as u64) < bytes {
            // A reset is an end like any other here: what counts is how much came.
            if self.more().unwrap_or(0) == 0 {
                break;
            }
        }
        let taken = bytes.min(self.buffer.len() as u64) as usize;
        self.buffer.drain(..taken).collect()
    }

    /// A body in chunks, taken out of them (RFC 9112 section 7.1).
    ///
    /// An error says where it was cut, or what is no chunk.
    pub(crate) fn chunked_body(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = u64::from_str_radix(&size, 16).map_err(io::Error::other)?;
            let chunk = self.body(size);
            body.extend_from_slice(&chunk);
            if chunk.len() as u64 != size || !self.line()?.is_empty() {
                return Err(io::Error::other(format!("cut after {} bytes", body.len())));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// A line, without its end.
    fn line(&mut self) -> io::Result<String> {
        let end = self.find(b"\r\n")?;
        let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 2);
        Ok(line)
    }

    /// Where these bytes begin, once they have come.
    fn find(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            if let Some(at) = find(&self.buffer, bytes) {
                return Ok(at);
            }
            if self.more()? == 0 {
                let text = String::from_utf8_lossy(&self.buffer).into_owned();
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
        }
    }

    /// All that comes before the end of the connection; an error if that is no proper end.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.more()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// A whole answer to a GET.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut reply = self.head().expect("an answer");
        if reply.status != 304 {
            reply.body = self.body(reply.length());
        }
        reply
    }

    /// Whether the node has closed without another byte.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.buffer.is_empty() && self.more().is_ok_and(|bytes| bytes == 0)
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut part = [0; 64 << 10];
        let bytes = self.stream.read(&mut part)?;
        self.buffer.extend_from_slice(&part[..bytes]);
        Ok(bytes)
    }
}

/// A socket on which nobody is waited for too long.
pub(crate) fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A GET on a connection of its own; `fields` are whole lines with their ends.
pub(crate) fn get(address: SocketAddr, target: &str, fields: &str) -> Reply {
    let mut wire = Wire::open(address).expect("a node that accepts");
    wire.send(request("GET", address, target, fields));
    wire.reply()
}

/// The head of a request on a connection that is to be closed.
pub(crate) fn request(method: &str, address: SocketAddr, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n")
}

/// Address and target of an absolute `http` URL.
pub(crate) fn split(url: &str) -> (SocketAddr, String) {
    let bare = url.strip_prefix("http://").expect("an http URL");
    let (authority, target) = bare.split_once('/').expect("a URL with a path");
    let address = authority.parse().expect("an address and a port");
    (address, format!("/{target}"))
}

/// Where these bytes begin.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

//! A client that only measures: one connection, GET, and the answer as it came.
//!
//! It must never be used for load; it knows no more of HTTP than the answers of file servers.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    /// Bytes of the head, with the empty line.
    pub(crate) head_bytes: usize,
    pub(crate) body: Vec<u8>,
}

/// The head of an answer.
struct Head {
    status: u16,
    etag: Option<String>,
    head_bytes: usize,
    body_bytes: usize,
}

/// How long an answer may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// Asks for `path` over a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Response> {
    Connection::open(address)?.get(path)
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        Ok(Self { stream })
    }

    /// Asks as wrk asks, so that the answer has the length of those it gets.
    pub(crate) fn get(&mut self, path: &str) -> Result<Response> {
        let host = self.stream.peer_addr()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.stream.write_all(request.as_bytes())?;
        let mut received = Vec::new();
        let head = loop {
            if let Some(head) = parse_head(&received)? {
                break head;
            }
            self.receive(&mut received)?;
        };
        let mut body = received.split_off(head.head_bytes);
        let missing = head.body_bytes.checked_sub(body.len());
        let missing = missing.context("the answer is longer than it says")?;
        let arrived = body.len();
        body.resize(arrived + missing, 0);
        self.stream.read_exact(&mut body[arrived..])?;
        Ok(Response {
            status: head.status,
            etag: head.etag,
            head_bytes: head.head_bytes,
            body,
        })
    }

    fn receive(&mut self, received: &mut Vec<u8>) -> Result<()> {
        let mut buffer = [0; 4096];
        let bytes = self.stream.read(&mut buffer)?;
        if bytes == 0 {
            bail!("the connection ended within the head");
        }
        received.extend_from_slice(&buffer[..bytes]);
        Ok(())
    }
}

/// The head at the start of `received`; `None` while it is incomplete.
fn parse_head(received: &[u8]) -> Result<Option<Head>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = response.parse(received)? else {
        return Ok(None);
    };
    let field = |name: &str| {
        let mut all = response.headers.iter();
        let found = all.find(|field| field.name.eq_ignore_ascii_case(name))?;
        str::from_utf8(found.value).ok()
    };
    let length = field("content-length").and_then(|text| text.parse().ok());
    Ok(Some(Head {
        status: response.code.context("an answer without a status")?,
        etag: field("etag").map(str::to_owned),
        head_bytes,
        body_bytes: length.context("an answer without a Content-Length")?,
    }))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// A server that sends `pieces` one by one to whoever asks, and then goes.
    fn serve(pieces: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let bytes = stream.read(&mut request).unwrap();
            assert!(request[..bytes].starts_with(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:"));
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn an_answer_arrives_whole_however_it_is_cut() {
        let answers: [&[&str]; 2] = [
            &["HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\nhello"],
            &[
                "HTTP/1.1 200 OK\r\nETag: \"x\"\r",
                "\ncontent-length: 5\r\n\r\nhe",
                "llo",
            ],
        ];
        for pieces in answers {
            let expected = Response {
                status: 200,
                etag: Some("\"x\"".to_owned()),
                head_bytes: 49,
                body: b"hello".to_vec(),
            };
            assert_eq!(get(serve(pieces), "/a").unwrap(), expected, "{pieces:?}");
        }
    }

    #[test]
    fn a_broken_answer_is_an_error() {
        let answers: [&[&str]; 4] = [
            &[],
            &["HTTP/1.1 200 OK\r\n"],
            &["HTTP/1.1 200 OK\r\n\r\n"],
            &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"],
        ];
        for pieces in answers {
            assert!(get(serve(pieces), "/a").is_err(), "{pieces:?}");
        }
    }
}

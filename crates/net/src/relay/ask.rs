//! Asking a member for a span of a content: the request, and the head of its answer.
//!
//! Over plain TCP by our own few lines, on connections that are kept; over TLS by the HTTP client. A
//! kept connection that turns out to be dead before a byte of an answer came says nothing about the
//! member, so one fresh one is tried. It must never read a body.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{Request, header};
use http_body_util::Full;
use overspill_core::relay::{AnswerHead, Fault, Span};
use rustix::io::Errno;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Relayer, Source, stream::Stream};

/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Most fields of one.
const MAX_FIELDS: usize = 96;
/// Whom a member sees.
const USER_AGENT: &str = concat!("overspill/", env!("CARGO_PKG_VERSION"));

/// An answer whose body has not been read.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) head: Head,
    pub(super) stream: Stream,
}

/// What counts in a head, by itself.
#[derive(Debug, Default)]
pub(super) struct Head {
    status: u16,
    content_length: Option<u64>,
    content_range: Option<Vec<u8>>,
    etag: Option<Vec<u8>>,
    content_encoding: Option<Vec<u8>>,
    /// Whether another request may follow on the connection.
    keeps_alive: bool,
}

/// How an exchange on a plain connection failed.
#[derive(Debug)]
enum Failed {
    /// Not a byte of an answer came.
    Unanswered,
    Fault(Fault),
}

impl Relayer {
    /// Asks for `span`, and waits for the head of the answer.
    pub(super) async fn ask(
        &self,
        source: &Source,
        span: &Span,
        etag: &str,
    ) -> Result<Answered, Fault> {
        let Some(authority) = source.url.strip_prefix("http://") else {
            return self.ask_securely(source, span, etag).await;
        };
        let request = request_head(authority, source, span, etag);
        let kept = self.idle.borrow_mut().take(authority);
        if let Some(stream) = kept {
            match exchange(stream, authority, &request).await {
                Ok(answered) => return Ok(answered),
                Err(Failed::Fault(fault)) => return Err(fault),
                Err(Failed::Unanswered) => {}
            }
        }
        let stream = connect(authority).await?;
        let answered = exchange(stream, authority, &request).await;
        answered.map_err(|failed| match failed {
            Failed::Unanswered => Fault::Reset,
            Failed::Fault(fault) => fault,
        })
    }

    async fn ask_securely(
        &self,
        source: &Source,
        span: &Span,
        etag: &str,
    ) -> Result<Answered, Fault> {
        let request = Request::get(format!("{}{}", source.url, source.target))
            .header(header::RANGE, span.to_range_field())
            .header(header::IF_MATCH, etag)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::USER_AGENT, USER_AGENT)
            .body(Full::new(Bytes::new()))
            .map_err(|_| Fault::Connect)?;
        let reply = self.secure.send(request).await;
        let reply = reply.map_err(|error| {
            tracing::debug!(%error, "cannot relay");
            Fault::Connect
        })?;
        let mut head = Head {
            status: reply.status().as_u16(),
            ..Head::default()
        };
        for name in [
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::ETAG,
            header::CONTENT_ENCODING,
            header::TRANSFER_ENCODING,
        ] {
            for value in reply.head().headers().get_all(&name) {
                head.note(name.as_str(), value.as_bytes());
            }
        }
        head.finish();
        Ok(Answered {
            head,
            stream: Stream::secure(reply),
        })
    }
}

fn request_head(authority: &str, source: &Source, span: &Span, etag: &str) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: {authority}\r\nRange: {}\r\nIf-Match: {etag}\r\n\
         Accept-Encoding: identity\r\nUser-Agent: {USER_AGENT}\r\n\r\n",
        source.target,
        span.to_range_field(),
    )
}

async fn connect(authority: &str) -> Result<TcpStream, Fault> {
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let connected = match has_port {
        true => TcpStream::connect(authority).await,
        false => TcpStream::connect(format!("{authority}:80")).await,
    };
    let stream = connected.map_err(|error| of_connecting(&error))?;
    // Latency only; sending works without it.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Whose fault it is that there is no connection.
fn of_connecting(error: &io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ADDRNOTAVAIL | Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
            Fault::NoMeans
        }
        _ => Fault::Connect,
    }
}

/// Sends a request and reads the head of its answer.
async fn exchange(
    mut stream: TcpStream,
    authority: &str,
    request: &str,
) -> Result<Answered, Failed> {
    let sent = stream.write_all(request.as_bytes()).await;
    sent.map_err(|_| Failed::Unanswered)?;
    let mut input = BytesMut::with_capacity(MAX_HEAD_BYTES);
    loop {
        let room = MAX_HEAD_BYTES - input.len();
        let came = super::stream::read(&stream, room).await;
        match came {
            Ok(bytes) if !bytes.is_empty() => input.extend_from_slice(&bytes),
            Ok(_) | Err(_) if input.is_empty() => return Err(Failed::Unanswered),
            Ok(_) | Err(_) => return Err(Failed::Fault(Fault::Reset)),
        }
        if let Some((head, head_bytes)) = Head::parse(&input).map_err(Failed::Fault)? {
            let early = input.split_off(head_bytes).freeze();
            let authority = head.keeps_alive.then(|| Arc::from(authority));
            let stream = Stream::plain(stream, authority, early);
            return Ok(Answered { head, stream });
        }
        if input.len() >= MAX_HEAD_BYTES {
            return Err(Failed::Fault(Fault::NotHttp));
        }
    }
}

impl Head {
    /// Reads a head and says where the body begins; `None` if there is more to come.
    fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, Fault> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(bytes) =
            response.parse(input).map_err(|_| Fault::NotHttp)?
        else {
            return Ok(None);
        };
        let mut head = Self {
            status: response.code.unwrap_or(0),
            keeps_alive: response.version == Some(1),
            ..Self::default()
        };
        for field in response.headers.iter() {
            head.note(field.name, field.value);
        }
        head.finish();
        Ok(Some((head, bytes)))
    }

    /// Takes in one field; what is there twice is as good as wrong.
    fn note(&mut self, name: &str, value: &[u8]) {
        let value = value.trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("content-length") {
            let digits = std::str::from_utf8(value).ok();
            let bytes = digits.and_then(|digits| digits.parse().ok());
            self.content_length = match self.content_length {
                None => Some(bytes.unwrap_or(UNKNOWN)),
                Some(_) => Some(UNKNOWN),
            };
        } else if is("transfer-encoding") {
            self.content_length = Some(UNKNOWN);
        } else if is("content-range") {
            once(&mut self.content_range, value);
        } else if is("etag") {
            once(&mut self.etag, value);
        } else if is("content-encoding") {
            once(&mut self.content_encoding, value);
        } else if is("connection") {
            self.keeps_alive &= !value
                .split(|&byte| byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
        }
    }

    /// All fields have been seen.
    fn finish(&mut self) {
        self.content_length = self.content_length.filter(|&bytes| bytes != UNKNOWN);
    }

    pub(super) fn as_answer(&self) -> AnswerHead<'_> {
        AnswerHead {
            status: self.status,
            content_length: self.content_length,
            content_range: self.content_range.as_deref(),
            etag: self.etag.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
        }
    }
}

/// A length that no body has, for one that is not to be believed.
const UNKNOWN: u64 = u64::MAX;

/// Keeps the value of a field; of a second one, something that cannot be right.
fn once(place: &mut Option<Vec<u8>>, value: &[u8]) {
    *place = match place {
        None => Some(value.to_vec()),
        Some(_) => Some(Vec::new()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Head {
        Head::parse(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_head_is_read_wherever_it_is_split() {
        let text = "HTTP/1.1 206 Partial Content\r\nContent-Length: 7\r\nETag: \"x\"\r\n\
                    Content-Range: bytes 1-7/9\r\n\r\nbody";
        let bytes = text.len() - 4;
        for at in 0..bytes {
            assert!(
                Head::parse(&text.as_bytes()[..at]).unwrap().is_none(),
                "{at}"
            );
        }
        let (head, head_bytes) = Head::parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(head_bytes, bytes);
        assert!(head.keeps_alive);
        assert_eq!(
            head.as_answer(),
            AnswerHead {
                status: 206,
                content_length: Some(7),
                content_range: Some(b"bytes 1-7/9"),
                etag: Some(b"\"x\""),
                content_encoding: None,
            }
        );
    }

    #[test]
    fn what_is_said_twice_or_not_plainly_is_not_believed() {
        for fields in [
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
            "Content-Length: +7 \r\nContent-Length: 7\r\n",
            "Content-Length: -7\r\n",
            "",
        ] {
            let head = parse(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
            assert_eq!(head.content_length, None, "{fields}");
        }
        let head = parse("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nEtag: \"a\"\r\n\r\n");
        assert_eq!(head.etag.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_connection_is_kept_only_where_that_is_meant() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
        ] {
            assert_eq!(parse(text).keeps_alive, expected, "{text}");
        }
        assert_eq!(Head::parse(b"SSH-2.0-x\r\n").unwrap_err(), Fault::NotHttp);
    }
}

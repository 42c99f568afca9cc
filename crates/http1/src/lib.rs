//! Sans-IO HTTP/1.1 for serving files: bytes in, a decision, a response head out.
//!
//! The crate is the pure half of the file path. It reads request heads strictly (RFC 9112),
//! decides by preconditions and ranges what part of a file answers them (RFC 9110) and writes
//! response heads. It never reads a socket, a file or a clock: time comes in as an argument, bytes go
//! out into a `Vec` that the caller keeps for the life of a connection. Only the rare answers
//! allocate, several ranges and errors.
//!
//! What a file server gets wrong is mostly here, so each module says which rule it holds to:
//!
//! - [`request`]: one request head; refuses whatever two readers could understand differently.
//! - [`conditional`]: entity tags and the order of preconditions.
//! - [`range`]: byte ranges resolved against a length.
//! - [`multipart`]: the body that carries several of them.
//! - [`response`]: the plan for an answer, and the writer of its head.
//! - [`negotiate`]: the form of a listing and the coding of a file that a client prefers.
//! - [`digest`], [`date`], [`status`]: the smaller vocabularies.
//!
//! ```
//! use overspill_http1::conditional::{ETag, Validators};
//! use overspill_http1::date::UnixSeconds;
//! use overspill_http1::request::{self, Limits, Parsed};
//! use overspill_http1::response::{self, HeadWriter, Plan, Representation};
//! use overspill_http1::status::Status;
//!
//! // Bytes in.
//! let buffer = b"GET /big.iso HTTP/1.1\r\nHost: example.net\r\nRange: bytes=-4\r\n\r\n";
//! let Parsed::Request { request, head_bytes } = request::parse(buffer, &Limits::default())? else {
//!     panic!("the head is complete");
//! };
//! assert_eq!(head_bytes, buffer.len());
//! assert_eq!(request.path(), b"/big.iso");
//!
//! // What to send.
//! let file = Representation {
//!     content_type: "text/plain",
//!     length: 10,
//!     validators: Validators { etag: ETag::parse(b"\"b3-00\""), last_modified: None },
//! };
//! let Plan::Partial(range) = response::plan(&request, &file, UnixSeconds(1_700_000_000)) else {
//!     panic!("the range can be satisfied");
//! };
//!
//! // Head out.
//! let mut out = Vec::new();
//! let mut head = HeadWriter::start(&mut out, request.version, Status::PartialContent);
//! head.field_u64("Content-Length", range.len());
//! head.content_range(range, file.length);
//! head.connection(request.keep_alive);
//! head.finish();
//! assert_eq!(
//!     out,
//!     b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes 6-9/10\r\n\r\n",
//! );
//! # Ok::<(), overspill_http1::request::ParseError>(())
//! ```

pub mod conditional;
pub mod date;
pub mod digest;
pub mod multipart;
pub mod negotiate;
pub mod range;
pub mod request;
pub mod response;
pub mod status;

mod list;

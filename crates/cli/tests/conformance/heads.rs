//! Request heads (RFC 9112 sections 2 to 6): what is read, and what is refused and with what.
//!
//! A head that two readers could understand differently ends its connection.

use crate::stream::{
    Answer::{Body, Text},
    Stream,
    Then::{Closed, Open},
    stream,
};

const HELLO: &[crate::stream::Answer] = &[Text(200, "hello world")];

pub(crate) const STREAMS: &[Stream] = &[
    // Section 2.2: line ends and empty lines.
    stream("9112 2.2", b"\r\nGET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", HELLO, Open),
    stream("9112 2.2", b"\r\n\r\nGET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", HELLO, Open),
    stream("9112 2.2", b"GET /hello.txt HTTP/1.1\nHost: h\n\n", &[Body(400)], Closed),
    stream("9112 2.2", b"GET /hello.txt HTTP/1.1\r\nHost: h\n\r\n", &[Body(400)], Closed),
    stream("9112 2.2", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\n\n", &[Body(400)], Closed),
    stream("9112 2.2", b"GET /hello.txt HTTP/1.1\rHost: h\r\r", &[Body(400)], Closed),
    stream("9112 2.2", b"GET /hello.txt HTTP/1.1\r\n Host: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 2.2", b"\nGET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 2.2", b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", &[Body(400)], Closed),
    // Section 2.3: versions.
    stream("9110 2.5", b"GET /hello.txt HTTP/1.2\r\nHost: h\r\n\r\n", HELLO, Open),
    stream("9110 2.5", b"GET /hello.txt HTTP/1.9\r\nHost: h\r\n\r\n", HELLO, Open),
    stream("9110 2.5", b"GET /hello.txt HTTP/1.2\r\n\r\n", &[Body(400)], Closed),
    stream(
        "9110 2.5",
        b"GET /hello.txt HTTP/1.3\r\nHost: h\r\nConnection: close\r\n\r\n",
        HELLO,
        Closed,
    ),
    stream("9110 15.6.6", b"GET /hello.txt HTTP/2.0\r\nHost: h\r\n\r\n", &[Body(505)], Closed),
    stream("9110 15.6.6", b"GET /hello.txt HTTP/3.0\r\nHost: h\r\n\r\n", &[Body(505)], Closed),
    stream("9110 15.6.6", b"GET /hello.txt HTTP/0.9\r\nHost: h\r\n\r\n", &[Body(505)], Closed),
    stream("9110 15.6.6", b"GET /hello.txt\r\n", &[Body(505)], Closed),
    stream("9112 2.3", b"GET /hello.txt HTTP/1.10\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 2.3", b"GET /hello.txt HTTP/11\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 2.3", b"GET /hello.txt http/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 2.3", b"GET /hello.txt HTCPCP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 2.3", b"GET /hello.txt HTTP/1.1 \r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    // Section 3: the request line.
    stream("9112 3", b" GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"GET  /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"GET /hello.txt  HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"GET\t/hello.txt\tHTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"GET /hello .txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"GET /hello.txt\0 HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"G@T /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"(GET) /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[Body(400)], Closed),
    stream("9110 9.3.6", b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", &[Body(501)], Closed),
    stream("9110 9.3.6", b"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(501)], Closed),
    // A fragment; some other readers drop it, so the cases for all of them do not ask for this.
    stream("9112 3.2", b"GET /hello.txt#top HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    // Section 3.2: Host.
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nhost: i\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: h, i\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: h/x\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: u@h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: h:x\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: [::1\r\n\r\n", &[Body(400)], Closed),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", HELLO, Open),
    stream("9112 3.2", b"GET /hello.txt HTTP/1.1\r\nhOsT:h\r\n\r\n", HELLO, Open),
    stream("9112 3.2.2", b"GET http://o/hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", HELLO, Open),
    stream("9112 3.2.2", b"GET http://o/hello.txt HTTP/1.1\r\n\r\n", &[Body(400)], Closed),
    // Section 5: fields.
    stream("9112 5.1", b"GET /hello.txt HTTP/1.1\r\nHost : h\r\n\r\n", &[Body(400)], Closed),
    stream("9112 5.1", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n", &[Body(400)], Closed),
    stream("9112 5.1", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n", &[Body(400)], Closed),
    stream("9112 5.1", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", &[Body(400)], Closed),
    stream("9112 5.1", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX y: z\r\n\r\n", &[Body(400)], Closed),
    stream("9112 5.1", b"GET /hello.txt HTTP/1.1\r\nHost:\th \t\r\nX:\r\n\r\n", HELLO, Open),
    stream("9112 5.2", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\n", &[Body(400)], Closed),
    stream("9112 5.2", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX: y\r\n\tz\r\n\r\n", &[Body(400)], Closed),
    stream("9110 5.5", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", &[Body(400)], Closed),
    stream("9110 5.5", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n", &[Body(400)], Closed),
    stream("9110 5.5", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", &[Body(400)], Closed),
    stream("9110 5.5", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nX: \xff\xe9\r\n\r\n", HELLO, Open),
    stream("9110 10.1.1", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", &[Body(417)], Closed),
    // Section 6: what delimits a body.
    stream(
        "9112 6.1",
        b"POST /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
          0\r\n\r\nGET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n",
        &[Body(400)],
        Closed,
    ),
    stream(
        "9112 6.1",
        b"GET /hello.txt HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[Body(400)],
        Closed,
    ),
    stream(
        "9112 6.1",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        &[Body(501)],
        Closed,
    ),
    stream(
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        &[Body(400)],
        Closed,
    ),
    stream(
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
        &[Body(400)],
        Closed,
    ),
    stream(
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        &[Body(400)],
        Closed,
    ),
    stream(
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello",
        &[Body(400)],
        Closed,
    ),
    stream("9112 6.3", b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", &[Body(400)], Closed),
    stream("9112 6.3", b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", &[Body(400)], Closed),
    stream("9112 6.3", b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\nx", &[Body(400)], Closed),
    stream("9112 6.3", b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", &[Body(400)], Closed),
    stream(
        "9112 6.3",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
        &[Body(400)],
        Closed,
    ),
];

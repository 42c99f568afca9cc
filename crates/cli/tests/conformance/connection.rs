//! The life of a connection (RFC 9112 section 9): keep-alive, pipelining, bodies nobody asked for.

use crate::stream::{
    Answer::{Body, Head, Text},
    Stream,
    Then::{Closed, Open},
    stream,
};

const HELLO: crate::stream::Answer = Text(200, "hello world");

pub(crate) const STREAMS: &[Stream] = &[
    // Section 9.3: persistence.
    stream("9112 9.3", b"GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[HELLO], Open),
    stream(
        "9112 9.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    stream(
        "9112 9.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    stream(
        "9112 9.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    stream("9112 9.3", b"GET /hello.txt HTTP/1.0\r\n\r\n", &[HELLO], Closed),
    stream("9112 9.3", b"GET /hello.txt HTTP/1.0\r\nHost: h\r\n\r\n", &[HELLO], Closed),
    stream(
        "9112 9.3",
        b"GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        &[HELLO],
        Open,
    ),
    stream(
        "9112 9.3",
        b"GET /hello.txt HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    stream("9112 9.3", b"HEAD /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Head(200)], Open),
    stream("9112 9.3", b"HEAD /hello.txt HTTP/1.0\r\n\r\n", &[Head(200)], Closed),
    // An answer that is an error does not end a connection whose next request can be found.
    stream("9112 9.3", b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(404)], Open),
    stream("9112 9.3", b"GET /../x HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(400)], Open),
    stream("9112 9.3", b"DELETE /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(405)], Open),
    stream("9112 9.3", b"TRACE /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(405)], Open),
    stream("9112 9.3", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(200)], Open),
    stream("9112 9.3", b"GET /sub HTTP/1.1\r\nHost: h\r\n\r\n", &[Body(307)], Open),
    stream(
        "9112 9.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n",
        &[Head(304)],
        Open,
    ),
    stream(
        "9112 9.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=99-\r\n\r\n",
        &[Body(416)],
        Open,
    ),
    stream(
        "9112 9.3",
        b"GET /data.bin HTTP/1.1\r\nHost: h\r\nRange: bytes=0-9,500-509\r\n\r\n",
        &[Body(206)],
        Open,
    ),
    stream(
        "9112 9.3",
        b"GET /big.bin HTTP/1.1\r\nHost: h\r\nRange: bytes=0-9,100000-199999\r\n\r\n",
        &[Body(206)],
        Open,
    ),
    // Section 9.3.2: pipelining.
    stream(
        "9112 9.3.2",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\nGET /sub/page.html HTTP/1.1\r\nHost: h\r\n\r\n",
        &[HELLO, Text(200, "<p>")],
        Open,
    ),
    stream(
        "9112 9.3.2",
        b"HEAD /hello.txt HTTP/1.1\r\nHost: h\r\n\r\nGET /nothing HTTP/1.1\r\nHost: h\r\n\r\n\
          GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        &[Head(200), Body(404), HELLO],
        Closed,
    ),
    stream(
        "9112 9.3.2",
        b"GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\nGET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n",
        &[Body(200), HELLO],
        Open,
    ),
    stream(
        "9112 9.3.2",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\nGET /hello.txt HTTP/1.1\nHost: h\r\n\r\n",
        &[HELLO, Body(400)],
        Closed,
    ),
    // Section 9.6: what comes after `close` is not answered.
    stream(
        "9112 9.6",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n\
          GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    stream(
        "9112 9.6",
        b"GET /hello.txt HTTP/1.0\r\n\r\nGET /hello.txt HTTP/1.0\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    // A body with a method that has no use for one (RFC 9110 section 9.3.1).
    stream(
        "9112 6.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        &[HELLO],
        Open,
    ),
    stream(
        "9112 6.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n\r\n\
          GET /nothing HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        &[HELLO],
        Open,
    ),
    stream(
        "9112 6.3",
        b"POST /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        &[Body(405)],
        Open,
    ),
    stream(
        "9112 6.3",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    stream(
        "9112 6.3",
        b"POST /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nhello",
        &[Body(405)],
        Closed,
    ),
    stream(
        "9112 7.1",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
          GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    // RFC 9110 section 10.1.1: the final answer comes without the body, and no 100 before it.
    stream(
        "9110 10.1.1",
        b"POST /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        &[Body(405)],
        Closed,
    ),
    stream(
        "9110 10.1.1",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    stream(
        "9110 10.1.1",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
        &[HELLO],
        Open,
    ),
    stream(
        "9110 10.1.1",
        b"GET /hello.txt HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        &[HELLO],
        Closed,
    ),
    // RFC 9110 section 7.8: an offer that is not taken changes nothing.
    stream(
        "9110 7.8",
        b"GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x/1\r\n\r\n",
        &[HELLO],
        Open,
    ),
];

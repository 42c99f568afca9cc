//! Heads as real clients send them, byte for byte but for host names.

/// Client, and its request head.
pub(super) const HEADS: &[(&str, &str)] = &[
    (
        "curl",
        "GET /big.iso HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.5.0\r\n\
         Accept: */*\r\n\r\n",
    ),
    (
        "curl -C -",
        "GET /big.iso HTTP/1.1\r\nHost: localhost:8080\r\nRange: bytes=3500000-\r\n\
         User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    ),
    (
        "curl -I",
        "HEAD /big.iso HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/7.88.1\r\n\
         Accept: */*\r\n\r\n",
    ),
    (
        "curl -z --compressed",
        "GET /a.txt HTTP/1.1\r\nHost: example.net\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
         Accept-Encoding: deflate, gzip, br, zstd\r\n\
         If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
    ),
    (
        "curl --http2",
        "GET / HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\
         Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    ),
    (
        "curl -x",
        "GET http://example.net/big.iso HTTP/1.1\r\nHost: example.net\r\n\
         User-Agent: curl/7.88.1\r\nAccept: */*\r\nProxy-Connection: Keep-Alive\r\n\r\n",
    ),
    (
        "curl -0",
        "GET /big.iso HTTP/1.0\r\nHost: localhost:8080\r\nUser-Agent: curl/7.88.1\r\n\
         Accept: */*\r\n\r\n",
    ),
    (
        "curl -T",
        "PUT /new.iso HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/7.88.1\r\n\
         Accept: */*\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n",
    ),
    (
        "wget",
        "GET /big.iso HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Wget/1.21.3\r\n\
         Accept: */*\r\nAccept-Encoding: identity\r\nConnection: Keep-Alive\r\n\r\n",
    ),
    (
        "wget -c",
        "GET /big.iso HTTP/1.1\r\nHost: localhost:8080\r\nRange: bytes=1048576-\r\n\
         User-Agent: Wget/1.21.3\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\
         Connection: Keep-Alive\r\n\r\n",
    ),
    (
        "wget2",
        "GET /big.iso HTTP/1.1\r\nHost: localhost:8080\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
         Accept-Encoding: gzip, deflate, bzip2, xz, lzma, br, zstd\r\n\
         User-Agent: Wget/2.0.1\r\nConnection: keep-alive\r\n\r\n",
    ),
    (
        "aria2",
        "GET /big.iso HTTP/1.1\r\nUser-Agent: aria2/1.36.0\r\nAccept: */*\r\n\
         Accept-Encoding: deflate, gzip\r\nHost: localhost:8080\r\nPragma: no-cache\r\n\
         Cache-Control: no-cache\r\nWant-Digest: SHA-512;q=1, SHA-256;q=1, SHA;q=0.1\r\n\r\n",
    ),
    (
        "aria2 -x",
        "GET /big.iso HTTP/1.1\r\nUser-Agent: aria2/1.36.0\r\nAccept: */*\r\n\
         Host: localhost:8080\r\nRange: bytes=5242880-10485759\r\nPragma: no-cache\r\n\
         Cache-Control: no-cache\r\n\
         Want-Digest: SHA-512;q=1, SHA-256;q=1, SHA;q=0.1\r\n\r\n",
    ),
    (
        "Firefox",
        "GET /pub/ HTTP/1.1\r\nHost: example.net\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
         image/png,image/svg+xml,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: http://example.net/\r\n\
         Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n\
         If-None-Match: W/\"5f-6123\"\r\nPriority: u=0, i\r\n\r\n",
    ),
    (
        "Firefox, resumed download",
        "GET /big.iso HTTP/1.1\r\nHost: example.net\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
         Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: identity\r\n\
         Range: bytes=10485760-\r\nIf-Match: \"b3-00\"\r\n\
         If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\n\r\n",
    ),
    (
        "Chrome",
        "GET /pub/a%20b.iso?name=*.iso HTTP/1.1\r\nHost: localhost:8080\r\n\
         Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\n\
         sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n\
         Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
         image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n\
         Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n\
         Sec-Fetch-Dest: document\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-US,en;q=0.9\r\nCookie: a=b; c=d\r\n\r\n",
    ),
    (
        "Chrome, video",
        "GET /film.mp4 HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\n\
         Accept-Encoding: identity;q=1, *;q=0\r\nAccept: */*\r\nSec-Fetch-Dest: video\r\n\
         Referer: http://localhost:8080/\r\nRange: bytes=0-\r\nIf-Range: \"b3-00\"\r\n\r\n",
    ),
    (
        "apt",
        "GET /debian/dists/bookworm/InRelease HTTP/1.1\r\nHost: deb.example.net\r\n\
         Cache-Control: max-age=0\r\nAccept: text/*\r\n\
         If-Modified-Since: Sat, 10 Feb 2024 10:31:58 GMT\r\n\
         User-Agent: Debian APT-HTTP/1.3 (2.6.1)\r\n\r\n",
    ),
    (
        "apt, resumed",
        "GET /debian/pool/main/l/linux/linux_6.1.deb HTTP/1.1\r\nHost: deb.example.net\r\n\
         Range: bytes=1024-\r\nIf-Range: Sat, 10 Feb 2024 10:31:58 GMT\r\n\
         User-Agent: Debian APT-HTTP/1.3 (2.6.1) non-interactive\r\n\r\n",
    ),
    (
        "dnf",
        "GET /fedora/repodata/repomd.xml HTTP/1.1\r\nHost: example.net\r\n\
         User-Agent: libdnf (Fedora Linux 40; server; Linux.x86_64)\r\nAccept: */*\r\n\
         Cache-Control: no-cache\r\nPragma: no-cache\r\n\r\n",
    ),
    (
        "Python requests",
        "GET /model.safetensors HTTP/1.1\r\nHost: example.net\r\n\
         User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\n\
         Accept: */*\r\nConnection: keep-alive\r\n\r\n",
    ),
    (
        "Go",
        "GET /v1/blob HTTP/1.1\r\nHost: example.net\r\nUser-Agent: Go-http-client/1.1\r\n\
         Accept-Encoding: gzip\r\n\r\n",
    ),
    (
        "BusyBox wget",
        "GET /a HTTP/1.1\r\nHost: 192.0.2.1\r\nUser-Agent: Wget\r\nConnection: close\r\n\r\n",
    ),
    (
        "ab",
        "GET / HTTP/1.0\r\nHost: [::1]:8080\r\nUser-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n",
    ),
];

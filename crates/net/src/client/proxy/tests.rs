//! Requests through a proxy in this process, which notes what it is asked.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::client::{
    ClientError, ClientSettings, Credentials, HttpClient, Patience, Trust, tests::Authority,
};

/// A proxy that speaks HTTP and SOCKS, and answers what it is asked to forward by itself.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heads);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&noted)));
            }
        });
        Self {
            address,
            heads,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut first = [0];
    stream.peek(&mut first).await.unwrap();
    if first[0] == 5 {
        return serve_socks(stream, heads).await;
    }
    let mut reader = BufReader::new(&mut stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).await.unwrap() > 0);
    }
    heads.lock().unwrap().push(head.clone());
    let mut words = head.split(' ');
    if words.next() != Some("CONNECT") {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nforwarded";
        stream.write_all(answer).await.unwrap();
        return;
    }
    let mut server = TcpStream::connect(words.next().unwrap()).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut server).await;
}

/// RFC 1928, as far as one client needs it.
async fn serve_socks(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    stream.read_exact(&mut [0; 3]).await.unwrap();
    stream.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 10];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(request[..4], [5, 1, 0, 1], "connect to an IPv4 address");
    let host: [u8; 4] = request[4..8].try_into().unwrap();
    let port = u16::from_be_bytes([request[8], request[9]]);
    heads.lock().unwrap().push(format!("SOCKS {port}"));
    stream
        .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut server = TcpStream::connect((Ipv4Addr::from(host), port))
        .await
        .unwrap();
    let _ = copy_bidirectional(&mut stream, &mut server).await;
}

fn client(proxies: Proxies, trust: Trust) -> HttpClient {
    HttpClient::with_settings(ClientSettings {
        patience: Patience {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(10),
        },
        trust,
        proxies,
        credentials: Credentials::none(),
        rate: None,
    })
}

async fn ask(client: &HttpClient, url: &str) -> Result<Vec<u8>, ClientError> {
    let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
    client.send(request).await?.collect(100).await
}

#[tokio::test]
async fn plain_requests_are_forwarded_with_the_whole_url() {
    let proxy = Proxy::start().await;
    let text = format!("http://me:secret@{}", proxy.address);
    let client = client(Proxies::all(&text, ""), Trust::system());
    let answer = ask(&client, "http://files.example/a?b").await.unwrap();
    assert_eq!(answer, b"forwarded");
    let heads = proxy.heads();
    assert!(
        heads[0].starts_with("GET http://files.example/a?b HTTP/1.1\r\n"),
        "{heads:?}"
    );
    // "me:secret"
    let authorization = "proxy-authorization: Basic bWU6c2VjcmV0\r\n";
    assert!(heads[0].contains(authorization), "{heads:?}");
}

#[tokio::test]
async fn tls_goes_through_and_is_checked() {
    let (proxy, authority) = (Proxy::start().await, Authority::new());
    let greeter = authority.greeter("127.0.0.1").await;
    let url = format!("https://{}/", greeter.address);
    for scheme in ["http", "socks5", "socks5h"] {
        let proxies = Proxies::all(&format!("{scheme}://{}", proxy.address), "");
        let trusting = client(proxies.clone(), Trust::ca_file(&authority.file()).unwrap());
        assert_eq!(ask(&trusting, &url).await.unwrap(), b"hello");
        let other = Trust::ca_file(&Authority::new().file()).unwrap();
        let error = ask(&client(proxies, other), &url).await.unwrap_err();
        assert!(matches!(error, ClientError::Certificate { .. }), "{error}");
    }
    let (connect, socks) = (
        format!("CONNECT {} HTTP/1.1\r\n", greeter.address),
        format!("SOCKS {}", greeter.address.port()),
    );
    let heads = proxy.heads();
    assert_eq!(heads.len(), 6, "{heads:?}");
    for (head, expected) in heads.iter().zip([&connect, &connect, &socks, &socks]) {
        assert!(head.starts_with(expected.as_str()), "{heads:?}");
    }
}

#[tokio::test]
async fn hosts_in_no_proxy_are_asked_directly() {
    let (proxy, server) = (Proxy::start().await, Proxy::start().await);
    let text = format!("http://{}", proxy.address);
    let client = client(
        Proxies::all(&text, "localhost,127.0.0.0/8"),
        Trust::system(),
    );
    let url = format!("http://{}/", server.address);
    ask(&client, &url).await.unwrap();
    assert!(proxy.heads().is_empty());
    let heads = server.heads();
    assert!(heads[0].starts_with("GET / HTTP/1.1\r\n"), "{heads:?}");
}

#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    // hyper-util does not say why a SOCKS proxy could not be reached.
    for (scheme, reason) in [
        ("http", "Connection refused (os error 111)"),
        (
            "socks5h",
            "SOCKS error: failed to create underlying connection",
        ),
    ] {
        let proxies = Proxies::all(&format!("{scheme}://{address}"), "");
        let client = client(proxies, Trust::system());
        let error = ask(&client, "http://files.example/").await.unwrap_err();
        assert!(!error.is_lasting());
        assert_eq!(
            error.to_string(),
            format!(
                "cannot connect to files.example: the proxy {scheme}://{address}/ failed: {reason}"
            )
        );
    }
    let client = client(Proxies::all("socks4://h:1", ""), Trust::system());
    let error = ask(&client, "http://files.example/").await.unwrap_err();
    assert!(error.is_lasting());
    assert_eq!(
        error.to_string(),
        "the proxy socks4://h:1/ that the environment names cannot be used; proxies are spoken to \
         by http:// or socks5h://, or name this host in no_proxy"
    );
}

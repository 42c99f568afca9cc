//! The load generator against servers of hyper's in this process.

use std::{convert::Infallible, net::Ipv4Addr};

use http_body_util::Full;
use hyper::{Response, service::service_fn};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::bench::pair;

fn acceptor(pair: &Pair, protocol: &[u8]) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_protocol_versions(&[&TLS13]).unwrap();
    let chain = vec![CertificateDer::from_pem_file(&pair.cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    let mut config = config
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config).into()
}

/// Serves ten bytes to everyone, by HTTP/2 where that was agreed on.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let ten =
        |_| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&[7; 10])))) };
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let is_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let io = TokioIo::new(stream);
            // A client that goes away is what ends every connection here.
            if is_2 {
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = connection.serve_connection(io, service_fn(ten)).await;
            } else {
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(io, service_fn(ten)).await;
            }
        });
    }
}

#[test]
fn every_pattern_counts_whole_answers() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair::write(folder.path()).unwrap();
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let load = SecureLoad::new(&pair, Pinning::Free).unwrap();
    for (pattern, protocol) in [
        (Pattern::Connections(2), &b"http/1.1"[..]),
        (Pattern::KeepAlive(2), b"http/1.1"),
        (
            Pattern::Streams {
                connections: 2,
                each: 4,
            },
            b"h2",
        ),
    ] {
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = runtime.spawn(serve(listener, acceptor(&pair, protocol)));
        let target = SecureTarget {
            address,
            path: "/ten",
            pattern,
        };
        let done = load.run(target, 1).unwrap();
        assert!(done.requests > 0, "{pattern:?}");
        assert_eq!(done.bytes, done.requests * 10, "{pattern:?}");
        assert_eq!(done.errors, 0, "{pattern:?}");
        serving.abort();
    }
}

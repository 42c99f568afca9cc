//! From an accepted socket to a connection that is served: registration, TLS, and hyper where our
//! own HTTP/1.1 ends.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use overspill_http1::{
    request::{KeepAlive, Version},
    response::{HeadWriter, error_body},
    status::Status,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    admission::ConnectionPermit,
    connection::{Connection, Ended},
    handover::{Connection as HandedOver, Protocol},
    listener::{Core, Seat},
    service::{Client, Security, Service},
    shared::SharedStream,
    sweeper::Phase,
    transport::{Direct, Secure, Transport},
};

/// Bytes read at a time of a request that came to the wrong port.
const MAX_UNREAD_BYTES: usize = 4 << 10;
/// The name of HTTP/2 in ALPN (RFC 9113 section 3.2).
const ALPN_HTTP2: &[u8] = b"h2";
/// Most encrypted bytes that wait in memory for one client: what one buffer of a file becomes, so a
/// buffer is encrypted whole and written in one call.
const MAX_ENCRYPTED_BYTES: usize = 512 << 10;

/// A connection that was just accepted.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    pub(crate) permit: Option<Rc<ConnectionPermit>>,
    pub(crate) seat: Seat,
}

/// A plain connection, ready to be served.
pub(crate) fn plain<S: Service>(accepted: Accepted, core: Rc<Core<S>>) -> Connection<S, Direct> {
    let client = Client {
        address: accepted.address,
        security: Security::Plain,
    };
    let registered = core.sweeper.register(accepted.stream, accepted.seat);
    let stream = SharedStream(Rc::clone(&registered.activity));
    Connection::new(core, Direct(stream), client, registered, accepted.permit)
}

/// Shakes hands, and serves until the end.
pub(crate) async fn serve_tls<S: Service>(
    accepted: Accepted,
    config: Arc<ServerConfig>,
    core: Rc<Core<S>>,
) {
    let Accepted {
        stream,
        address,
        permit,
        seat,
    } = accepted;
    let client = Client {
        address,
        security: Security::Tls,
    };
    let registered = core.sweeper.register(stream, seat);
    let activity = &registered.activity;
    activity.enter(Phase::Reading);
    let shared = SharedStream(Rc::clone(activity));
    let Some(stream) = Box::pin(shake_hands(shared, config, client)).await else {
        return;
    };
    activity.enter(Phase::Idle);
    if stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2) {
        let connection = HandedOver {
            stream,
            protocol: Protocol::Http2,
            first_bytes: Vec::new(),
            client,
            registered,
            permit,
            permitted: 0,
        };
        Box::pin(connection.serve(core)).await;
    } else {
        let transport = Secure::new(stream, Rc::clone(&core.tls_pool));
        serve_http1(Connection::new(core, transport, client, registered, permit)).await;
    }
}

/// Serves a connection until its end, here or by hyper.
pub(crate) async fn serve_http1<S: Service, T: Transport>(mut connection: Connection<S, T>) {
    if connection.serve().await == Ended::HandOver {
        // Boxed: it is rare, and would make every connection's task as large as itself.
        Box::pin(connection.hand_over()).await;
    }
}

async fn shake_hands(
    stream: SharedStream,
    config: Arc<ServerConfig>,
    client: Client,
) -> Option<TlsStream<SharedStream>> {
    if !begins_with_tls(&stream).await {
        explain(stream).await;
        return None;
    }
    let prepare = |session: &mut rustls::ServerConnection| {
        session.set_buffer_limit(Some(MAX_ENCRYPTED_BYTES));
    };
    let accepted = TlsAcceptor::from(config).accept_with(stream, prepare).await;
    if let Err(error) = &accepted {
        tracing::debug!(client = %client.address, %error, "no TLS");
    }
    accepted.ok()
}

/// Whether the first byte can be one of TLS. If it is a letter, it is most likely an http:// URL with
/// the wrong port, and rustls would answer it in a language that its client does not speak.
async fn begins_with_tls(stream: &SharedStream) -> bool {
    let mut first = [0];
    match stream.0.stream.peek(&mut first).await {
        Ok(1) => !first[0].is_ascii_alphabetic(),
        _ => true,
    }
}

/// Tells a plain client, in its own language, what it did.
async fn explain(mut stream: SharedStream) {
    let status = Status::BadRequest;
    let body = error_body(status, "this port speaks HTTPS; use an https:// URL");
    let mut answer = Vec::new();
    let mut head = HeadWriter::start(&mut answer, Version::Http11, status);
    head.field("Content-Type", b"text/plain; charset=utf-8")
        .field_u64("Content-Length", body.len() as u64)
        .connection(KeepAlive::No);
    head.finish();
    answer.extend_from_slice(body.as_bytes());
    // Whoever does not read it loses nothing.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
    // What was not read when the connection closes would reset it, and the answer with it.
    let mut request = [0; MAX_UNREAD_BYTES];
    while let Ok(1..) = stream.read(&mut request).await {}
}

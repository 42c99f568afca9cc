//! Listeners and cores: one current-thread runtime per core, each with its own listening socket.
//!
//! The kernel spreads connections over the sockets (`SO_REUSEPORT`), so nothing is shared between
//! cores on the way of a request. It must never bind a port that another program holds: sharing a
//! port is for our own cores only.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::{net::TcpListener, runtime, task::spawn_local, time::interval};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    connection,
    flows::{FlowTable, Shard},
    pool::BufferPool,
    service::Service,
    sweeper::{Silence, Sweeper},
};

/// Caps and patience of the serving side.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Request heads.
    pub head: overspill_http1::request::Limits,
    /// Open connections of the whole node; further ones are answered 503 and closed.
    pub connections: usize,
    /// Silence allowed between requests.
    pub idle: Duration,
    /// Silence allowed within a request head.
    pub reading: Duration,
    /// Silence allowed while a response is sent: no byte accepted by the client for so long.
    pub sending: Duration,
    /// How long running responses may take after a shutdown was asked for.
    pub drain: Duration,
}

/// Why listening failed. The operator's to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The port is taken.
    #[error("{0} is already in use by another program; stop it or choose another --listen")]
    InUse(SocketAddr),
    /// Not allowed, as for ports below 1024.
    #[error("not allowed to listen on {0}; use a port above 1023 or grant CAP_NET_BIND_SERVICE")]
    NotAllowed(SocketAddr),
    /// The address is none of this machine's.
    #[error("{0} is not an address of this machine; choose another --listen")]
    NotOurs(SocketAddr),
    /// Anything else the system says.
    #[error("cannot listen on {0}")]
    Other(SocketAddr, #[source] io::Error),
}

/// Listening sockets, one per core, not yet served.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<Socket>,
    address: SocketAddr,
}

/// The serving threads.
#[derive(Debug)]
pub struct Serving {
    threads: Vec<thread::JoinHandle<()>>,
}

/// What the connections of one core share.
pub(crate) struct Core<S> {
    pub(crate) service: S,
    pub(crate) limits: ServeLimits,
    pub(crate) shard: Arc<Shard>,
    pub(crate) clock: Clock,
    pub(crate) pool: BufferPool,
    pub(crate) sweeper: Rc<Sweeper>,
    open: Arc<AtomicUsize>,
}

/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;
/// How often silent connections are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Pause after accept failed for want of file descriptors or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// The answer to a connection beyond the cap.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            head: overspill_http1::request::Limits::default(),
            connections: 20_000,
            idle: Duration::from_secs(60),
            reading: Duration::from_secs(15),
            sending: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}

impl ServeLimits {
    /// The same, but for no more connections than half of the descriptors this process may have: the
    /// other half is for files.
    pub fn within(self, open_files: u64) -> Self {
        let most = usize::try_from(open_files / 2).unwrap_or(usize::MAX).max(1);
        Self {
            connections: self.connections.min(most),
            ..self
        }
    }
}

/// Binds `address` once per core. Port 0 takes a free one, the same for all cores.
pub fn bind(address: SocketAddr, cores: usize) -> Result<Bound, BindError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs(address),
        io::ErrorKind::PermissionDenied => BindError::NotAllowed(address),
        _ => BindError::Other(address, source),
    };
    // Bound first without port sharing: so another program, or another Overspill, that holds the
    // port is an error and not a silent half of the traffic.
    let probe = open_socket(address, Sharing::Alone).map_err(error)?;
    let bound = probe.local_addr().map_err(error)?;
    let address = bound.as_socket().unwrap_or(address);
    drop(probe);
    let sockets = (0..cores.max(1)).map(|_| open_socket(address, Sharing::WithOurCores));
    let sockets = sockets.collect::<io::Result<_>>().map_err(error)?;
    Ok(Bound { sockets, address })
}

enum Sharing {
    Alone,
    WithOurCores,
}

fn open_socket(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if matches!(sharing, Sharing::WithOurCores) {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

impl Bound {
    /// The address clients connect to; the port is real even if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts one thread per core, each with the service that `make_service` builds for it.
    pub fn serve<S: Service>(
        self,
        limits: ServeLimits,
        flows: &FlowTable,
        shutdown: &CancellationToken,
        make_service: impl Fn(usize) -> S + Clone + Send + 'static,
    ) -> io::Result<Serving> {
        let open = Arc::new(AtomicUsize::new(0));
        let start = |(at, socket): (usize, Socket)| {
            let (shard, shutdown) = (flows.shard(at), shutdown.clone());
            let (make_service, open) = (make_service.clone(), Arc::clone(&open));
            thread::Builder::new()
                .name(format!("serve-{at}"))
                .spawn(move || {
                    let core = Core {
                        service: make_service(at),
                        limits,
                        shard,
                        clock: Clock::new(),
                        pool: BufferPool::new(limits.head.head_bytes),
                        sweeper: Rc::default(),
                        open,
                    };
                    if let Err(error) = run_core(socket, core, &shutdown) {
                        tracing::error!(core = at, %error, "a serving thread ended");
                        shutdown.cancel();
                    }
                })
        };
        let threads = self
            .sockets
            .into_iter()
            .enumerate()
            .map(start)
            .collect::<io::Result<_>>()?;
        Ok(Serving { threads })
    }
}

impl Serving {
    /// Waits for the serving threads to end, after a shutdown.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a serving thread panicked");
            }
        }
    }
}

fn run_core<S: Service>(
    socket: Socket,
    core: Core<S>,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(runtime::LocalOptions::default())?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(socket.into())?;
        let core = Rc::new(core);
        spawn_local(sweep(Rc::clone(&core)));
        tokio::select! {
            () = accept_forever(&listener, &core) => {}
            () = shutdown.cancelled() => {}
        }
        drop(listener);
        drain(&core).await;
        Ok(())
    })
}

async fn accept_forever<S: Service>(listener: &TcpListener, core: &Rc<Core<S>>) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                // Small answers must not wait for the acknowledgement of the last one.
                let _ = stream.set_nodelay(true);
                let client = SocketAddr::new(client.ip().to_canonical(), client.port());
                if core.open.fetch_add(1, Relaxed) >= core.limits.connections {
                    let _ = stream.try_write(TOO_MANY);
                    core.open.fetch_sub(1, Relaxed);
                    continue;
                }
                let core = Rc::clone(core);
                spawn_local(async move {
                    connection::serve(stream, client, Rc::clone(&core)).await;
                    core.open.fetch_sub(1, Relaxed);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn sweep<S: Service>(core: Rc<Core<S>>) {
    let silence = Silence {
        idle: core.limits.idle,
        reading: core.limits.reading,
        sending: core.limits.sending,
    };
    let mut ticks = interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        core.sweeper.sweep(Instant::now(), &silence);
    }
}

/// Lets running responses finish, for a while.
async fn drain<S: Service>(core: &Core<S>) {
    let deadline = Instant::now() + core.limits.drain;
    let mut ticks = interval(Duration::from_millis(20));
    while core.sweeper.len() > 0 && Instant::now() < deadline {
        core.sweeper.close_idle();
        ticks.tick().await;
    }
}

/// The address to listen on when none is given: every interface, IPv6 and IPv4 where both are.
pub fn any_address(port: u16) -> SocketAddr {
    let dual_stack = Socket::new(Domain::IPV6, Type::STREAM, None).is_ok();
    if dual_stack {
        SocketAddr::from(([0_u16; 8], port))
    } else {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
    }
}

//! Listeners and cores: one current-thread runtime per core, each with its own listening socket.
//!
//! The kernel spreads connections over the sockets (`SO_REUSEPORT`), so nothing is shared between
//! cores on the way of a request. It must never bind a port that another program holds: sharing a
//! port is for our own cores only.

use std::{
    cell::{Cell, RefCell},
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

use overspill_core::units::Rate;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    task::spawn_local,
    time::interval,
};
use tokio_util::sync::CancellationToken;

use crate::{
    accept::{self, Accepted},
    admission::{ClientLimits, ConnectionPermit, Refusal},
    clock::Clock,
    disk,
    flows::{FlowTable, Shard},
    live::{InForce, LiveLimits},
    pool::BufferPool,
    seats::Seats,
    service::Service,
    sweeper::{Patience, Sweeper},
    tls::ServerTls,
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
    /// Below this rate a client that reads a body is cut, measured over a whole [`Self::window`].
    pub least_body_rate: Rate,
    /// How long a rate is measured before it is judged; half a minute.
    pub window: Duration,
    /// What one client may take.
    pub clients: ClientLimits,
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

/// An address to listen on.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// TLS, if it is spoken there.
    pub tls: Option<Arc<ServerTls>>,
}

/// Listening sockets, not yet served.
#[derive(Debug)]
pub struct Bound {
    ports: Vec<Port>,
}

/// One address, with a socket for each core.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    tls: Option<Arc<ServerTls>>,
    sockets: Vec<Socket>,
}

/// The serving threads.
#[derive(Debug)]
pub struct Serving {
    threads: Vec<thread::JoinHandle<()>>,
    live: Arc<LiveLimits>,
    seats: Arc<Seats>,
}

/// What the connections of one core share.
pub(crate) struct Core<S> {
    pub(crate) service: S,
    /// Of request heads; as the buffers were made.
    pub(crate) head: overspill_http1::request::Limits,
    /// This core's copy of what is in force.
    limits: Cell<ServeLimits>,
    pub(crate) shard: Arc<Shard>,
    pub(crate) clock: Clock,
    pub(crate) pool: BufferPool,
    /// Larger buffers, for bytes that are encrypted.
    pub(crate) tls_pool: Rc<BufferPool>,
    pub(crate) sweeper: Rc<Sweeper>,
    /// What is in force, as this core saw it last; its gate is asked about each connection.
    in_force: RefCell<Arc<InForce>>,
    live: Arc<LiveLimits>,
    open: Arc<AtomicUsize>,
}

/// One core's socket of a port.
struct Listening {
    socket: Socket,
    tls: Option<Arc<ServerTls>>,
}

/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;
/// Bytes that the kernel takes for a connection before they can be sent. Without this bound it takes
/// megabytes: a file would count as sent while it waits behind a slow link, the flows that dispatch
/// looks at would be a fiction, and egress would come in bursts of buffers.
const UNSENT_BYTES: u32 = 256 << 10;
/// Size of the buffers in which files are encrypted: sixteen full records, one system call.
const TLS_BUFFER_BYTES: usize = 256 << 10;
/// How often silent connections are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The least rate of a body when nothing is configured: a modem of 1985 is four times as fast.
const LEAST_BODY_BYTES_PER_S: f64 = 512.0;
/// Pause after accept failed for want of file descriptors or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// The answer to a connection beyond the cap.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";
/// The answer to a client that has too many connections already.
const TOO_MANY_OF_ONE: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            head: overspill_http1::request::Limits::default(),
            connections: 20_000,
            idle: Duration::from_secs(60),
            reading: Duration::from_secs(15),
            sending: Duration::from_secs(60),
            least_body_rate: Rate::from_bytes_per_s(LEAST_BODY_BYTES_PER_S),
            window: Duration::from_secs(30),
            clients: ClientLimits::default(),
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

/// Binds each address once per core. Port 0 takes a free one, the same for all cores.
pub fn bind(bindings: Vec<Binding>, cores: usize) -> Result<Bound, BindError> {
    let ports = bindings
        .into_iter()
        .map(|binding| bind_port(binding, cores));
    Ok(Bound {
        ports: ports.collect::<Result<_, _>>()?,
    })
}

fn bind_port(binding: Binding, cores: usize) -> Result<Port, BindError> {
    let Binding { address, tls } = binding;
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
    Ok(Port {
        address,
        tls,
        sockets,
    })
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
    // Connections have it from here.
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

impl Bound {
    /// The addresses clients connect to, in the order of the bindings; their ports are real even if
    /// 0 was asked for.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.ports.iter().map(|port| port.address)
    }

    /// The sockets by core.
    fn by_core(self) -> Vec<Vec<Listening>> {
        let cores = self.ports.first().map_or(0, |port| port.sockets.len());
        let mut by_core: Vec<Vec<Listening>> = (0..cores).map(|_| Vec::new()).collect();
        for port in self.ports {
            for (core, socket) in by_core.iter_mut().zip(port.sockets) {
                let tls = port.tls.clone();
                core.push(Listening { socket, tls });
            }
        }
        by_core
    }

    /// Starts one thread per core, each with the service that `make_service` builds for it.
    pub fn serve<S: Service>(
        self,
        limits: ServeLimits,
        flows: &FlowTable,
        shutdown: &CancellationToken,
        make_service: impl Fn(usize) -> S + Clone + Send + 'static,
    ) -> io::Result<Serving> {
        let seats = Arc::clone(flows.seats());
        let open = seats.counter();
        let live = Arc::new(LiveLimits::new(limits, Instant::now()));
        seats.guarded_by(live.in_force().gate.as_ref());
        let of_cores = Arc::clone(&live);
        let start = |(at, listening): (usize, Vec<Listening>)| {
            let (shard, shutdown) = (flows.shard(at), shutdown.clone());
            let (make_service, open) = (make_service.clone(), Arc::clone(&open));
            let live = Arc::clone(&of_cores);
            thread::Builder::new()
                .name(format!("serve-{at}"))
                .spawn(move || {
                    let core = Core {
                        service: make_service(at),
                        head: limits.head,
                        limits: Cell::new(limits),
                        shard,
                        clock: Clock::new(),
                        pool: BufferPool::new(limits.head.head_bytes),
                        tls_pool: Rc::new(BufferPool::new(TLS_BUFFER_BYTES)),
                        sweeper: Rc::new(Sweeper::new()),
                        in_force: RefCell::new(live.in_force()),
                        live,
                        open,
                    };
                    if let Err(error) = run_core(listening, core, &shutdown) {
                        tracing::error!(
                            event = "serving-ended", core = at, %error,
                            "a serving thread has ended; the node ends, too"
                        );
                        shutdown.cancel();
                    }
                })
        };
        let threads = self
            .by_core()
            .into_iter()
            .enumerate()
            .map(start)
            .collect::<io::Result<_>>()?;
        Ok(Serving {
            threads,
            live,
            seats,
        })
    }
}

impl Serving {
    /// Puts other limits in force, within about a second; the lengths of heads stay as they were.
    ///
    /// Bodies under way are not touched. A limit on clients that was there before holds for open
    /// connections too, one that is new for those that begin after it.
    pub fn change_limits(&self, limits: ServeLimits) {
        self.live.change(limits, Instant::now());
        self.seats.guarded_by(self.live.in_force().gate.as_ref());
    }

    /// Waits for the serving threads to end, after a shutdown.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!(
                    event = "thread-panicked",
                    thread = "serve",
                    "a serving thread has panicked"
                );
            }
        }
    }
}

fn run_core<S: Service>(
    listening: Vec<Listening>,
    core: Core<S>,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(disk::MAX_WAITING_THREADS)
        .build_local(runtime::LocalOptions::default())?;
    runtime.block_on(async {
        let core = Rc::new(core);
        spawn_local(sweep(Rc::clone(&core)));
        let mut accepting = Vec::new();
        for Listening { socket, tls } in listening {
            let listener = TcpListener::from_std(socket.into())?;
            accepting.push(spawn_local(accept_forever(listener, tls, Rc::clone(&core))));
        }
        shutdown.cancelled().await;
        for task in &accepting {
            task.abort();
        }
        drain(&core).await;
        Ok(())
    })
}

async fn accept_forever<S: Service>(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    core: Rc<Core<S>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Small answers must not wait for the acknowledgement of the last one.
                let _ = stream.set_nodelay(true);
                let Some(seat) = Seat::take(&core) else {
                    core.shard.tally().turned_away();
                    turn_away(&stream, tls.as_ref(), TOO_MANY);
                    continue;
                };
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                let Ok(permit) = core.permit(address) else {
                    turn_away(&stream, tls.as_ref(), TOO_MANY_OF_ONE);
                    continue;
                };
                core.shard.tally().accepted();
                let accepted = Accepted {
                    stream,
                    address,
                    permit,
                    seat,
                };
                let core = Rc::clone(&core);
                match tls.as_ref().map(|tls| tls.current()) {
                    None => {
                        let connection = accept::plain(accepted, core);
                        spawn_local(accept::serve_http1(connection));
                    }
                    Some(config) => {
                        spawn_local(accept::serve_tls(accepted, config, core));
                    }
                }
            }
            Err(error) => {
                tracing::warn!(
                    event = "accept-failed", %error,
                    "cannot accept a connection, trying again; if descriptors have run out, raise \
                     the limit (ulimit -n) or lower --max-connections"
                );
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Says why a connection is not served, where it can be said: a client that begins with TLS could
/// make nothing of it.
fn turn_away(stream: &TcpStream, tls: Option<&Arc<ServerTls>>, answer: &[u8]) {
    if tls.is_none() {
        // Whoever has gone already does not need it.
        let _ = stream.try_write(answer);
    }
}

impl<S> Core<S> {
    /// Lets a client in, if it may have one more connection.
    fn permit(&self, client: SocketAddr) -> Result<Option<Rc<ConnectionPermit>>, Refusal> {
        let permit = self
            .in_force
            .borrow()
            .gate
            .as_ref()
            .map(|gate| gate.connect(client.ip(), Instant::now()));
        Ok(permit.transpose()?.map(Rc::new))
    }

    /// The limits, as they are at the moment.
    pub(crate) fn limits(&self) -> ServeLimits {
        self.limits.get()
    }

    /// Takes over what was put in force since the last look.
    fn take_over(&self) {
        let now = self.live.in_force();
        if !Arc::ptr_eq(&now, &self.in_force.borrow()) {
            self.limits.set(now.limits);
            self.in_force.replace(now);
        }
    }
}

impl Patience {
    fn of(limits: &ServeLimits) -> Self {
        Self {
            idle: limits.idle,
            reading: limits.reading,
            sending: limits.sending,
            body_bytes_per_s: limits.least_body_rate.bytes_per_s() as u64,
            window: limits.window,
        }
    }
}

/// One of the connections that may be open.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take<S>(core: &Core<S>) -> Option<Self> {
        let seat = Self(Arc::clone(&core.open));
        (seat.0.fetch_add(1, Relaxed) < core.limits().connections).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn sweep<S: Service>(core: Rc<Core<S>>) {
    let mut ticks = interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        core.take_over();
        let now = Instant::now();
        core.sweeper
            .sweep(now, &Patience::of(&core.limits()), &core.shard);
        core.service.every_second(now);
    }
}

/// Lets running responses finish, for a while.
async fn drain<S: Service>(core: &Core<S>) {
    let deadline = Instant::now() + core.limits().drain;
    let mut ticks = interval(Duration::from_millis(20));
    while core.sweeper.waited_for() > 0 && Instant::now() < deadline {
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

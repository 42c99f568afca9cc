//! Putting a mirror together, and taking it apart again.
//!
//! The store is locked before the port is taken, and the port before the server is told about it. It
//! serves what it has from the first moment, whether or not the server is there.

mod change;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use overspill_core::{
    dispatch::Settings,
    fleet::{MemberId, Orders, Reach, Zone},
    secret::{FleetToken, Purpose},
    units::Rate,
};
use overspill_net::{
    BindError, Binding, FlowTable, ServeLimits, Serving, bind,
    client::{HttpClient, Patience, Trust},
};
use overspill_node::{
    Complaints, Console, LiveRate, Meter, NodeIdentity, NodeService, NodeSettings, OutboardDesk,
    Role, SharedDispatcher, capacity_prior, common_routes, events::event_routes, orders_elsewhere,
    raise_open_files,
};
use overspill_store::{
    index::{Index, IndexError},
    objects::{ObjectError, ObjectStore},
};
use overspill_wire::{fleet::SchemeName, status::FleetStatus};
use thiserror::Error;
use tokio::{
    runtime::{self, Runtime},
    sync::{mpsc, watch},
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    drain::Drain,
    fetch::Plan,
    link::{Link, Tie},
    replica::Replica,
    report::Arrivals,
    role::MirrorRole,
    rules::KeptRules,
    scrub::Scrub,
    session::{Applicant, ServerUrl},
    sync::{PARALLEL_FETCHES, Syncer},
};

/// Everything a mirror needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server's URL.
    pub server: String,
    /// The fleet token.
    pub token: FleetToken,
    /// Folder of the store.
    pub store: PathBuf,
    /// Where to listen; at least once. Others are told the first.
    pub listen: Vec<Binding>,
    /// Who may vouch for the server and other nodes when they are asked by https.
    pub trust: Trust,
    /// What clients are to use; the address the server sees, if not given.
    pub public_url: Option<String>,
    /// Who can reach it.
    pub reach: Reach,
    /// How it dispatches, and where it stands.
    pub dispatch: Settings,
    /// Egress capacity, if the operator knows it.
    pub capacity: Option<Rate>,
    /// How fast stored objects are read again to check them.
    pub scrub_rate: Rate,
    /// Serving threads.
    pub cores: usize,
    /// Caps and patience towards clients.
    pub limits: ServeLimits,
    /// What is set for its answers.
    pub settings: NodeSettings,
}

/// Why a mirror could not start. All the operator's to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The member's name could not be kept.
    #[error("cannot keep the member's name in {path}: {source}")]
    Name {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The public URL is none.
    #[error("{0:?} is not a URL clients could use; write for example http://mirror.example:8080")]
    PublicUrl(String),
    /// The server's URL is none.
    #[error("{0:?} is not a server's URL; write for example http://files.example:8080")]
    ServerUrl(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] ObjectError),
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// A running mirror.
pub struct Running {
    addresses: Vec<SocketAddr>,
    role: Arc<MirrorRole>,
    serving: Serving,
    control: Runtime,
    /// The scrub and the maker of outboards.
    watchers: [thread::JoinHandle<()>; 2],
    link: watch::Receiver<Link>,
    drain: Arc<Drain>,
    scrub_rate: LiveRate,
    shutdown: CancellationToken,
}

/// Threads for following, fetching and reporting.
const CONTROL_THREADS: usize = 2;
/// How often unused objects are looked for.
const COLLECT_EVERY: Duration = Duration::from_secs(30);
/// How often the dispatcher is told that time passes.
const TICK: Duration = Duration::from_millis(100);
/// How often egress is sampled and the index made durable.
const EVERY_SECOND: Duration = Duration::from_secs(1);

/// Starts a mirror; it serves what it has when this returns.
pub fn start(config: Config) -> Result<Running, StartError> {
    let server = ServerUrl::parse(&config.server)
        .ok_or_else(|| StartError::ServerUrl(config.server.clone()))?;
    let public_url = public_url(config.public_url.as_deref())?;
    let store = ObjectStore::open(&config.store)?;
    let member = member_name(&config.store)?;
    let (index, state) = Index::open(&config.store.join("index.redb"))?;
    tracing::debug!(?state, "index opened");
    let replica = Arc::new(Replica::open(store, index)?);
    let bound = bind(config.listen.clone(), config.cores)?;
    let addresses: Vec<SocketAddr> = bound.addresses().collect();
    let limits = config.limits.within(raise_open_files());

    let flows = Arc::new(FlowTable::new(config.cores));
    let (link_sender, link) = watch::channel(Link::Away(None));
    let applicant = applicant(&config, &member, public_url, &addresses);
    let role = Arc::new(make_role(
        &config,
        member,
        server,
        replica,
        &flows,
        link.clone(),
    ));
    let shutdown = CancellationToken::new();
    let (service_role, service_flows) = (Arc::clone(&role), Arc::clone(&flows));
    let router = common_routes(Arc::clone(&role))
        .merge(event_routes(&config.settings.events))
        .merge(orders_elsewhere(role.server.as_str()));
    let settings = NodeSettings {
        head: limits.head,
        ..config.settings.clone()
    };
    let serving = bound.serve(limits, &flows, &shutdown, move |core| {
        let (role, flows) = (Arc::clone(&service_role), Arc::clone(&service_flows));
        NodeService::new(role, router.clone(), flows, &settings, core)
    });
    let serving = serving.map_err(StartError::Thread)?;
    let rules = KeptRules::open(&config.store, &config.settings.rules);
    let tie = make_tie(
        &role,
        config.token,
        config.trust,
        applicant,
        rules,
        link_sender,
    );
    let drain = Arc::clone(&tie.drain);
    let control = start_control(tie, &role).map_err(StartError::Thread)?;
    let scrub_rate = LiveRate::from(config.scrub_rate);
    let watchers = start_watchers(&role, scrub_rate.clone(), &shutdown);
    let watchers = watchers.map_err(StartError::Thread)?;
    Ok(Running {
        addresses,
        role,
        serving,
        control,
        watchers,
        link,
        drain,
        scrub_rate,
        shutdown,
    })
}

/// What the server is told of this mirror at joining.
fn applicant(
    config: &Config,
    member: &MemberId,
    url: String,
    addresses: &[SocketAddr],
) -> Applicant {
    let zone = config.dispatch.zone.as_ref();
    Applicant {
        member: member.to_string(),
        url,
        port: addresses.first().map_or(0, SocketAddr::port),
        scheme: scheme(&config.listen),
        epoch: epoch(),
        zone: zone.map_or_else(String::new, Zone::to_string),
        reach: config.reach.into(),
    }
}

fn make_role(
    config: &Config,
    member: MemberId,
    server: ServerUrl,
    replica: Arc<Replica>,
    flows: &Arc<FlowTable>,
    link: watch::Receiver<Link>,
) -> MirrorRole {
    let client = HttpClient::with_trust(Patience::default(), config.trust.clone());
    let plan = Plan::new(server.clone());
    let meter = Arc::new(Meter::new(
        Arc::clone(flows),
        capacity_prior(config.capacity),
        Instant::now(),
    ));
    let dispatcher = SharedDispatcher::new(
        &config.token,
        Arc::clone(&meter),
        config.dispatch.clone(),
        Orders::default(),
        epoch(),
    );
    MirrorRole {
        syncer: Arc::new(Syncer::new(Arc::clone(&replica), client, plan)),
        outboards: Arc::new(OutboardDesk::new(replica.store.outboards().clone())),
        complaints: Arc::new(Complaints::default()),
        replica,
        arrivals: Arc::new(Arrivals::default()),
        meter,
        dispatcher: Arc::new(dispatcher),
        scrub: Arc::default(),
        drain: Arc::default(),
        identity: NodeIdentity {
            role: "mirror",
            name: member.to_string(),
            zone: config.dispatch.zone.as_ref().map(ToString::to_string),
            version: env!("CARGO_PKG_VERSION"),
            started: Instant::now(),
        },
        member,
        server,
        link,
        configuration: Arc::clone(&config.settings.configuration),
        console: Arc::new(Console::new(Arc::clone(flows), Instant::now())),
        ticket_key: config.token.derive(Purpose::Ticket, b""),
    }
}

fn make_tie(
    role: &MirrorRole,
    token: FleetToken,
    trust: Trust,
    applicant: Applicant,
    rules: KeptRules,
    state: watch::Sender<Link>,
) -> Tie {
    Tie {
        server: role.server.clone(),
        token,
        trust,
        applicant,
        replica: Arc::clone(&role.replica),
        syncer: Arc::clone(&role.syncer),
        meter: Arc::clone(&role.meter),
        arrivals: Arc::clone(&role.arrivals),
        dispatcher: Arc::clone(&role.dispatcher),
        drain: Arc::clone(&role.drain),
        rules,
        state,
    }
}

/// Starts everything that is not serving, on a runtime of its own.
fn start_control(tie: Tie, role: &Arc<MirrorRole>) -> io::Result<Runtime> {
    let syncer = &role.syncer;
    let control = runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()?;
    let (received, queue) = mpsc::channel(PARALLEL_FETCHES * 64);
    for _ in 0..PARALLEL_FETCHES {
        let (syncer, received) = (Arc::clone(syncer), received.clone());
        control.spawn(async move { syncer.fetch_forever(received).await });
    }
    let committer = Arc::clone(syncer);
    control.spawn(async move { committer.commit_forever(queue).await });
    let watcher = Arc::clone(syncer);
    control.spawn(async move { watcher.watch_disk_forever().await });
    control.spawn(keep_house(Arc::clone(role)));
    control.spawn(keep_time(Arc::clone(&tie.dispatcher)));
    control.spawn(tie.keep());
    Ok(control)
}

/// Tells the dispatcher that time passes.
async fn keep_time(dispatcher: Arc<SharedDispatcher>) {
    let mut tick = interval(TICK);
    loop {
        tick.tick().await;
        dispatcher.tick();
    }
}

/// What has to be done from time to time.
async fn keep_house(role: Arc<MirrorRole>) {
    let replica = &role.replica;
    let (mut second, mut collect) = (interval(EVERY_SECOND), interval(COLLECT_EVERY));
    loop {
        // Either tick may be cancelled: a missed one comes again.
        tokio::select! {
            _ = second.tick() => {
                let now = Instant::now();
                role.meter.sample(now);
                role.console.sample(&*role, now);
            }
            _ = collect.tick() => replica.collect_garbage(Instant::now()),
        }
        let replica = Arc::clone(replica);
        let written = tokio::task::spawn_blocking(move || replica.sync_index()).await;
        // Cancelled is what it is when the mirror ends.
        if let Err(error) = written
            && error.is_panic()
        {
            tracing::error!(
                event = "thread-panicked", thread = "index", %error,
                "writing the index has panicked"
            );
        }
    }
}

/// Starts the threads that look after what is held.
fn start_watchers(
    role: &Arc<MirrorRole>,
    rate: LiveRate,
    shutdown: &CancellationToken,
) -> io::Result<[thread::JoinHandle<()>; 2]> {
    let scrub = Scrub {
        replica: Arc::clone(&role.replica),
        rate,
        counts: Arc::clone(&role.scrub),
        complaints: Arc::clone(&role.complaints),
        shutdown: shutdown.clone(),
    };
    let scrubber = thread::Builder::new()
        .name("scrub".to_owned())
        .spawn(move || scrub.run())?;
    let outboards = role.outboards.start(Arc::clone(role), shutdown.clone())?;
    Ok([scrubber, outboards])
}

/// The member's lasting name, made at the first start of a store.
fn member_name(store: &Path) -> Result<MemberId, StartError> {
    let path = store.join("member");
    let error = |source| StartError::Name {
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(name) => name
            .trim()
            .parse()
            .map_err(|source| error(io::Error::other(source))),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 4];
            let no_randomness = |_| error(io::Error::other("the random source failed"));
            aws_lc_rs::rand::fill(&mut bytes).map_err(no_randomness)?;
            let name = format!("m-{:08x}", u32::from_be_bytes(bytes));
            fs::write(&path, format!("{name}\n")).map_err(error)?;
            name.parse()
                .map_err(|source| error(io::Error::other(source)))
        }
        Err(source) => Err(error(source)),
    }
}

fn public_url(given: Option<&str>) -> Result<String, StartError> {
    let Some(given) = given else {
        return Ok(String::new());
    };
    let parsed = ServerUrl::parse(given).ok_or_else(|| StartError::PublicUrl(given.to_owned()))?;
    Ok(parsed.as_str().to_owned())
}

/// What is spoken where others are told to come.
fn scheme(listen: &[Binding]) -> SchemeName {
    match listen.first() {
        Some(Binding { tls: Some(_), .. }) => SchemeName::Https,
        _ => SchemeName::Http,
    }
}

/// Names this process among those that used the same store: the time it started.
fn epoch() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
}

impl Running {
    /// The addresses it listens on, in the order of the bindings.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The mirror in figures.
    pub fn status(&self) -> FleetStatus {
        self.role.status()
    }

    /// The node, for whoever asks it how it is.
    pub fn node(&self) -> Arc<dyn Role> {
        Arc::clone(&self.role) as Arc<dyn Role>
    }

    /// How it stands with its server, now and later.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Resolves when the mirror has to end by itself, because a serving thread died.
    pub fn failed(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Asks for no new work, and waits until what there is has been done; not longer than `patience`.
    ///
    /// Serving and reporting go on meanwhile, and afterwards until [`Running::stop`].
    pub async fn drain(&self, patience: Duration) {
        self.drain.begin();
        // Told at once.
        self.role.replica.changed.notify_one();
        let finished = self.drain.finished(self.link(), &self.role.meter);
        // What is not over by then is finished, or cut, by stopping.
        let _ = timeout(patience, finished).await;
    }

    /// Stops accepting, lets running responses finish for a while, and closes everything.
    pub fn stop(self) {
        self.shutdown.cancel();
        self.role.console.close();
        self.serving.join();
        self.control.shutdown_timeout(Duration::from_secs(2));
        for watcher in self.watchers {
            watcher.thread().unpark();
            // A panic there has been printed already.
            let _ = watcher.join();
        }
    }
}

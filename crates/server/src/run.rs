//! Putting a server together, and taking it apart again.
//!
//! The order matters: the port is taken before anything else is touched, files are served before the
//! catalog is filled, and at the end the serving threads finish before the index is closed.

mod change;

use std::{
    ffi::OsStr,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use overspill_core::{dispatch::Settings, fleet::Orders, secret::FleetToken, units::Rate};
use overspill_net::{BindError, Binding, FlowTable, ServeLimits, Serving, bind};
use overspill_node::{
    Console, LiveRate, LiveTime, Meter, NodeIdentity, NodeService, NodeSettings, OutboardDesk,
    Role, SharedDispatcher, SharedRules, capacity_prior, common_routes, events::event_routes,
    raise_open_files,
};
use overspill_store::{
    index::IndexError,
    outboards::Outboards,
    tree::{Hidden, Tree, TreeError},
};
use overspill_wire::status::FleetStatus;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, AdminTokenError, Logins, admin_routes, admin_token_of},
    check::Checker,
    control::{Control, Sessions, control_routes},
    orders::KeptOrders,
    publish::{Loss, PublishConfig, Published, Publisher, random_instance},
    role::{ComplaintBoxes, ServerRole},
    scrub::Scrub,
    token::{TokenFileError, token_of},
};

/// Everything a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder to publish.
    pub tree: PathBuf,
    /// Where to listen; at least once. Others are told the first.
    pub listen: Vec<Binding>,
    /// Folder for the index and the token.
    pub state: PathBuf,
    /// Egress capacity, if the operator knows it.
    pub capacity: Option<Rate>,
    /// How requests are dispatched.
    pub dispatch: Settings,
    /// Whether dotfiles are published.
    pub hidden: Hidden,
    /// What to do about a scan that lost most of the tree.
    pub loss: Loss,
    /// How often the whole tree is looked at.
    pub scan_every: Duration,
    /// How fast files are read again to check them.
    pub scrub_rate: Rate,
    /// Serving threads.
    pub cores: usize,
    /// Caps and patience towards clients.
    pub limits: ServeLimits,
    /// What is set for its answers.
    pub settings: NodeSettings,
}

/// Why a server could not start. All the operator's to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The admin token.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The state folder.
    #[error("cannot use the state folder {path}: {source}; give a writable one with --state")]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state folder would be published, its secrets included.
    #[error(
        "the state folder {path} lies in the published folder, so everybody could read the tokens; \
         give another with --state"
    )]
    StatePublished {
        /// The folder.
        path: PathBuf,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A running server.
pub struct Running {
    addresses: Vec<SocketAddr>,
    token: FleetToken,
    role: Arc<ServerRole>,
    serving: Serving,
    publisher: Publisher,
    live: Live,
    shutdown: CancellationToken,
    ticker: thread::JoinHandle<()>,
    /// The check, the scrub, and the maker of outboards.
    watchers: [thread::JoinHandle<()>; 3],
}

/// What may be changed of the work that goes on beside serving.
#[derive(Clone)]
struct Live {
    scan_every: LiveTime,
    scrub_rate: LiveRate,
}

/// How often the fleet is told that time has passed.
const TICK: Duration = Duration::from_millis(100);
/// Length of an egress sample, in ticks.
const SAMPLE_TICKS: u32 = 10;

/// Whether clients of `tree` could read what lies in `folder`, which need not exist yet.
pub fn is_published(folder: &Path, tree: &Path, hidden: Hidden) -> bool {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    // What does not exist yet will lie below what does.
    let resolved = absolute.ancestors().find_map(|known| {
        let rest = absolute.strip_prefix(known).ok()?;
        Some(known.canonicalize().ok()?.join(rest))
    });
    let (Some(folder), Ok(tree)) = (resolved, tree.canonicalize()) else {
        return false;
    };
    let is_dotfile = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    folder
        .strip_prefix(&tree)
        .is_ok_and(|below| hidden == Hidden::Show || !below.iter().any(is_dotfile))
}

/// Starts a server; it serves when this returns.
pub fn start(config: Config) -> Result<Running, StartError> {
    let tree = Arc::new(Tree::open(&config.tree, config.hidden)?);
    let bound = bind(config.listen.clone(), config.cores)?;
    let addresses: Vec<SocketAddr> = bound.addresses().collect();
    let limits = config.limits.within(raise_open_files());
    let state_error = |source| StartError::State {
        path: config.state.clone(),
        source,
    };
    if is_published(&config.state, &config.tree, config.hidden) {
        return Err(StartError::StatePublished { path: config.state });
    }
    std::fs::create_dir_all(&config.state).map_err(state_error)?;
    let token = token_of(&config.state)?;
    let admin_token = admin_token_of(&config.state)?;
    let published = Arc::new(Published::new(random_instance()));
    let live = Live::of(&config);
    let publisher = start_publisher(&config, &live, &tree, &published)?;

    let flows = Arc::new(FlowTable::new(config.cores));
    let (kept, orders) = KeptOrders::open(&config.state);
    let role = Arc::new(make_role(&config, tree, published, &flows, &token, orders));
    let control = make_control(&role, &token, &config.settings.rules, kept);
    let admin = Arc::new(Admin {
        logins: Mutex::new(Logins::new(admin_token)),
        control: Arc::clone(&control),
    });
    let router = common_routes(Arc::clone(&role))
        .merge(event_routes(&config.settings.events))
        .merge(control_routes(control))
        .merge(admin_routes(admin));
    let shutdown = CancellationToken::new();
    let (service_role, service_flows) = (Arc::clone(&role), Arc::clone(&flows));
    let settings = NodeSettings {
        head: limits.head,
        ..config.settings.clone()
    };
    let serving = bound.serve(limits, &flows, &shutdown, move |core| {
        let (role, flows) = (Arc::clone(&service_role), Arc::clone(&service_flows));
        NodeService::new(role, router.clone(), flows, &settings, core)
    });
    let serving = serving.map_err(StartError::Thread)?;
    let ticker = start_ticker(&role, &shutdown).map_err(StartError::Thread)?;
    let watchers = start_watchers(&config, &live, &role, &shutdown).map_err(StartError::Thread)?;
    Ok(Running {
        addresses,
        token,
        role,
        serving,
        publisher,
        live,
        shutdown,
        ticker,
        watchers,
    })
}

impl Live {
    fn of(config: &Config) -> Self {
        Self {
            scan_every: config.scan_every.into(),
            scrub_rate: config.scrub_rate.into(),
        }
    }
}

/// Starts the threads that look after what is served.
fn start_watchers(
    config: &Config,
    live: &Live,
    role: &Arc<ServerRole>,
    shutdown: &CancellationToken,
) -> io::Result<[thread::JoinHandle<()>; 3]> {
    let checker = Checker {
        tree: Arc::clone(&role.tree),
        published: Arc::clone(&role.published),
        dispatcher: Arc::clone(&role.dispatcher),
        outboards: Arc::clone(&role.outboards),
        damage: Arc::clone(&role.damage),
        complaints: Arc::clone(&role.complaints.of_members),
        own_complaints: Arc::clone(&role.complaints.of_own),
        shutdown: shutdown.clone(),
    };
    let scrub = Scrub {
        tree: Arc::clone(&role.tree),
        published: Arc::clone(&role.published),
        damage: Arc::clone(&role.damage),
        counts: Arc::clone(&role.scrub),
        outboards: role.outboards.stored().clone(),
        complaints: Arc::clone(&role.complaints.of_own),
        rate: live.scrub_rate.clone(),
        place: config.state.join("scrub"),
        shutdown: shutdown.clone(),
    };
    let outboards = role.outboards.start(Arc::clone(role), shutdown.clone())?;
    Ok([checker.start()?, scrub.start()?, outboards])
}

/// The outboards of a server's files.
fn outboards(config: &Config) -> Outboards {
    Outboards::at(config.state.join("outboards"))
}

fn start_publisher(
    config: &Config,
    live: &Live,
    tree: &Arc<Tree>,
    published: &Arc<Published>,
) -> Result<Publisher, IndexError> {
    let config = PublishConfig {
        index: config.state.join("index.redb"),
        outboards: outboards(config),
        scan_every: live.scan_every.clone(),
        hashers: config.cores.div_ceil(2),
        loss: config.loss,
    };
    Publisher::start(Arc::clone(tree), Arc::clone(published), config)
}

fn make_role(
    config: &Config,
    tree: Arc<Tree>,
    published: Arc<Published>,
    flows: &Arc<FlowTable>,
    token: &FleetToken,
    orders: Orders,
) -> ServerRole {
    let meter = Arc::new(Meter::new(
        Arc::clone(flows),
        capacity_prior(config.capacity),
        Instant::now(),
    ));
    // Only ties are broken by it, so the instance's randomness will do for a seed.
    let seed = random_instance().0;
    let dispatcher = SharedDispatcher::new(
        token,
        Arc::clone(&meter),
        config.dispatch.clone(),
        orders,
        seed,
    );
    ServerRole {
        tree,
        published,
        dispatcher: Arc::new(dispatcher),
        meter,
        identity: NodeIdentity {
            role: "server",
            name: "server".to_owned(),
            zone: config.dispatch.zone.as_ref().map(ToString::to_string),
            version: env!("CARGO_PKG_VERSION"),
            started: Instant::now(),
        },
        outboards: Arc::new(OutboardDesk::new(outboards(config))),
        damage: Arc::default(),
        scrub: Arc::default(),
        complaints: ComplaintBoxes::default(),
        configuration: Arc::clone(&config.settings.configuration),
        console: Arc::new(Console::new(Arc::clone(flows), Instant::now())),
    }
}

fn make_control(
    role: &ServerRole,
    token: &FleetToken,
    rules: &SharedRules,
    orders: KeptOrders,
) -> Arc<Control> {
    Arc::new(Control {
        sessions: Mutex::new(Sessions::new(token.clone())),
        orders: Mutex::new(orders),
        dispatcher: Arc::clone(&role.dispatcher),
        published: Arc::clone(&role.published),
        rules: Arc::clone(rules),
    })
}

/// Tells the fleet and the meter that time passes.
fn start_ticker(
    role: &Arc<ServerRole>,
    shutdown: &CancellationToken,
) -> io::Result<thread::JoinHandle<()>> {
    let (role, shutdown) = (Arc::clone(role), shutdown.clone());
    thread::Builder::new()
        .name("tick".to_owned())
        .spawn(move || {
            let mut ticks = 0_u32;
            while !shutdown.is_cancelled() {
                thread::park_timeout(TICK);
                ticks = ticks.wrapping_add(1);
                role.dispatcher.tick();
                if ticks.is_multiple_of(SAMPLE_TICKS) {
                    let now = Instant::now();
                    role.meter.sample(now);
                    let clients = role.meter.client_samples();
                    role.dispatcher.see_own_clients(&clients);
                    role.console.sample(&*role, now);
                }
            }
        })
}

impl Running {
    /// The addresses it listens on, in the order of the bindings.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The fleet token, for the join command.
    pub fn token(&self) -> &FleetToken {
        &self.token
    }

    /// The server and its fleet in figures.
    pub fn status(&self) -> FleetStatus {
        self.role.status()
    }

    /// The node, for whoever asks it how it is.
    pub fn node(&self) -> Arc<dyn Role> {
        Arc::clone(&self.role) as Arc<dyn Role>
    }

    /// Waits until the tree has been seen whole. Cancel-safe: it only waits.
    pub async fn scanned(&self) {
        self.role.published.scanned().await;
    }

    /// Whether the tree has been seen whole.
    pub fn is_scanned(&self) -> bool {
        self.role.is_ready()
    }

    /// Resolves when the server has to end by itself, because a serving thread died.
    pub fn failed(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Stops accepting, lets running responses finish for a while, and closes everything.
    pub fn stop(self) {
        self.shutdown.cancel();
        self.role.console.close();
        self.ticker.thread().unpark();
        self.serving.join();
        self.publisher.stop();
        // They only look; a panic there has been printed already.
        let _ = self.ticker.join();
        for watcher in self.watchers {
            watcher.thread().unpark();
            let _ = watcher.join();
        }
    }
}

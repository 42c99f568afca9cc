//! TLS for the listeners: which certificate we show, and on what terms.
//!
//! A [`ServerTls`] holds one [`ServerConfig`] behind an atomic pointer, so a renewed certificate
//! takes effect between two handshakes and no connection notices. All of our use of rustls is here
//! and in `client`, because its next version changes what connections look like. It must never
//! replace a certificate that works by one that does not, and never show a private key to anyone
//! but rustls.

mod certificates;
mod error;
mod reload;
mod self_signed;
mod shown;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, ProducesTickets},
    sign::SingleCertAndKey,
    version::{TLS12, TLS13},
};

pub(crate) use self::certificates::read_chain;
use self::{certificates::Identity, reload::Stamps, self_signed::SelfSigned};
pub use self::{
    certificates::{Description, PemFiles},
    error::TlsError,
    reload::Watcher,
    self_signed::SelfSignedPlace,
    shown::{ShownCertificate, shown_certificate},
};

/// The certificate of a node and everything a handshake needs beside it.
///
/// Shared by all cores: each asks for [`ServerTls::current`] when it accepts a connection, which
/// costs one atomic load.
#[derive(Debug)]
pub struct ServerTls {
    /// Locked while the certificate is read, so that an old one never replaces a new one.
    source: Mutex<Arc<Source>>,
    terms: Terms,
    active: ArcSwap<Active>,
    problem: ArcSwapOption<String>,
}

/// What is in force.
#[derive(Debug)]
struct Active {
    config: Arc<ServerConfig>,
    description: Arc<Description>,
    /// The files as they were just before they were read.
    stamps: Stamps,
}

/// Where the certificate comes from.
#[derive(Debug)]
enum Source {
    Files(PemFiles),
    SelfSigned(SelfSigned),
}

/// What stays the same from one certificate to the next.
#[derive(Debug)]
struct Terms {
    provider: Arc<CryptoProvider>,
    /// Kept across reloads: a client that resumes after a renewal had better not pay for a full
    /// handshake. It changes its keys by itself every six hours.
    ticketer: Arc<dyn ProducesTickets>,
}

/// Protocols offered, the preferred one first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Tickets after a full TLS 1.3 handshake. A ticket is good for one resumption if it is not to
/// link connections (RFC 8446, appendix C.4); two serve the pair of connections that browsers and
/// download programs like to open, and each costs the server an encryption and 250 bytes.
const TICKETS: usize = 2;
/// The largest payload of a record, in bytes: what TLS allows (RFC 8446, section 5.1), and rustls'
/// default, spelled out because it was chosen. Small records would bring a slow client its first
/// bytes sooner, at the price of more encryptions, more headers and more copies per megabyte; we
/// send files, of which a part is worth nothing.
const RECORD_BYTES: usize = 16 << 10;
/// What rustls counts into its fragment size beside the payload: the header of a record.
const RECORD_HEADER_BYTES: usize = 5;

impl ServerTls {
    /// TLS with the certificate and key in `files`.
    ///
    /// # Errors
    /// When the pair could not be shown to a client today: see [`TlsError`].
    pub fn from_files(files: PemFiles) -> Result<Self, TlsError> {
        Self::start(Source::Files(files), SystemTime::now())
    }

    /// TLS with a certificate that nobody vouches for, made at the first start and kept in `place`,
    /// so that who has trusted it once recognises it after a restart.
    ///
    /// # Errors
    /// When it can neither be read nor written there.
    pub fn self_signed(place: SelfSignedPlace) -> Result<Self, TlsError> {
        let source = Source::SelfSigned(SelfSigned::new(place));
        Self::start(source, SystemTime::now())
    }

    /// What to accept the next connection with.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.active.load().config)
    }

    /// The certificate in force: names, end, fingerprint.
    pub fn describe(&self) -> Arc<Description> {
        Arc::clone(&self.active.load().description)
    }

    /// Why the last [`ServerTls::reload`] left the older certificate in force; `None` if it did not.
    pub fn problem(&self) -> Option<Arc<String>> {
        self.problem.load_full()
    }

    /// Reads the certificate again and puts it in force for new connections.
    ///
    /// # Errors
    /// When it could not be shown to a client; then the one in force stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.reload_at(SystemTime::now())
    }

    /// Whether the certificate is read from these files.
    pub fn reads(&self, files: &PemFiles) -> bool {
        matches!(&**self.source(), Source::Files(own) if own == files)
    }

    /// Shows the certificate in other files from now on.
    ///
    /// # Errors
    /// When it could not be shown to a client; then files and certificate stay as they are.
    pub fn use_files(&self, files: PemFiles) -> Result<(), TlsError> {
        let files = Source::Files(files);
        let mut source = self.source();
        let active = Active::load(&files, &self.terms, SystemTime::now())?;
        *source = Arc::new(files);
        self.active.store(Arc::new(active));
        self.problem.store(None);
        Ok(())
    }

    /// A panic while a certificate was read left the one in force as it was.
    fn source(&self) -> MutexGuard<'_, Arc<Source>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(source: Source, now: SystemTime) -> Result<Self, TlsError> {
        let terms = Terms {
            provider: Arc::new(aws_lc_rs::default_provider()),
            ticketer: aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?,
        };
        let active = ArcSwap::from_pointee(Active::load(&source, &terms, now)?);
        Ok(Self {
            source: Mutex::new(Arc::new(source)),
            terms,
            active,
            problem: ArcSwapOption::empty(),
        })
    }

    fn reload_at(&self, now: SystemTime) -> Result<(), TlsError> {
        let source = self.source();
        match Active::load(&source, &self.terms, now) {
            Ok(active) => {
                self.active.store(Arc::new(active));
                self.problem.store(None);
                Ok(())
            }
            Err(error) => {
                self.problem.store(Some(Arc::new(error.to_string())));
                Err(error)
            }
        }
    }

    /// Whether the certificate is ours to renew, and it is time to.
    fn is_due(&self, now: SystemTime) -> bool {
        match &**self.source() {
            Source::Files(_) => false,
            Source::SelfSigned(_) => self_signed::is_due(&self.describe(), now),
        }
    }
}

impl Active {
    fn load(source: &Source, terms: &Terms, now: SystemTime) -> Result<Self, TlsError> {
        // Before reading: what changes in between is one more change to the watcher.
        let stamps = source.stamps();
        let identity = match source {
            Source::Files(files) => Identity::read(files, &terms.provider, now)?,
            Source::SelfSigned(own) => own.read_or_make(&terms.provider, now)?,
        };
        Ok(Self {
            config: terms.config(&identity)?,
            description: Arc::new(identity.description),
            stamps,
        })
    }
}

impl Source {
    fn stamps(&self) -> Stamps {
        match self {
            Self::Files(files) => Stamps::of(files),
            Self::SelfSigned(_) => Stamps::OWN,
        }
    }
}

impl Terms {
    fn config(&self, identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
        let resolver = SingleCertAndKey::from(Arc::clone(&identity.key));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        config.ticketer = Arc::clone(&self.ticketer);
        // Tickets carry the state; without this a client could have us remember sessions.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = TICKETS;
        config.max_fragment_size = Some(RECORD_BYTES + RECORD_HEADER_BYTES);
        Ok(Arc::new(config))
    }
}

/// The time since 1970 in whole seconds; a clock before that is as good as at it.
fn unix_s(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests;

//! TLS as the command line asks for it.
//!
//! It decides nothing about certificates; `net` reads them, and says what is wrong with them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use overspill_net::{
    any_address,
    tls::{PemFiles, SelfSignedPlace, ServerTls, TlsError, Watcher},
};

use super::{Contradiction, parse_listen};

/// Options of TLS.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Certificate chain for https, PEM; read again when the file changes
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Make a certificate that nobody vouches for, and keep it: for a try
    ///
    /// Clients have to be told to trust it: the greeting names the file for --ca-file or
    /// curl --cacert.
    #[arg(long, conflicts_with = "tls_cert")]
    tls_self_signed: bool,
    /// Address and port for https [default: every address, port 8443]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    tls_listen: Option<SocketAddr>,
    /// Tell browsers to use nothing but https for so long, such as 365days [default: not told]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    hsts: Option<Duration>,
}

/// The https side of a node. To be kept while it serves: it notices renewed certificates.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Arc<ServerTls>,
    pub(crate) trust: Vouched,
    watcher: Watcher,
}

/// Who vouches for a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Vouched {
    /// Whoever signed it.
    ByAuthority,
    /// Nobody.
    ByNobody,
}

impl Secured {
    /// Shows the certificate that other files hold, if the files are others; and has the certificate
    /// read again, as whoever asks for a reload expects.
    ///
    /// # Errors
    /// When the new one cannot be shown; then the old one stays.
    pub(crate) fn take_over(&self, after: &TlsArgs) -> Result<(), TlsError> {
        match after.files() {
            Some(files) if self.trust == Vouched::ByAuthority && !self.tls.reads(&files) => {
                self.tls.use_files(files)
            }
            _ => {
                self.watcher.read_now();
                Ok(())
            }
        }
    }
}

/// The https port when none is given.
const DEFAULT_PORT: u16 = 8443;

impl TlsArgs {
    /// The https side, if there is to be one; `state` is where a certificate of our own is kept.
    pub(crate) fn secured(&self, state: &Path) -> Result<Option<Secured>, String> {
        let listen = self.tls_listen.unwrap_or_else(|| any_address(DEFAULT_PORT));
        let (tls, trust) = match self.files() {
            Some(files) => (ServerTls::from_files(files), Vouched::ByAuthority),
            None if self.tls_self_signed => {
                let folder = state.join("tls");
                let place = SelfSignedPlace { folder, listen };
                (ServerTls::self_signed(place), Vouched::ByNobody)
            }
            None => return Ok(None),
        };
        let tls = Arc::new(tls.map_err(|error: TlsError| error.to_string())?);
        let watcher = Watcher::start(Arc::clone(&tls));
        let watcher = watcher.map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Some(Secured {
            listen,
            tls,
            trust,
            watcher,
        }))
    }

    /// The certificate files, if there are to be any.
    pub(crate) fn files(&self) -> Option<PemFiles> {
        let (cert, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(PemFiles { cert, key })
    }

    /// Whether https is to be spoken.
    pub(crate) fn is_given(&self) -> bool {
        self.tls_self_signed || self.tls_cert.is_some()
    }

    /// Files that cannot be shown to a client.
    pub(crate) fn disk_problems(&self) -> Vec<Contradiction> {
        let read = self.files().map(ServerTls::from_files);
        let error = read.and_then(Result::err);
        let problem = error.map(|error| Contradiction {
            options: vec!["--tls-cert", "--tls-key"],
            message: match error {
                TlsError::Unreadable { .. } => format!("{error}; give files that can be read"),
                error => error.to_string(),
            },
        });
        problem.into_iter().collect()
    }

    /// How long browsers are to insist on https.
    pub(crate) fn hsts(&self) -> Option<Duration> {
        self.hsts
    }
}

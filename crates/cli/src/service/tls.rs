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

use super::parse_listen;

/// Options of TLS.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Certificate chain for https, PEM; read again when the file changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
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
    _watcher: Watcher,
}

/// Who vouches for a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Vouched {
    /// Whoever signed it.
    ByAuthority,
    /// Nobody.
    ByNobody,
}

/// The https port when none is given.
const DEFAULT_PORT: u16 = 8443;

impl TlsArgs {
    /// The https side, if there is to be one; `state` is where a certificate of our own is kept.
    pub(crate) fn secured(&self, state: &Path) -> Result<Option<Secured>, String> {
        let listen = self.tls_listen.unwrap_or_else(|| any_address(DEFAULT_PORT));
        let (tls, trust) = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => {
                let files = PemFiles {
                    cert: cert.clone(),
                    key: key.clone(),
                };
                (ServerTls::from_files(files), Vouched::ByAuthority)
            }
            _ if self.tls_self_signed => {
                let folder = state.join("tls");
                let place = SelfSignedPlace { folder, listen };
                (ServerTls::self_signed(place), Vouched::ByNobody)
            }
            _ => return self.without(),
        };
        let tls = Arc::new(tls.map_err(|error: TlsError| error.to_string())?);
        let watcher = Watcher::start(Arc::clone(&tls));
        let watcher = watcher.map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Some(Secured {
            listen,
            tls,
            trust,
            _watcher: watcher,
        }))
    }

    /// How long browsers are to insist on https.
    pub(crate) fn hsts(&self) -> Option<Duration> {
        self.hsts
    }

    fn without(&self) -> Result<Option<Secured>, String> {
        let alone = match (&self.tls_listen, &self.hsts) {
            (Some(_), _) => "--tls-listen",
            (None, Some(_)) => "--hsts",
            (None, None) => return Ok(None),
        };
        Err(format!(
            "{alone} needs a certificate: give --tls-cert and --tls-key, or --tls-self-signed"
        ))
    }
}

//! The client as a library: get, ls, find; the state of a fleet, its reasons, and orders to it.
//!
//! A [`Download`] brings one file from an Overspill server, or from any HTTP server, to a path: it
//! follows redirects to mirrors, leaves a mirror that fails, continues where it stopped, and gives
//! the file its name only after its BLAKE3 root was checked. [`Folder`] lists and searches a tree,
//! [`fleet_status`] asks a node about its fleet, [`explain()`] about its reasons, and [`give_order`]
//! tells a server what to do. Nothing here prints, and nothing here may ever put
//! bytes under the final name that were not checked as far as the server lets them be.
//!
//! ```no_run
//! use overspill_client::{Download, HttpClient, HttpUrl, Patience, Progress};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = HttpClient::new(Patience::default());
//! let url = HttpUrl::parse("http://files.example:8080/big.iso")?;
//! let outcome = Download::new(url)
//!     .to("/srv/images")
//!     .run(&client, &mut |progress: &Progress| {
//!         if let Progress::Redirected { member } = progress {
//!             eprintln!("from {member}");
//!         }
//!     })
//!     .await?;
//! assert!(outcome.bytes > 0);
//! # Ok(())
//! # }
//! ```
//!
//! Start reading at [`Download::run`]; what one answer of a server means is decided in `answer`, a
//! pure function, and where to ask next in `sources`.

mod answer;
mod ask;
mod download;
mod error;
mod events;
mod exit;
mod explain;
mod fleet;
mod folder;
mod follow;
mod intake;
mod metalink;
mod order;
mod part;
mod persistence;
pub mod probe;
mod progress;
mod pull;
mod sources;
mod tree;
mod url;

pub use overspill_net::{
    client::{
        CertificateFault, ClientError, ClientSettings, Credentials, CredentialsError, HttpClient,
        Patience, Proxies, ProxyError, Trust, TrustError,
    },
    tls::{ShownCertificate, TlsError, shown_certificate},
};

pub use self::{
    ask::AskError,
    download::{Completion, Download, OnChange, OnExisting, Outcome, Served, Verification},
    error::{DownloadError, Fault},
    events::events,
    exit::Exit,
    explain::{decisions, explain},
    fleet::fleet_status,
    folder::{Folder, Located},
    metalink::{METALINK_BYTES_MAX, Metalink, MetalinkError},
    order::{OrderError, give_order},
    persistence::Persistence,
    progress::{Observer, Progress},
    tree::{TreeDownload, TreeObserver, TreeOutcome},
    url::{HttpUrl, NameError, UrlError},
};

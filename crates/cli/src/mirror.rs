//! `overspill mirror`: a mirror.
//!
//! Serves what it has at once, whether or not the server is there; ends by itself only when the
//! server refuses it for good at the first try, or the operator has removed it.

use std::{io::Write, path::PathBuf, process::ExitCode};

use overspill_core::{
    dispatch::{Offload, Way},
    fleet::Reach,
    policy::PolicyKind,
    units::{Rate, counted, display_size},
};
use overspill_mirror::{Config, Link, Running, start};
use overspill_node::NodeSettings;

use crate::{
    serve::with_cause,
    service::{Common, EndSignals, Surroundings, short_name, state_folder},
    terminal::complain,
    token::TokenArgs,
    trust::TrustArgs,
};

/// Hold verified copies of a server's files and share its load: a mirror
///
/// Run it with the line that `overspill serve` printed. SIGTERM or SIGINT drains it: the server sends
/// nobody there any more, running downloads finish; a second one ends at once. Exit codes: 0 when
/// asked to end, 1 when it could not start, the server refused it or the operator removed it, 130
/// when asked twice.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server's URL, such as http://files.example:8080
    #[arg(value_name = "SERVER_URL")]
    server: String,
    /// Folder for the copies [default: below the user's state folder, by server]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// URL that clients are sent to [default: the address the server sees]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Only the server can reach this mirror: it relays what is stored here, and sends nobody
    #[arg(long)]
    private: bool,
    #[command(flatten)]
    token: TokenArgs,
    /// How fast stored files are read again to check them
    #[arg(long, value_name = "RATE", default_value = "8MiB/s")]
    scrub_rate: Rate,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    common: Common,
}

const WITHOUT_TOKEN: &str = "a mirror needs the fleet token: run it with the line that `overspill \
                             serve` printed, or give --token-file";

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    args.common.begin();
    let prepared = args
        .common
        .surroundings(&args.store_folder())
        .and_then(|surroundings| {
            let config = args.config(&surroundings)?;
            Ok((surroundings, config))
        });
    let (mut surroundings, config) = match prepared {
        Ok(prepared) => prepared,
        Err(text) => {
            complain(text);
            return ExitCode::FAILURE;
        }
    };
    let (store, patience) = (config.store.clone(), config.limits.drain);
    // Opening may read a large index; nothing else runs yet.
    let running = match tokio::task::spawn_blocking(|| start(config)).await {
        Ok(Ok(running)) => running,
        Ok(Err(error)) => {
            complain(with_cause(&error));
            return ExitCode::FAILURE;
        }
        Err(error) => {
            complain(error);
            return ExitCode::FAILURE;
        }
    };
    surroundings.answer_for(running.node());
    let mut signals = EndSignals::new();
    greet(&running, &surroundings, &store);
    let failed = running.failed();
    let mut link = running.link();
    // Both only wait.
    let refusal = tokio::select! {
        () = signals.until_asked(&failed, &mut surroundings.access) => None,
        refusal = refused(&mut link) => Some(refusal),
    };
    let code = match &refusal {
        Some(reason) => {
            complain(reason);
            ExitCode::FAILURE
        }
        None if failed.is_cancelled() => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    };
    if code == ExitCode::SUCCESS {
        surroundings.ending();
        tracing::info!("ending when all downloads are through; ask again to end at once");
        signals.unless_again(running.drain(patience)).await;
    }
    let stop = move || {
        running.stop();
        // After the last flow, so that its line is written.
        drop(surroundings);
    };
    let stopping = tokio::task::spawn_blocking(stop);
    signals.unless_again(stopping).await;
    code
}

/// Waits until the server has refused the mirror for good.
async fn refused(link: &mut tokio::sync::watch::Receiver<Link>) -> String {
    let refused = link.wait_for(|link| matches!(link, Link::Refused(_))).await;
    if let Ok(link) = refused
        && let Link::Refused(refusal) = &*link
    {
        return refusal.to_string();
    }
    // The link ended with the mirror; whoever ends the mirror knows why.
    std::future::pending().await
}

impl Args {
    fn server(&self) -> &str {
        self.server.trim_end_matches('/')
    }

    /// The folder for the copies and a certificate of our own.
    fn store_folder(&self) -> PathBuf {
        let name = short_name(self.server().as_bytes());
        let default = || state_folder(&format!("mirror-{name}"));
        self.store.clone().unwrap_or_else(default)
    }

    fn config(&self, surroundings: &Surroundings) -> Result<Config, String> {
        Ok(Config {
            server: self.server().to_owned(),
            token: self.token.token(WITHOUT_TOKEN)?,
            store: self.store_folder(),
            trust: self
                .trust
                .trust()
                .map_err(|error| format!("--ca-file: {error}"))?,
            listen: surroundings.bindings(),
            public_url: self.public_url.clone(),
            reach: match self.private {
                true => Reach::Private,
                false => Reach::Public,
            },
            dispatch: self.common.dispatch.settings(
                PolicyKind::TwoChoices,
                (Offload::WhenBusy, Way::Suited),
                surroundings.zones.clone(),
            ),
            capacity: surroundings.capacity,
            scrub_rate: self.scrub_rate,
            cores: self.common.cores(),
            limits: surroundings.limits,
            settings: NodeSettings {
                striping: self.common.dispatch.striping(),
                ..surroundings.settings()
            },
        })
    }
}

fn greet(running: &Running, surroundings: &Surroundings, store: &std::path::Path) {
    let urls = surroundings.urls(running.addresses());
    let certificate = surroundings.about_certificate();
    let note = certificate.map_or_else(String::new, |text| format!("{text}\n\n"));
    let agent = surroundings.about_agent();
    let catalog = running.status().catalog;
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; serving goes on all the same.
    let _ = writeln!(
        out,
        "Mirror {} ({}, {} from before) at\n\n    {}/\n\n{note}{agent}Store: {}",
        running.status().node.name,
        counted(catalog.files, "file"),
        display_size(catalog.bytes),
        urls.join("/\n    "),
        store.display(),
    );
    let _ = out.flush();
}

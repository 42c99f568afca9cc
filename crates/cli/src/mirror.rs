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

use crate::{
    config::{Effective, Given, Role, ServiceArgs, Settled},
    serve::with_cause,
    service::{
        Common, Contradiction, EndSignals, Refused, Reloading, Surroundings, short_name,
        state_folder, unusable_folder,
    },
    terminal::complain,
    token::TokenArgs,
    trust::TrustArgs,
};

/// Hold verified copies of a server's files and share its load: a mirror
///
/// Run it with the line that `overspill serve` printed. SIGTERM or SIGINT drains it: the server sends
/// nobody there any more, running downloads finish; a second one ends at once; SIGHUP reads the
/// configuration file again. Exit codes: 0 when asked to end, 1 when it could not start, the server
/// refused it or the operator removed it, 130 when asked twice.
#[derive(Clone, Debug, clap::Args)]
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
pub(crate) async fn run(given: Given<Args>) -> ExitCode {
    let mut reloading = match Reloading::begin(given) {
        Ok(reloading) => reloading,
        Err(problems) => {
            problems.iter().for_each(complain);
            return ExitCode::FAILURE;
        }
    };
    reloading.settled.args.common.begin();
    match prepare(&reloading).await {
        Ok((running, config, surroundings)) => {
            greet(&running, &surroundings, &config.store);
            serve(running, config, surroundings, &mut reloading).await
        }
        Err(text) => {
            complain(text);
            ExitCode::FAILURE
        }
    }
}

/// Opens everything and starts serving; otherwise the complaint.
async fn prepare(reloading: &Reloading<Args>) -> Result<(Running, Config, Surroundings), String> {
    let Settled { args, effective } = &reloading.settled;
    let surroundings =
        args.common
            .surroundings(&args.store_folder(), effective, reloading.problem())?;
    let config = args.config(&surroundings, effective)?;
    let starting = config.clone();
    // Opening may read a large index; nothing else runs yet.
    match tokio::task::spawn_blocking(|| start(starting)).await {
        Ok(Ok(running)) => Ok((running, config, surroundings)),
        Ok(Err(error)) => Err(with_cause(&error)),
        Err(error) => Err(error.to_string()),
    }
}

/// Serves until it is asked to end or refused, and sees the end through.
async fn serve(
    running: Running,
    mut config: Config,
    mut surroundings: Surroundings,
    reloading: &mut Reloading<Args>,
) -> ExitCode {
    surroundings.answer_for(running.node());
    let mut signals = EndSignals::new();
    let failed = running.failed();
    let mut link = running.link();
    let tending = surroundings.tend(reloading, |surroundings, before, after| {
        let changed = after.args.config(surroundings, &after.effective);
        let changed = changed.map_err(Refused)?;
        surroundings.take_over(&before.args.common, &after.args.common)?;
        running.change(&config, &changed);
        config = changed;
        Ok(())
    });
    // Both only wait.
    let refusal = tokio::select! {
        () = signals.until_asked(&failed, tending) => None,
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
        tracing::info!(
            event = "node-ending",
            "ending: running downloads may finish; ask again to end at once"
        );
        let drained = async {
            // A balancer in front hears of it while the server does.
            tokio::join!(surroundings.ending(), running.drain(config.limits.drain))
        };
        signals.unless_again(drained).await;
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

impl ServiceArgs for Args {
    const ROLE: Role = Role::Mirror;
    const PLACEHOLDER: &str = "http://localhost:8080";

    fn contradictions(&self) -> Vec<Contradiction> {
        self.common.contradictions()
    }

    fn disk_problems(&self) -> Vec<Contradiction> {
        let mut found = self.common.disk_problems();
        if let Some(reason) = self.store.as_deref().and_then(unusable_folder) {
            found.push(Contradiction {
                options: vec!["--store"],
                message: format!("cannot use the store: {reason}; give a writable folder"),
            });
        }
        if let Err(error) = self.trust.trust() {
            found.push(Contradiction {
                options: vec!["--ca-file"],
                message: error.to_string(),
            });
        }
        found.extend(self.token.disk_problem().map(|message| Contradiction {
            options: vec!["--token-file"],
            message,
        }));
        found
    }
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

    fn config(&self, surroundings: &Surroundings, effective: &Effective) -> Result<Config, String> {
        let limits = self.common.serve_limits();
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
                effective.zones.clone(),
            ),
            capacity: self.common.egress_capacity(),
            scrub_rate: self.scrub_rate,
            cores: self.common.cores(),
            limits,
            settings: surroundings.settings(&limits),
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

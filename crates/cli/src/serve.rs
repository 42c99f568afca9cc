//! `overspill serve`: the server.
//!
//! Prints where it serves and how to join, then serves until it is asked to end.

use std::{io::Write, os::unix::ffi::OsStrExt, path::PathBuf, process::ExitCode, time::Duration};

use overspill_core::{
    dispatch::{Offload, Way},
    policy::PolicyKind,
    units::{Rate, counted, display_size},
};
use overspill_server::{ADMIN_TOKEN_FILE, Config, Loss, Running, is_published, start};
use overspill_store::tree::{Hidden, Tree};

use crate::{
    config::{Effective, Given, Role, ServiceArgs},
    service::{
        Common, Contradiction, EndSignals, Reloading, Surroundings, short_name, state_folder,
        unusable_folder,
    },
    terminal::complain,
};

/// Publish a folder: the server
///
/// Serves the folder over HTTP at once, hashes it in the background, and sends clients to mirrors
/// that have proved to hold the same bytes when that is faster. The folder is only ever read.
/// SIGTERM or SIGINT lets running downloads finish, a second one ends at once; SIGHUP reads the
/// configuration file again. Exit codes: 0 when asked to end, 1 when it could not start, 130 when
/// asked twice.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to publish
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Folder for the index and the fleet token [default: below the user's state folder]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Rule that orders the nodes able to serve: marginal-cost,
    /// least-connections, two-choices, round-robin, random or alternate
    #[arg(long, value_name = "POLICY", default_value = PolicyKind::default().name())]
    policy: PolicyKind,
    /// When and how mirrors serve for the server
    #[arg(long, value_enum, default_value_t)]
    offload: OffloadArg,
    /// Publish dotfiles, too
    #[arg(long)]
    hidden: bool,
    /// Publish even when a scan finds more than half of the files gone
    #[arg(long)]
    accept_loss: bool,
    /// Seconds between full scans, which find what inotify cannot tell
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    scan_every: u64,
    /// How fast files are read again to check them
    #[arg(long, value_name = "RATE", default_value = "8MiB/s")]
    scrub_rate: Rate,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum OffloadArg {
    /// When it is faster: by redirect, or by relay where a redirect cannot work
    #[default]
    Auto,
    /// When it is faster, by redirect alone
    Redirect,
    /// When it is faster, by relay alone: clients talk to the server only, and do not notice when a
    /// mirror dies
    Relay,
    /// Never: mirrors are only copies
    Never,
}

impl OffloadArg {
    /// When, and how.
    fn setting(self) -> (Offload, Way) {
        match self {
            Self::Auto => (Offload::Share, Way::Suited),
            Self::Redirect => (Offload::Share, Way::Redirect),
            Self::Relay => (Offload::Share, Way::Relay),
            Self::Never => (Offload::Never, Way::Suited),
        }
    }
}

/// How long the size of the tree is waited for before the first lines are printed.
const SCAN_PATIENCE: Duration = Duration::from_secs(2);

/// Runs the command.
pub(crate) async fn run(given: Given<Args>) -> ExitCode {
    let mut reloading = match Reloading::begin(given) {
        Ok(reloading) => reloading,
        Err(problems) => {
            problems.iter().for_each(complain);
            return ExitCode::FAILURE;
        }
    };
    let args = reloading.settled.args.clone();
    args.common.begin();
    match prepare(&args, &reloading) {
        Ok((running, config, surroundings)) => {
            greet(&running, &args, &surroundings, &config.state).await;
            serve(running, config, surroundings, &mut reloading).await
        }
        Err(text) => {
            complain(text);
            ExitCode::FAILURE
        }
    }
}

/// Opens everything and starts serving; otherwise the complaint.
fn prepare(
    args: &Args,
    reloading: &Reloading<Args>,
) -> Result<(Running, Config, Surroundings), String> {
    let effective = &reloading.settled.effective;
    let state = args.state_folder();
    let surroundings = args
        .common
        .surroundings(&state, effective, reloading.problem())?;
    let config = args.config(&surroundings, effective);
    // Scanning and locking are quick, and nothing else runs yet.
    let running = start(config.clone()).map_err(|error| with_cause(&error))?;
    Ok((running, config, surroundings))
}

/// Serves until it is asked to end, and sees the end through.
async fn serve(
    running: Running,
    mut config: Config,
    mut surroundings: Surroundings,
    reloading: &mut Reloading<Args>,
) -> ExitCode {
    surroundings.answer_for(running.node());
    let mut signals = EndSignals::new();
    let failed = running.failed();
    let tending = surroundings.tend(reloading, |surroundings, before, after| {
        surroundings.take_over(&before.args.common, &after.args.common)?;
        surroundings.take_over_rules(&after.effective);
        let changed = after.args.config(surroundings, &after.effective);
        running.change(&config, &changed);
        config = changed;
        Ok(())
    });
    signals.until_asked(&failed, tending).await;
    let is_failure = failed.is_cancelled();
    tracing::info!(
        event = "node-ending",
        "ending: running downloads may finish; ask again to end at once"
    );
    let stopping = async {
        surroundings.ending().await;
        let stop = move || {
            running.stop();
            // After the last flow, so that its line is written.
            drop(surroundings);
        };
        tokio::task::spawn_blocking(stop).await
    };
    signals.unless_again(stopping).await;
    if is_failure {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

impl ServiceArgs for Args {
    const ROLE: Role = Role::Serve;
    const PLACEHOLDER: &str = ".";

    fn contradictions(&self) -> Vec<Contradiction> {
        self.common.contradictions()
    }

    fn disk_problems(&self) -> Vec<Contradiction> {
        let mut found = self.common.disk_problems();
        let hidden = self.shown();
        if let Err(error) = Tree::open(&self.folder, hidden) {
            found.push(Contradiction {
                options: vec!["DIR"],
                message: with_cause(&error),
            });
        }
        if let Some(reason) = self.state.as_deref().and_then(unusable_folder) {
            found.push(Contradiction {
                options: vec!["--state"],
                message: format!("cannot use the state folder: {reason}; give a writable one"),
            });
        }
        if is_published(&self.state_folder(), &self.folder, hidden) {
            found.push(Contradiction {
                options: vec!["--state"],
                message: "the state folder lies in the published folder, so everybody could read \
                          the tokens; give another with --state"
                    .to_owned(),
            });
        }
        found
    }
}

impl Args {
    /// The folder for the index, the token and a certificate of our own.
    fn state_folder(&self) -> PathBuf {
        let absolute = self
            .folder
            .canonicalize()
            .unwrap_or_else(|_| self.folder.clone());
        let name = short_name(absolute.as_os_str().as_bytes());
        let default = || state_folder(&format!("server-{name}"));
        self.state.clone().unwrap_or_else(default)
    }

    fn shown(&self) -> Hidden {
        match self.hidden {
            true => Hidden::Show,
            false => Hidden::Hide,
        }
    }

    fn config(&self, surroundings: &Surroundings, effective: &Effective) -> Config {
        let limits = self.common.serve_limits();
        Config {
            tree: self.folder.clone(),
            listen: surroundings.bindings(),
            state: self.state_folder(),
            capacity: self.common.egress_capacity(),
            dispatch: self.common.dispatch.settings(
                self.policy,
                self.offload.setting(),
                effective.zones.clone(),
            ),
            hidden: self.shown(),
            loss: match self.accept_loss {
                true => Loss::Accept,
                false => Loss::Refuse,
            },
            scan_every: Duration::from_secs(self.scan_every),
            scrub_rate: self.scrub_rate,
            cores: self.common.cores(),
            limits,
            settings: surroundings.settings(&limits),
        }
    }
}

/// Says where it serves, how much, and how to join.
async fn greet(
    running: &Running,
    args: &Args,
    surroundings: &Surroundings,
    state: &std::path::Path,
) {
    // Whoever reads is told if it took longer.
    let _ = tokio::time::timeout(SCAN_PATIENCE, running.scanned()).await;
    let urls = surroundings.urls(running.addresses());
    let url = urls.first().map_or("", String::as_str);
    tracing::info!(
        event = "node-started",
        url,
        version = env!("CARGO_PKG_VERSION"),
        "serving at {url}"
    );
    let certificate = surroundings.about_certificate();
    let note = certificate.map_or_else(String::new, |text| format!("{text}\n\n"));
    let agent = surroundings.about_agent();
    let catalog = running.status().catalog;
    let so_far = if running.is_scanned() {
        ""
    } else {
        " so far, still counting"
    };
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; serving goes on all the same.
    let _ = writeln!(
        out,
        "Serving {} ({}, {}{so_far}) at\n\n    {}/\n\n{note}{agent}\
         Add a mirror on another machine with\n\n    \
         OVERSPILL_TOKEN={} overspill mirror {url}\n\n\
         Look at the fleet at {url}/-/ and log in there with the token in\n\n    {}\n\n\
         State and token: {}",
        args.folder.display(),
        counted(catalog.files, "file"),
        display_size(catalog.bytes),
        urls.join("/\n    "),
        running.token().reveal(),
        state.join(ADMIN_TOKEN_FILE).display(),
        state.display(),
    );
    let _ = out.flush();
}

/// An error and what the system said about it, in one line.
pub(crate) fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

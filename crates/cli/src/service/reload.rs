//! Taking over a changed configuration while serving: on SIGHUP, and when the file has changed.
//!
//! A file that is not right changes nothing, and everything wrong with it is logged. It must never
//! take a part of a file over, and never take over a file that is still being written.

use std::{
    fs,
    io::{self, IsTerminal},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use overspill_core::units::counted as in_words;
use overspill_node::ConfigurationProblem;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use crate::config::{
    Effective, Entry, Environment, Given, Key, Problem, Reload, Role, ServiceArgs, Settled, Source,
};

/// The configuration of a running service.
#[derive(Debug)]
pub(crate) struct Reloading<T> {
    given: Given<T>,
    environment: Environment,
    file: Option<WatchedFile>,
    hang_up: Option<Signal>,
    /// What is in force.
    pub(crate) settled: Settled<T>,
    problem: ConfigurationProblem,
    ticks: tokio::time::Interval,
    /// Whether a person started the service at a terminal.
    is_at_terminal: bool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// The terminal at which the service was started is gone; SIGHUP means what it always did.
    End,
    /// The configuration is to be read again.
    Reload,
}

/// Why a configuration that can be meant is not taken over: the certificate or the log of it.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

/// What a change comes to.
#[derive(Debug, Default, Eq, PartialEq)]
struct Changes {
    /// Key, old value, new value: in force from now on.
    live: Vec<(String, String, String)>,
    /// Keys that need a restart.
    restart: Vec<String>,
    /// Key and what wins over the file.
    overridden: Vec<(String, String)>,
}

/// Looks at the file for changes.
#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    /// As it was when it was read last.
    read: Stamp,
    /// As it was at the last look, if it was not that, or somebody asked.
    changing: Option<Stamp>,
    /// Whether it is to be read even if it is as it was.
    is_asked: bool,
}

/// What a file looks like from outside, behind any links; `None` if it is not there.
type Stamp = Option<[i64; 6]>;

/// Between two looks at the file; it is read when two of them agree.
const LOOK_EVERY: Duration = Duration::from_millis(600);

impl<T: ServiceArgs> Reloading<T> {
    /// Asks all sources, and begins to watch the file. SIGHUP no longer ends the process.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(crate) fn begin(given: Given<T>) -> Result<Self, Vec<Problem>> {
        let environment = Environment::of_process();
        // Before it is read: what changes in between is one more change.
        let file = given.config(&environment).map(WatchedFile::new);
        let settled = given.settle(&environment)?;
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            given,
            environment,
            file,
            hang_up: signal(SignalKind::hangup()).ok(),
            settled,
            problem: ConfigurationProblem::default(),
            ticks,
            is_at_terminal: io::stdin().is_terminal(),
        })
    }

    /// What is wrong with the configuration, for the status page.
    pub(crate) fn problem(&self) -> ConfigurationProblem {
        Arc::clone(&self.problem)
    }

    /// Waits until the file has changed or SIGHUP says so. Cancel-safe: it only waits.
    pub(crate) async fn due(&mut self) -> Due {
        loop {
            let hang_up = async {
                match &mut self.hang_up {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            // Both only wait.
            tokio::select! {
                Some(()) = hang_up => match (self.hung_up(), &mut self.file) {
                    (Due::Reload, Some(file)) => file.ask(),
                    (due, _) => return due,
                },
                _ = self.ticks.tick() => {}
            }
            if self.file.as_mut().is_some_and(WatchedFile::has_changed) {
                return Due::Reload;
            }
        }
    }

    /// What SIGHUP means: a service nobody sees any more must not outlive its terminal.
    fn hung_up(&self) -> Due {
        match self.is_at_terminal && !io::stdin().is_terminal() {
            true => Due::End,
            false => Due::Reload,
        }
    }

    /// Reads everything again and has `take_over` put it in force, which either does or changes
    /// nothing; then tells what came of it.
    pub(crate) fn reload(
        &mut self,
        take_over: impl FnOnce(&Settled<T>, &Settled<T>) -> Result<(), Refused>,
    ) {
        if let Some(file) = &mut self.file {
            file.note();
        }
        let settled = match self.given.settle(&self.environment) {
            Ok(settled) => settled,
            Err(problems) => return self.refuse(&problems),
        };
        if let Err(Refused(reason)) = take_over(&self.settled, &settled) {
            return self.refuse(&[Problem::elsewhere(reason)]);
        }
        let changes = Changes::between(&self.settled.effective, &settled.effective, T::ROLE);
        self.problem.store(None);
        changes.log();
        let before = std::mem::replace(&mut self.settled, settled);
        self.settled
            .effective
            .keep_unchanged(&before.effective, T::ROLE);
    }

    fn refuse(&self, problems: &[Problem]) {
        for problem in problems {
            tracing::error!(event = "configuration-problem", "{problem}");
        }
        tracing::error!(
            event = "configuration-refused",
            problems = problems.len(),
            "the changed configuration is not taken over; the one before stays in force"
        );
        let more = match problems.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let at = humantime::format_rfc3339_seconds(SystemTime::now());
        let first = problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let text = format!("the configuration changed at {at} is not in force: {first}{more}");
        self.problem.store(Some(Arc::new(text)));
    }
}

impl Effective {
    /// Keeps the values that a running service cannot change as they are in force.
    fn keep_unchanged(&mut self, before: &Self, role: Role) {
        for (entry, old) in self.entries.iter_mut().zip(&before.entries) {
            if reload_of(entry.key, old, entry, role) == Reload::Restart {
                entry.clone_from(old);
            }
        }
    }
}

impl Changes {
    fn between(before: &Effective, after: &Effective, role: Role) -> Self {
        let mut changes = Self::default();
        for (old, new) in before.entries.iter().zip(&after.entries) {
            let path = new.key.path();
            let is_other = old.shown() != new.shown();
            match (is_other, reload_of(new.key, old, new, role)) {
                (true, Reload::Live) => changes.live.push((path, old.shown(), new.shown())),
                (true, Reload::Restart) => changes.restart.push(new.key.name.clone()),
                (false, _) if before.in_file.get(&path) != after.in_file.get(&path) => {
                    let wins = match &new.source {
                        Source::CommandLine => new.key.option(),
                        Source::Environment(variable) => variable.clone(),
                        Source::File(_) | Source::Default => continue,
                    };
                    changes.overridden.push((path, wins));
                }
                (false, _) => {}
            }
        }
        if before.zones != after.zones {
            let texts = (counted(before), counted(after));
            changes.live.push(("zones".to_owned(), texts.0, texts.1));
        }
        changes.compare_rules(before, after, role);
        changes
    }

    fn compare_rules(&mut self, before: &Effective, after: &Effective, role: Role) {
        let (old, new) = (before.rules.texts(), after.rules.texts());
        if old == new {
            return;
        }
        match role {
            Role::Serve => {
                let count = |rules: usize| in_words(rules as u64, "rule");
                let change = ("rule".to_owned(), count(old.len()), count(new.len()));
                self.live.push(change);
            }
            // What a mirror answers, its server says.
            Role::Mirror => self.restart.push("rule".to_owned()),
        }
    }

    fn log(&self) {
        for (key, from, to) in &self.live {
            tracing::info!(
                event = "configuration-changed", %key, %from, %to,
                "configuration changed"
            );
        }
        for (key, by) in &self.overridden {
            tracing::info!(
                event = "configuration-overridden", %key, %by,
                "changed in the file, but overridden"
            );
        }
        if !self.restart.is_empty() {
            tracing::warn!(
                event = "restart-needed",
                "needs a restart: {}",
                self.restart.join(", ")
            );
        }
        if *self == Self::default() {
            tracing::info!(
                event = "configuration-unchanged",
                "the configuration was read again; nothing has changed"
            );
        }
    }
}

fn counted(effective: &Effective) -> String {
    let zones = effective.zones.len();
    in_words(zones as u64, "network")
}

/// When a change from one value to the other is in force.
fn reload_of(key: &Key, old: &Entry, new: &Entry, role: Role) -> Reload {
    let is_certificate = matches!(key.id(), "tls_cert" | "tls_key");
    match is_certificate && !(old.is_set() && new.is_set()) {
        // Another certificate can be shown; https can neither begin nor end.
        true => Reload::Restart,
        false => key.reload(role),
    }
}

impl WatchedFile {
    fn new(path: PathBuf) -> Self {
        Self {
            read: stamp_of(&path),
            path,
            changing: None,
            is_asked: false,
        }
    }

    /// Has it read as soon as it is at rest, changed or not.
    fn ask(&mut self) {
        self.is_asked = true;
        self.changing = Some(stamp_of(&self.path));
    }

    /// Takes the file as it is now for read.
    fn note(&mut self) {
        self.read = stamp_of(&self.path);
        self.changing = None;
        self.is_asked = false;
    }

    /// Whether it is another than was read, or asked for, and at rest.
    fn has_changed(&mut self) -> bool {
        let now = stamp_of(&self.path);
        if now == self.read && !self.is_asked {
            self.changing = None;
            return false;
        }
        let is_at_rest = self.changing == Some(now);
        self.changing = Some(now);
        is_at_rest
    }
}

fn stamp_of(path: &Path) -> Stamp {
    let facts: io::Result<fs::Metadata> = fs::metadata(path);
    let facts = facts.ok()?;
    // Only compared, so it does not matter how large numbers are wrapped.
    Some([
        facts.dev() as i64,
        facts.ino() as i64,
        facts.size() as i64,
        facts.mtime(),
        facts.mtime_nsec(),
        facts
            .ctime()
            .wrapping_mul(1_000_000_000)
            .wrapping_add(facts.ctime_nsec()),
    ])
}

#[cfg(test)]
mod tests;

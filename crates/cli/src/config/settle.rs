//! What is in force: command line over environment over file over default.
//!
//! Each value is judged by itself where it comes from; then they are put together and judged against
//! each other, wherever they come from. It must never settle for a part: either everything can be
//! meant, or everything wrong is told.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use overspill_core::fleet::Zones;
use overspill_node::Rules;

use super::{
    document::Document,
    problem::{Problem, Source},
    registry::{Key, Kind, Role, registry, relaxed},
    relations, value,
};
use crate::service::Contradiction;

/// The options of a service, once they are settled.
pub(crate) trait ServiceArgs: Args {
    /// Which service.
    const ROLE: Role;

    /// Stands for what the service cannot do without while a file is checked alone.
    const PLACEHOLDER: &str;

    /// Values that cannot be meant together.
    fn contradictions(&self) -> Vec<Contradiction>;

    /// Values that name what the disk does not have.
    fn disk_problems(&self) -> Vec<Contradiction>;
}

/// The command line of a service, before the other sources were asked.
#[derive(Clone, Debug)]
pub(crate) struct Given<T> {
    matches: ArgMatches,
    of: PhantomData<T>,
}

/// The variables that are ours.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

/// Everything in force, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    /// Each key of the service, in the order of the registry.
    pub(crate) entries: Vec<Entry>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) zones: Zones,
    /// What the file says, whether or not something else wins, by table and key.
    pub(crate) in_file: BTreeMap<String, String>,
}

/// The value of a key.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: &'static Key,
    /// `None` if nobody said anything and there is no default that could be written.
    pub(crate) text: Option<OsString>,
    pub(crate) source: Source,
}

/// A service's options, settled.
#[derive(Clone, Debug)]
pub(crate) struct Settled<T> {
    pub(crate) args: T,
    pub(crate) effective: Effective,
}

/// Names the configuration file where no option does.
const CONFIG_VARIABLE: &str = "OVERSPILL_CONFIG";
/// What `--help` says of the other sources.
const OTHER_SOURCES: &str = "Each option can also be set by an environment variable, \
    OVERSPILL_MAX_EGRESS for --max-egress, and in a file given with --config or \
    OVERSPILL_CONFIG: see `overspill config`. What is said here wins, then the environment.";

/// By name alone: a value may be a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} = {} ({})",
            self.key.path(),
            self.shown(),
            self.source
        )
    }
}

impl Environment {
    /// Those of this process. An empty one is as good as none: that is how compose files leave one
    /// out.
    pub(crate) fn of_process() -> Self {
        let ours = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            (name.starts_with("OVERSPILL_") && !value.is_empty()).then_some((name, value))
        });
        Self(ours.collect())
    }

    fn value(&self, variable: &str) -> Option<&OsStr> {
        self.0.get(variable).map(OsString::as_os_str)
    }

    /// The configuration file it names.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        self.value(CONFIG_VARIABLE).map(PathBuf::from)
    }
}

#[cfg(test)]
impl<'a> FromIterator<(&'a str, &'a str)> for Environment {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(variables: I) -> Self {
        let owned = variables.into_iter();
        Self(
            owned
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        )
    }
}

impl<T: ServiceArgs> FromArgMatches for Given<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            matches: matches.clone(),
            of: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.matches = matches.clone();
        Ok(())
    }
}

impl<T: ServiceArgs> Args for Given<T> {
    fn augment_args(command: Command) -> Command {
        relaxed(T::augment_args(command)).after_help(OTHER_SOURCES)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: ServiceArgs> Given<T> {
    /// An empty command line.
    pub(crate) fn nothing() -> Self {
        Self {
            matches: T::ROLE.command().get_matches_from([T::ROLE.name()]),
            of: PhantomData,
        }
    }

    /// The configuration file that is meant, if one is.
    pub(crate) fn config(&self, environment: &Environment) -> Option<PathBuf> {
        let given = self.matches.get_one::<PathBuf>("config").cloned();
        given.or_else(|| environment.config())
    }

    /// Asks all sources.
    ///
    /// # Errors
    /// Everything that is wrong, what stands in the file first.
    pub(crate) fn settle(&self, environment: &Environment) -> Result<Settled<T>, Vec<Problem>> {
        let path = self.config(environment);
        let Gathered {
            entries,
            document,
            mut problems,
        } = self.gather(environment, path.as_deref());
        problems.extend(relations::missing(&entries));
        match read::<T>(&entries) {
            Ok(args) => {
                problems.extend(relations::told(args.contradictions(), &entries));
                if problems.is_empty() {
                    return Ok(Settled::new(args, entries, document));
                }
            }
            // Whatever is missing has been told in better words.
            Err(error) if problems.is_empty() => {
                problems.push(Problem::elsewhere(error.to_string()));
            }
            Err(_) => {}
        }
        Err(sorted(problems))
    }

    /// Everything wrong with a file, its relations to the disk included; what a service cannot do
    /// without may be given on a command line yet to come.
    pub(crate) fn check(&self, environment: &Environment, path: &Path) -> Vec<Problem> {
        let Gathered {
            mut entries,
            mut problems,
            ..
        } = self.gather(environment, Some(path));
        for entry in &mut entries {
            if entry.key.is_required() && !entry.is_set() {
                entry.text = Some(T::PLACEHOLDER.into());
                entry.source = Source::CommandLine;
            }
        }
        match read::<T>(&entries) {
            Ok(args) => {
                problems.extend(relations::told(args.contradictions(), &entries));
                problems.extend(relations::told(args.disk_problems(), &entries));
            }
            Err(error) if problems.is_empty() => {
                problems.push(Problem::elsewhere(error.to_string()));
            }
            Err(_) => {}
        }
        sorted(problems)
    }

    /// Asks all sources, and judges what they say by itself and against each other.
    pub(crate) fn gather(&self, environment: &Environment, path: Option<&Path>) -> Gathered {
        let document = match path {
            Some(path) => Document::read(path),
            None => Document::parse(Path::new(""), ""),
        };
        let mut settling = Settling {
            matches: &self.matches,
            environment,
            document: &document,
            problems: document.problems.clone(),
        };
        let entries = settling.entries(T::ROLE);
        let mut problems = settling.problems;
        problems.extend(relations::problems(T::ROLE, &entries));
        Gathered {
            entries,
            document,
            problems,
        }
    }
}

/// What the sources say.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) entries: Vec<Entry>,
    pub(crate) document: Document,
    pub(crate) problems: Vec<Problem>,
}

/// The options that say what the entries say.
fn read<T: ServiceArgs>(entries: &[Entry]) -> Result<T, clap::Error> {
    let command = T::ROLE.command().no_binary_name(true);
    let matches = command.try_get_matches_from(command_line(entries))?;
    T::from_arg_matches(&matches)
}

impl<T> Settled<T> {
    fn new(args: T, entries: Vec<Entry>, document: Document) -> Self {
        let in_file = document.values.into_iter();
        let in_file = in_file.map(|value| (value.key.path(), value.text));
        Self {
            args,
            effective: Effective {
                entries,
                rules: Arc::new(document.rules),
                zones: document.zones,
                in_file: in_file.collect(),
            },
        }
    }
}

impl Entry {
    /// Whether somebody said something, and not that it is off.
    pub(crate) fn is_set(&self) -> bool {
        let is_off = || self.text.as_deref().and_then(value::flag) == Some(false);
        let is_flag = self.key.kind() == Kind::Flag;
        self.source != Source::Default && self.text.is_some() && !(is_flag && is_off())
    }

    /// The value for people; never a secret.
    pub(crate) fn shown(&self) -> String {
        match &self.text {
            _ if self.key.is_secret() => "(secret)".to_owned(),
            Some(text) => text.to_string_lossy().into_owned(),
            None => self.key.default_text().unwrap_or_else(|| "none".to_owned()),
        }
    }
}

/// The sources while they are asked.
struct Settling<'a> {
    matches: &'a ArgMatches,
    environment: &'a Environment,
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Settling<'_> {
    fn entries(&mut self, role: Role) -> Vec<Entry> {
        let entries = registry().of(role).map(|key| {
            let said = self.on_command_line(key);
            let said = said.or_else(|| self.in_environment(key));
            let said = said.or_else(|| self.in_file(key));
            let (text, source) = match said {
                Some((text, source)) => (Some(text), source),
                None => {
                    let default = key.arg.get_default_values().first();
                    let is_flag = key.kind() == Kind::Flag;
                    let default = default.map(|text| text.to_os_string());
                    (default.filter(|_| !is_flag), Source::Default)
                }
            };
            Entry { key, text, source }
        });
        entries.collect()
    }

    fn on_command_line(&self, key: &Key) -> Option<(OsString, Source)> {
        if self.matches.value_source(key.id())? != ValueSource::CommandLine {
            return None;
        }
        let text = match key.kind() {
            Kind::Flag => OsString::from("true"),
            _ => self.matches.get_raw(key.id())?.next()?.to_owned(),
        };
        Some((text, Source::CommandLine))
    }

    fn in_environment(&mut self, key: &Key) -> Option<(OsString, Source)> {
        let variable = key.variable();
        let text = self.environment.value(&variable)?;
        if key.is_secret() {
            return Some((text.to_owned(), Source::Environment(variable)));
        }
        match value::check(key, text) {
            Ok(()) => Some((text.to_owned(), Source::Environment(variable))),
            Err(message) => {
                let message = format!("{variable}: {message}");
                self.problems.push(Problem::elsewhere(message));
                None
            }
        }
    }

    fn in_file(&self, key: &Key) -> Option<(OsString, Source)> {
        let values = &self.document.values;
        let value = values.iter().find(|value| std::ptr::eq(value.key, key))?;
        let source = Source::File(value.place.clone());
        Some((OsString::from(&value.text), source))
    }
}

/// The command line that says everything that was said anywhere.
fn command_line(entries: &[Entry]) -> Vec<OsString> {
    let mut options = Vec::new();
    let mut positions = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_set()) {
        let Some(text) = &entry.text else { continue };
        match (entry.key.kind(), entry.key.arg.is_positional()) {
            (Kind::Flag, _) => options.push(OsString::from(entry.key.option())),
            (_, false) => options.extend(value::arguments(entry.key, text)),
            (_, true) => positions.extend(value::arguments(entry.key, text)),
        }
    }
    options.extend(positions);
    options
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    // What stands in the file first, by place; the rest in the order it was found.
    problems.sort_by(|a, b| match (&a.place, &b.place) {
        (None, None) => std::cmp::Ordering::Equal,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(_), None) => std::cmp::Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    });
    problems
}

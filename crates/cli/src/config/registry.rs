//! Every key of a configuration file, taken from the options of `serve` and `mirror`.
//!
//! An option is described once, where clap declares it; its key, its variable, its default and what
//! it takes follow from that. It must never know a key that is no option, nor leave an option out.

use std::{any::TypeId, path::PathBuf, sync::LazyLock, time::Duration};

use clap::{Arg, ArgAction, Args as _, Command, Id, builder::Resettable};
use overspill_core::{fleet::Zone, relay::Lanes, units::Rate};

use crate::{mirror, serve};

/// Which of the two services is meant.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Role {
    /// `overspill serve`.
    Serve,
    /// `overspill mirror`.
    Mirror,
}

/// What TOML is to hold for a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A number without a unit.
    Number,
    /// A number with a unit, as a string.
    Quantity,
    /// A string.
    Text,
    /// A string, or a number where the parser takes one: a size in bytes, a port.
    Either,
}

/// When a changed value is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reload {
    /// Within seconds.
    Live,
    /// After a new start.
    Restart,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// The option it stands for.
    pub(crate) arg: Arg,
    /// The table it is in.
    pub(crate) table: String,
    /// Its name there: the option's, with underscores.
    pub(crate) name: String,
    /// The services that know it.
    pub(crate) roles: Vec<Role>,
}

/// All keys.
#[derive(Debug)]
pub(crate) struct Registry {
    /// By table, in the order of `--help`.
    pub(crate) keys: Vec<Key>,
}

/// Options that say where the other sources are, or are no setting of a service.
const NOT_IN_FILES: [&str; 2] = ["config", "die_with_parent"];
/// Options that are in force within seconds when the file changes, whichever the service.
const LIVE: [&str; 25] = [
    "access_log",
    "access_log_format",
    "capacity",
    "check_relayed",
    "client_prefix_ipv4",
    "client_prefix_ipv6",
    "drain_timeout",
    "head_timeout",
    "idle_timeout",
    "max_connections",
    "max_connections_per_client",
    "max_egress",
    "max_requests_per_client",
    "min_flow_rate",
    "min_rate",
    "offload",
    "policy",
    "rate_per_client",
    "scan_every",
    "scrub_rate",
    "send_timeout",
    "stripe",
    "tls_cert",
    "tls_key",
    "zone",
];

/// The keys, made once.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::of_options);
    &REGISTRY
}

impl Role {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Serve, Self::Mirror];

    /// The command, and the table of what only it knows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Mirror => "mirror",
        }
    }

    /// The command with its options, for parsing what has been put together; nothing is required,
    /// and nothing excludes anything, because that is judged over all sources.
    pub(crate) fn command(self) -> Command {
        let command = Command::new(self.name());
        let command = match self {
            Self::Serve => serve::Args::augment_args(command),
            Self::Mirror => mirror::Args::augment_args(command),
        };
        relaxed(command)
    }

    /// The command as it was declared.
    pub(crate) fn declared(self) -> Command {
        let command = Command::new(self.name());
        match self {
            Self::Serve => serve::Args::augment_args(command),
            Self::Mirror => mirror::Args::augment_args(command),
        }
    }
}

/// The same options, each by itself.
pub(crate) fn relaxed(command: Command) -> Command {
    command.mut_args(alone)
}

/// An option that neither has to be there nor excludes another.
pub(crate) fn alone(arg: Arg) -> Arg {
    let none = Resettable::<Id>::Reset;
    arg.required(false).conflicts_with(none)
}

impl Registry {
    fn of_options() -> Self {
        let mut keys: Vec<Key> = Vec::new();
        for role in Role::ALL {
            for arg in role.declared().get_arguments() {
                if NOT_IN_FILES.contains(&arg.get_id().as_str()) {
                    continue;
                }
                let key = Key::of(arg, role);
                let known = keys
                    .iter_mut()
                    .find(|known| (&known.table, &known.name) == (&key.table, &key.name));
                match known {
                    Some(known) => known.roles.push(role),
                    None => keys.push(key),
                }
            }
        }
        let mut registry = Self { keys };
        let tables: Vec<String> = registry.tables().iter().map(ToString::to_string).collect();
        let place = |key: &Key| tables.iter().position(|table| *table == key.table);
        registry.keys.sort_by_key(place);
        registry
    }

    /// The tables with keys of options, services first.
    pub(crate) fn tables(&self) -> Vec<&str> {
        let mut tables: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        for key in &self.keys {
            if !tables.contains(&&*key.table) {
                tables.push(&key.table);
            }
        }
        tables
    }

    /// The keys of a table that a file may hold.
    pub(crate) fn in_table<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Key> {
        let of_table = move |key: &&Key| key.table == table && !key.is_secret();
        self.keys.iter().filter(of_table)
    }

    /// The keys of a service, secrets among them.
    pub(crate) fn of(&self, role: Role) -> impl Iterator<Item = &Key> {
        self.keys
            .iter()
            .filter(move |key| key.roles.contains(&role))
    }
}

impl Key {
    fn of(arg: &Arg, role: Role) -> Self {
        let table = match arg.get_help_heading() {
            Some(heading) => heading.to_lowercase().replace(' ', "_"),
            None => role.name().to_owned(),
        };
        Self {
            name: arg
                .get_long()
                .unwrap_or_else(|| arg.get_id().as_str())
                .replace('-', "_"),
            table,
            arg: arg.clone(),
            roles: vec![role],
        }
    }

    /// What clap calls the option.
    pub(crate) fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// The option as it is written: `--listen`, or `DIR` for an argument without a name.
    pub(crate) fn option(&self) -> String {
        match self.arg.get_long() {
            Some(long) => format!("--{long}"),
            None => self.value_name(),
        }
    }

    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("OVERSPILL_{}", self.name.to_uppercase())
    }

    /// Key and table, as people say it: `limits.max_egress`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    /// Whether its value must be shown nowhere, and so belongs into no file that is.
    pub(crate) fn is_secret(&self) -> bool {
        self.arg.is_hide_env_values_set()
    }

    /// Whether a service cannot do without it.
    pub(crate) fn is_required(&self) -> bool {
        self.arg.is_required_set()
    }

    /// When a changed value is in force.
    pub(crate) fn reload(&self, role: Role) -> Reload {
        // The server is told at joining where a mirror stands.
        let is_told = role == Role::Mirror && self.id() == "zone";
        match LIVE.contains(&self.id()) && !is_told {
            true => Reload::Live,
            false => Reload::Restart,
        }
    }

    /// What TOML is to hold for it.
    pub(crate) fn kind(&self) -> Kind {
        if matches!(self.arg.get_action(), ArgAction::SetTrue) {
            return Kind::Flag;
        }
        let parsed = self.arg.get_value_parser().type_id();
        let is_one_of = |types: &[TypeId]| types.iter().any(|one| parsed == *one);
        let numbers = [
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<std::num::NonZeroU32>(),
            TypeId::of::<Lanes>(),
        ];
        let texts = [
            TypeId::of::<PathBuf>(),
            TypeId::of::<String>(),
            TypeId::of::<Zone>(),
        ];
        if is_one_of(&numbers) {
            Kind::Number
        } else if is_one_of(&[TypeId::of::<Rate>(), TypeId::of::<Duration>()]) {
            Kind::Quantity
        } else if is_one_of(&texts) {
            Kind::Text
        } else {
            Kind::Either
        }
    }

    /// The first sentences of the help, without the default.
    pub(crate) fn summary(&self) -> String {
        let help = self.arg.get_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        match help.split_once(" [default: ") {
            Some((before, _)) => before.to_owned(),
            None => help,
        }
    }

    /// What holds without a word, as the help says it.
    pub(crate) fn default_text(&self) -> Option<String> {
        if let Some(value) = self.arg.get_default_values().first()
            && self.kind() != Kind::Flag
        {
            return Some(value.to_string_lossy().into_owned());
        }
        let texts = [self.arg.get_help(), self.arg.get_long_help()];
        let texts = texts.into_iter().flatten().map(ToString::to_string);
        let said = texts.filter_map(|text| {
            let (_, after) = text.split_once("[default: ")?;
            let (default, _) = after.split_once(']')?;
            Some(default.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        let mut said = said;
        said.next()
            .or_else(|| (self.kind() == Kind::Flag).then(|| "false".to_owned()))
    }

    /// What its value is called in the help.
    pub(crate) fn value_name(&self) -> String {
        let names = self.arg.get_value_names().and_then(<[_]>::first);
        names.map_or_else(|| self.name.to_uppercase(), ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_a_key_and_every_live_one_exists() {
        let keys = &registry().keys;
        assert!(keys.len() > 40, "{}", keys.len());
        for role in Role::ALL {
            for arg in role.declared().get_arguments() {
                let id = arg.get_id().as_str();
                let known = registry().of(role).filter(|key| key.id() == id).count();
                let expected = usize::from(!NOT_IN_FILES.contains(&id));
                assert_eq!(known, expected, "{id}");
            }
        }
        for live in LIVE {
            assert!(keys.iter().any(|key| key.id() == live), "{live}");
        }
    }

    #[test]
    fn no_variable_stands_for_two_options_of_a_service() {
        for role in Role::ALL {
            let mut variables: Vec<_> = registry().of(role).map(Key::variable).collect();
            variables.push("OVERSPILL_CONFIG".to_owned());
            variables.sort();
            let count = variables.len();
            variables.dedup();
            assert_eq!(variables.len(), count);
        }
    }

    #[test]
    fn the_token_is_a_secret() {
        let secrets = registry().keys.iter().filter(|key| key.is_secret());
        let secrets: Vec<_> = secrets.map(Key::path).collect();
        assert_eq!(secrets, ["mirror.token"]);
        assert!(registry().in_table("mirror").all(|key| key.name != "token"));
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        for (path, default) in [
            ("serve.folder", None),
            ("serve.hidden", Some("false")),
            ("serve.policy", Some("marginal-cost")),
            ("serve.listen", Some("every address, port 8080")),
            ("limits.idle_timeout", Some("60s")),
        ] {
            let key = registry().keys.iter().find(|key| key.path() == path);
            assert_eq!(key.unwrap().default_text().as_deref(), default, "{path}");
        }
    }
}

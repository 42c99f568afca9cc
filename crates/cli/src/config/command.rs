//! `overspill config`: check a file, show what is in force, begin a file.
//!
//! It must never start anything, print a secret, or write over a file.

mod show;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    document::Document,
    problem::Problem,
    registry::Role,
    settle::{Environment, Given},
    template::template,
};
use crate::{mirror, serve, terminal::complain};

/// Check, show or begin a configuration file
///
/// One file serves both `overspill serve` and `overspill mirror`, and both read it only when they are
/// told to: by --config or OVERSPILL_CONFIG. Exit codes: 0, or 1 when something is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    Check(CheckArgs),
    Init(InitArgs),
    Show(ShowArgs),
}

/// Tell everything that is wrong with a file, the files and folders it names included
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The file [default: the one that OVERSPILL_CONFIG names]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Write a file with every key, its default and what it is for
#[derive(Debug, clap::Args)]
struct InitArgs {
    /// Where to write it; - is the standard output
    #[arg(value_name = "FILE|-", default_value = "overspill.toml")]
    file: PathBuf,
}

/// Show what would be in force, and where each value comes from
///
/// Takes what the service takes: its options, the environment, a file.
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, clap::Subcommand)]
enum Service {
    Mirror(Given<mirror::Args>),
    Serve(Given<serve::Args>),
}

impl ConfigArgs {
    /// Runs the command.
    pub(crate) fn run(self) -> ExitCode {
        let environment = Environment::of_process();
        let done = match self.command {
            ConfigCommand::Check(args) => check(args, &environment),
            ConfigCommand::Init(args) => init(&args.file),
            ConfigCommand::Show(args) => args.show(&environment),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => {
                problems.iter().for_each(complain);
                ExitCode::FAILURE
            }
        }
    }
}

fn check(args: CheckArgs, environment: &Environment) -> Result<(), Vec<Problem>> {
    let Some(file) = args.file.or_else(|| environment.config()) else {
        let text = "no file to check: name one, or set OVERSPILL_CONFIG";
        return Err(vec![Problem::elsewhere(text)]);
    };
    let services = services_of(&Document::read(&file));
    let mut problems = Vec::new();
    for role in &services {
        let found = match role {
            Role::Serve => Given::<serve::Args>::nothing().check(environment, &file),
            Role::Mirror => Given::<mirror::Args>::nothing().check(environment, &file),
        };
        for problem in found {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let names: Vec<_> = services.iter().map(|role| role.name()).collect();
    say(&format!(
        "{}: good for {}\n",
        file.display(),
        names.join(" and ")
    ))
}

/// Whom a file is for: those that have a table, or both.
fn services_of(document: &Document) -> Vec<Role> {
    let mut roles = document.roles.clone();
    if roles.is_empty() {
        return Role::ALL.to_vec();
    }
    roles.sort_unstable();
    roles
}

fn init(file: &Path) -> Result<(), Vec<Problem>> {
    let text = template();
    if file.as_os_str() == "-" {
        return say(&text);
    }
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    let written = created.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let file = file.display();
        let text = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{file} is there already and is left as it is; name another file")
            }
            _ => format!("cannot write {file}: {error}; name another file"),
        };
        vec![Problem::elsewhere(text)]
    })?;
    say(&format!(
        "{} written: every key is in it, as a comment\n",
        file.display()
    ))
}

fn say(text: &str) -> Result<(), Vec<Problem>> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader had enough, as in `| head`.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let text = format!("cannot write to standard output: {error}");
            Err(vec![Problem::elsewhere(text)])
        }
        _ => Ok(()),
    }
}

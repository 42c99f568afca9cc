//! The log of `serve` and `mirror`: where lines go, and in which form.
//!
//! Text for a person at a terminal, a JSON object per line for programs. What happened is decided
//! elsewhere; it must never let a line be forged by what is in it, whatever a path is called.

mod json;
mod text;

use std::{
    any::Any,
    io::{self, IsTerminal, Write},
    panic::{self, PanicHookInfo},
    sync::{Arc, LazyLock},
    time::{Duration, Instant, SystemTime},
};

use clap::ValueEnum;
use overspill_node::events::{EventLog, EventStore, Line};
use tracing_subscriber::{
    EnvFilter,
    Layer,
    filter::LevelFilter,
    layer::SubscriberExt,
    util::SubscriberInitExt, // lexicon-ok: the crate's word
};

use self::text::Look;

/// Options of the log.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// What is logged to standard error: error, warn, info, debug or trace, or a filter by module,
    /// such as info,overspill_mirror=debug
    #[arg(
        long,
        value_name = "LEVEL|FILTER",
        default_value = "info",
        value_parser = parse_filter
    )]
    log: String,
    /// Form of a line; auto is text on a terminal and json elsewhere
    ///
    /// docs/logs.md lists all events.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormat,
}

/// Form of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One flat object per line.
    Json,
    /// For people.
    Text,
}

/// How often it is looked whether something was left out.
const TICK: Duration = Duration::from_secs(10);

/// The last events of this process: `tracing` has one subscriber for all of it, so there is one.
static KEPT: LazyLock<Arc<EventStore>> = LazyLock::new(Arc::default);

/// The last events of this process.
pub(crate) fn kept() -> Arc<EventStore> {
    Arc::clone(&KEPT)
}

impl LogArgs {
    /// Begins to log, for as long as the process lives. Once for each process, within a runtime.
    pub(crate) fn begin(&self) {
        let keep = EventLog::new(|line| KEPT.keep(line));
        let write = match self.form(io::stderr().is_terminal()) {
            Form::Json => EventLog::new(|line| put(&json::line(line))),
            Form::Text(look) => EventLog::new(move |line| put(&text::line(line, look))),
        };
        // Checked when it was parsed.
        let filter = EnvFilter::try_new(&self.log).unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::registry()
            .with(keep.clone().with_filter(LevelFilter::INFO))
            .with(write.clone().with_filter(filter))
            .init();
        panic::set_hook(Box::new(tell_panic));
        // Nobody waits for it: it only counts, and ends with the process.
        tokio::spawn(tick_forever([keep, write]));
    }

    fn form(&self, is_terminal: bool) -> Form {
        let has_colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let look = match has_colour {
            true => Look::Coloured,
            false => Look::Plain,
        };
        match self.log_format {
            LogFormat::Auto if !is_terminal => Form::Json,
            LogFormat::Json => Form::Json,
            LogFormat::Auto | LogFormat::Text => Form::Text(look),
        }
    }
}

/// How lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Json,
    Text(Look),
}

async fn tick_forever(logs: [EventLog; 2]) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        for log in &logs {
            log.tick(Instant::now(), SystemTime::now());
        }
    }
}

/// One line in one write, so that lines of several threads do not mix.
fn put(line: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// A panic as an event like any other, so that the log has one form throughout.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let place = place.unwrap_or_else(|| "somewhere".to_owned());
    let reason = words_of(panic.payload());
    tracing::error!(
        event = "panicked",
        place,
        reason,
        "the program has a fault; please report it with this line"
    );
}

fn words_of(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    let literal = payload.downcast_ref::<&str>().copied();
    owned.or(literal).unwrap_or("no words")
}

fn parse_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; write a level, such as info, or a filter, such as info,overspill_mirror=debug"
        )),
    }
}

/// The name of a level as both forms write it.
fn level_name(line: &Line) -> String {
    line.level.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;

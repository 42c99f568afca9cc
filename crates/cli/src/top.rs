//! `overspill top`: a fleet at a glance, each second.
//!
//! What is known is a [`Model`], what is shown a function of it; this file only carries keys and
//! answers between them and the terminal. It must leave the terminal as it found it, whatever ends it.

mod ask;
mod frame;
mod model;
mod screen;
mod view;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Instant,
};

use overspill_client::{AskError, HttpUrl};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use self::{
    ask::Asker,
    model::{Input, Model, Next},
    screen::Screen,
    view::Palette,
};
use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError, complain},
};

/// Watch a fleet in the terminal
///
/// Members, events and decisions of one node, each second. Keys: q ends, s sorts, r reverses, / filters
/// members, arrows scroll, ? tells more. While the node is away it says since when and asks again.
/// Colours unless NO_COLOR is set. Exit codes: 0 ok, 1 usage or no terminal; with --once also 4
/// network, 8 refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of a node, such as `http://host:8080`
    #[arg(value_name = "URL")]
    url: String,
    /// Print one frame as plain text and end; its width is COLUMNS, or 120
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Most inputs that wait for the view.
const INPUTS_MAX: usize = 64;

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    terminal::conclude(match args.once {
        true => print_once(&args).await,
        false if io::stdout().is_terminal() => watch(&args).await,
        false => {
            complain("standard output is no terminal; use --once for a frame of plain text");
            return ExitCode::FAILURE;
        }
    })
}

async fn print_once(args: &Args) -> Result<(), CommandError> {
    let mut asker = asker(args)?;
    let mut model = Model::new(args.url.clone());
    let now = Instant::now();
    model.handle(now, Input::Told(Box::new(asker.ask().await?)));
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|text| text.parse().ok());
    let text = frame::plain(&model, now, columns);
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn asker(args: &Args) -> Result<Asker, CommandError> {
    let url = HttpUrl::parse(&args.url).map_err(AskError::from)?;
    Ok(Asker::new(args.asking.client()?, url))
}

async fn watch(args: &Args) -> Result<(), CommandError> {
    let asker = asker(args)?;
    let (inputs, mut inbox) = mpsc::channel(INPUTS_MAX);
    let (mut terminate, mut hang_up) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut screen = Screen::open(inputs.clone())?;
    let asking = tokio::spawn(asker.ask_forever(inputs));
    let mut model = Model::new(args.url.clone());
    let palette = Palette::of_environment();
    let mut drawn = screen.draw(&model, palette);
    while drawn.is_ok() {
        // All of them only wait.
        let input = tokio::select! {
            input = inbox.recv() => input,
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            _ = hang_up.recv() => None,
        };
        let Some(input) = input else { break };
        if model.handle(Instant::now(), input) == Next::End {
            break;
        }
        drawn = screen.draw(&model, palette);
    }
    asking.abort();
    // It has nothing to say any more.
    let _ = asking.await;
    screen.close();
    Ok(drawn?)
}

#[cfg(test)]
mod tests;

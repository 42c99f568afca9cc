//! `overspill shell`: a tree to walk about in, for people and for scripts on standard input.
//!
//! It holds where it is and nothing else; each command is that of the command line, asked from here.
//! It must never go on after an error in a script that did not say so: the next line may rely on it.

mod completion;
mod input;
mod line;
mod place;

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use overspill_client::{Download, DownloadError, Exit, HttpClient, HttpUrl, Located, Progress};
use tokio::signal::ctrl_c;

use self::{
    input::{Input, Read},
    line::{Line, OnError, Word},
    place::Place,
};
use crate::{
    asking::AskingArgs,
    get,
    terminal::{CommandError, complain, printable, report},
};

/// Walk about in the tree of a server, interactively or by a script
///
/// Reads commands from standard input: `help` lists them. At a terminal lines are edited as usual,
/// the tabulator completes commands and paths of the server, and a history is kept in
/// ~/.local/state/overspill/history. Ctrl-C ends a command, Ctrl-D the shell. In a script the first
/// command that fails ends the shell with its exit code, unless its line begins with `-`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL to begin at, such as `http://host:8080/iso/`
    #[arg(value_name = "URL")]
    url: String,
    /// Keep no history
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    let begun = begin(&args).await;
    let exit = match begun {
        Ok(mut shell) => shell.run().await,
        Err(error) => report(&Err(error)),
    };
    ExitCode::from(exit.code())
}

async fn begin(args: &Args) -> Result<Shell, CommandError> {
    let client = args.asking.client()?;
    let place = Place::enter(&client, &HttpUrl::parse(&args.url)?).await?;
    let history = match args.no_history {
        true => None,
        false => input::history_path(),
    };
    let input = if io::stdin().is_terminal() {
        Input::terminal(client.clone(), history)
    } else {
        Input::script()
    };
    Ok(Shell {
        client,
        place,
        input,
    })
}

/// A shell under way.
struct Shell {
    client: HttpClient,
    place: Place,
    input: Input,
}

/// What comes after a command.
enum Next {
    Line,
    End(Exit),
}

impl Shell {
    async fn run(&mut self) -> Exit {
        loop {
            let text = match self.input.read(&self.place).await {
                Read::Line(text) => text,
                Read::Interrupted => continue,
                Read::End => return Exit::Ok,
                Read::Failed(error) => {
                    complain(format_args!("cannot read commands: {error}"));
                    return Exit::LocalFile;
                }
            };
            if let Next::End(exit) = self.obey(&text).await {
                return exit;
            }
        }
    }

    async fn obey(&mut self, text: &str) -> Next {
        let Line { word, on_error } = Line::parse(text);
        let exit = match word {
            Ok(None) => Exit::Ok,
            Ok(Some(Word::Quit)) => return Next::End(Exit::Ok),
            Ok(Some(word)) => self.carry_out(word).await,
            Err(error) => error.tell(),
        };
        let ends = exit != Exit::Ok && on_error == OnError::Stop && self.input.is_script();
        if ends { Next::End(exit) } else { Next::Line }
    }

    /// Downloads; Ctrl-C ends that, and is heard there.
    async fn get(&self, paths: &[String], options: &get::Options) -> Result<Exit, CommandError> {
        let urls: Result<Vec<_>, _> = paths.iter().map(|path| self.place.url(path)).collect();
        let items = options.items(urls?);
        let checked = items.and_then(|items| options.check(&items).map(|()| items));
        Ok(match checked {
            Ok(items) => options.bring_all(&self.client, items).await,
            Err(message) => {
                complain(message);
                Exit::Usage
            }
        })
    }

    /// Does what a line says, until it is done or the user has enough.
    async fn carry_out(&mut self, word: Word) -> Exit {
        if let Word::Get { paths, options } = &word {
            let result = self.get(paths, options).await;
            return result.unwrap_or_else(|error| report(&Err(error)));
        }
        let result = tokio::select! {
            exit = self.act(word) => exit,
            Ok(()) = ctrl_c() => Ok(Exit::Interrupted),
        };
        result.unwrap_or_else(|error| report(&Err(error)))
    }

    async fn act(&mut self, word: Word) -> Result<Exit, CommandError> {
        let (client, place) = (&self.client, &self.place);
        match word {
            Word::Cat { file } => return Ok(cat(client, place.url(&file)?).await),
            Word::Cd { folder } => {
                let to = folder.map_or_else(|| Ok(place.start()), |folder| place.url(&folder))?;
                self.place = place.go(client, &to).await?;
            }
            Word::Explain { file, options } => options.print(client, &place.url(&file)?).await?,
            Word::Find { folder, options } => {
                options.print(client, &place.url(&folder)?).await?;
            }
            Word::Ls { path, options } => options.print(client, &place.url(&path)?).await?,
            Word::Pwd => writeln!(io::stdout(), "{}", place.here())?,
            Word::Stat { file } => print_facts(client, &place.url(&file)?).await?,
            Word::Status { options } => options.print(client, &place.here()).await?,
            // Seen to before.
            Word::Get { .. } | Word::Quit => {}
        }
        Ok(Exit::Ok)
    }
}

/// Prints a file as it is.
async fn cat(client: &HttpClient, url: HttpUrl) -> Exit {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let result = match stdout {
        Ok(stdout) => {
            let download = Download::new(url).to_stream(Box::new(File::from(stdout)));
            download.run(client, &mut |_: &Progress| {}).await
        }
        Err(source) => Err(DownloadError::Local {
            path: "standard output".into(),
            doing: "use",
            source,
        }),
    };
    match result {
        Ok(_) => Exit::Ok,
        Err(error) => {
            complain(get::message(&error));
            error.exit()
        }
    }
}

/// What a server says of one file, a line for each fact.
async fn print_facts(client: &HttpClient, url: &HttpUrl) -> Result<(), CommandError> {
    let Located { url, listed, .. } = Located::file(client, url).await?;
    let size = listed.size.map(|bytes| bytes.to_string());
    let facts = [
        ("url", Some(url.to_string())),
        ("size", size),
        ("mtime", Some(listed.mtime)),
        ("root", listed.root),
    ];
    let mut output = io::stdout();
    for (name, fact) in facts {
        let fact = fact.filter(|fact| !fact.is_empty());
        writeln!(
            output,
            "{name:<5}  {}",
            printable(fact.as_deref().unwrap_or("-"))
        )?;
    }
    Ok(())
}

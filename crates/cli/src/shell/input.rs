//! Where a shell's lines come from: an editor at a terminal, or standard input as it is.
//!
//! Both wait for a person or a pipe, so they read on a thread of their own; a line is read when it is
//! asked for and not before. It must never echo or keep lines of a script.

use std::{
    env, fs,
    io::{self, BufRead},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
};

use overspill_client::HttpClient;
use rustyline::{CompletionType, Config, Editor, error::ReadlineError, history::FileHistory};
use tokio::{runtime::Handle, signal::ctrl_c, sync::mpsc};

use super::{completion::Completion, place::Place};
use crate::terminal::note;

/// A source of lines.
pub(super) struct Input {
    kind: Kind,
    asked: mpsc::Sender<Place>,
    lines: mpsc::Receiver<Read>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Script,
    Terminal,
}

/// What came of reading.
#[derive(Debug)]
pub(super) enum Read {
    Line(String),
    /// The user gave up on this line.
    Interrupted,
    End,
    Failed(io::Error),
}

impl Input {
    /// Lines edited at the terminal; those of earlier times are in `history`.
    pub(super) fn terminal(client: HttpClient, history: Option<PathBuf>) -> Self {
        let runtime = Handle::current();
        Self::start(Kind::Terminal, move |mut asked, lines| {
            let completion = Completion::new(client, runtime);
            let mut terminal = match Terminal::open(completion, history) {
                Ok(terminal) => terminal,
                Err(error) => return drop(lines.blocking_send(Read::Failed(error))),
            };
            while let Some(place) = asked.blocking_recv() {
                if lines.blocking_send(terminal.read(place)).is_err() {
                    return;
                }
            }
        })
    }

    /// Standard input as it is.
    pub(super) fn script() -> Self {
        Self::start(Kind::Script, |mut asked, lines| {
            let mut script = io::stdin().lock().lines();
            while asked.blocking_recv().is_some() {
                let read = match script.next() {
                    None => Read::End,
                    Some(Ok(line)) => Read::Line(line),
                    Some(Err(error)) => Read::Failed(error),
                };
                if lines.blocking_send(read).is_err() {
                    return;
                }
            }
        })
    }

    fn start(
        kind: Kind,
        reader: impl FnOnce(mpsc::Receiver<Place>, mpsc::Sender<Read>) + Send + 'static,
    ) -> Self {
        let (asked, asked_there) = mpsc::channel(1);
        let (lines_there, lines) = mpsc::channel(1);
        // Not one of the runtime's: it would keep the process from ending while it waits for a key.
        thread::spawn(move || reader(asked_there, lines_there));
        Self { kind, asked, lines }
    }

    /// Whether nobody is watching.
    pub(super) fn is_script(&self) -> bool {
        self.kind == Kind::Script
    }

    /// The next line, asked for at `place`.
    pub(super) async fn read(&mut self, place: &Place) -> Read {
        // An error is the reader's end; what it said last is still to be read.
        let _ = self.asked.send(place.clone()).await;
        let ended = || Read::Failed(io::Error::other("the thread that reads them is gone"));
        tokio::select! {
            read = self.lines.recv() => read.unwrap_or_else(ended),
            // At a terminal the editor sees the key itself.
            Ok(()) = ctrl_c(), if self.is_script() => Read::End,
        }
    }
}

/// An editor with its history.
struct Terminal {
    editor: Editor<Completion, FileHistory>,
    history: Option<PathBuf>,
}

impl Terminal {
    fn open(completion: Completion, history: Option<PathBuf>) -> io::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY_LINES_MAX)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(other)?
            .history_ignore_space(true)
            .build();
        let mut editor = Editor::with_config(config).map_err(other)?;
        editor.set_helper(Some(completion)); // lexicon-ok: rustyline's own name
        if let Some(path) = &history {
            if let Err(error) = prepare(path) {
                note(format_args!(
                    "no history is kept: {}: {error}",
                    path.display()
                ));
                return Ok(Self {
                    editor,
                    history: None,
                });
            }
            // A history that cannot be read is as good as none.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history })
    }

    fn read(&mut self, place: Place) -> Read {
        let prompt = place.prompt();
        let completion = self.editor.helper_mut(); // lexicon-ok: rustyline's own name
        if let Some(completion) = completion {
            completion.stand_at(place);
        }
        match self.editor.readline(&prompt) {
            Ok(line) => {
                self.keep(&line);
                Read::Line(line)
            }
            Err(ReadlineError::Interrupted) => Read::Interrupted,
            Err(ReadlineError::Eof) => Read::End,
            Err(error) => Read::Failed(other(error)),
        }
    }

    fn keep(&mut self, line: &str) {
        let is_new = self.editor.add_history_entry(line).unwrap_or(false);
        if let (true, Some(path)) = (is_new, &self.history) {
            // Several shells may share it. Not worth a word in the middle of work.
            let _ = self.editor.append_history(path);
        }
    }
}

/// Makes the file, readable by its owner alone.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Where lines are kept: in `$XDG_STATE_HOME`, or `~/.local/state`.
pub(super) fn history_path() -> Option<PathBuf> {
    let state = match env::var_os("XDG_STATE_HOME") {
        Some(state) => PathBuf::from(state),
        None => env::home_dir()?.join(".local/state"),
    };
    state.is_absolute().then(|| state.join("overspill/history"))
}

fn other(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// Most lines of the history.
const HISTORY_LINES_MAX: usize = 1000;

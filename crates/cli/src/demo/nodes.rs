//! The nodes: real processes of this same binary, each with its first and last words.
//!
//! Every process is killed when its [`Node`] is dropped, and by `--die-with-parent` when the demo
//! itself is killed. Nodes must be started from the main task: the kernel's death signal follows
//! the thread that forked, and the threads of `spawn_blocking` come and go.

use std::{
    collections::VecDeque,
    ffi::OsString,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use overspill_core::secret::FleetToken;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use super::tally::SERVER;

/// What a server and a mirror are started with.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// What the demo calls the node, such as `mirror 1`.
    pub(super) label: String,
    /// Subcommand and options.
    arguments: Vec<OsString>,
    /// For a mirror.
    token: Option<FleetToken>,
}

/// A running node.
#[derive(Debug)]
pub(super) struct Node {
    /// What the demo calls it.
    pub(super) label: String,
    /// What the fleet calls it.
    pub(super) name: String,
    /// Where it serves, without a slash at the end.
    pub(super) url: String,
    /// Told by a server only.
    pub(super) token: Option<FleetToken>,
    process: Child,
    last_words: LastWords,
}

/// What a node prints on standard output once it serves.
#[derive(Debug, Default)]
struct Greeting {
    url: Option<String>,
    name: Option<String>,
    token: Option<FleetToken>,
}

/// The last lines of a node's standard error.
#[derive(Debug)]
struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: JoinHandle<()>,
}

impl Launch {
    /// A server of `tree`, on this port of the loopback interface (0 for a free one).
    pub(super) fn server(tree: &Path, state: &Path, port: u16, capacity: &str) -> Self {
        let mut arguments: Vec<OsString> = vec!["serve".into(), tree.into()];
        arguments.extend(["--state".into(), state.into()]);
        Self {
            label: SERVER.to_owned(),
            arguments,
            token: None,
        }
        .with_common(&format!("127.0.0.1:{port}"), capacity)
    }

    /// A mirror of the server at `url`.
    pub(super) fn mirror(
        number: usize,
        server: &Node,
        store: &Path,
        capacity: &str,
    ) -> Result<Self> {
        let token = server.token.clone().context("the server told no token")?;
        let mut arguments: Vec<OsString> = vec!["mirror".into(), server.url.clone().into()];
        arguments.extend(["--store".into(), store.into()]);
        let launch = Self {
            label: format!("mirror {number}"),
            arguments,
            token: Some(token),
        };
        Ok(launch.with_common("127.0.0.1:0", capacity))
    }

    fn with_common(mut self, listen: &str, capacity: &str) -> Self {
        let common = ["--listen", listen, "--capacity", capacity];
        self.arguments.extend(common.map(OsString::from));
        self.arguments.push("--die-with-parent".into());
        self
    }

    /// Starts the process and waits until it serves.
    pub(super) async fn start(&self) -> Result<Node> {
        let cannot = || format!("cannot start {} as a process of its own", self.label);
        let mut process = self.command()?.spawn().with_context(cannot)?;
        let (out, err) = (process.stdout.take(), process.stderr.take());
        let (out, err) = out.zip(err).with_context(cannot)?;
        let last_words = LastWords::listen(err);
        match timeout(PATIENCE, Greeting::read(out)).await {
            Ok(Some((url, greeting))) => Ok(Node {
                label: self.label.clone(),
                name: greeting.name.unwrap_or_else(|| SERVER.to_owned()),
                url,
                token: greeting.token,
                process,
                last_words,
            }),
            // Standard output is closed: it ended, so its last words are complete.
            Ok(None) => Err(anyhow!(
                "{} did not start: {}",
                self.label,
                last_words.complete().await
            )),
            Err(_) => Err(anyhow!(
                "{} did not say within {} s where it serves: {}",
                self.label,
                PATIENCE.as_secs(),
                last_words.tell()
            )),
        }
    }

    fn command(&self) -> Result<Command> {
        let program = std::env::current_exe()
            .context("cannot find the program of this process; start it by its full path")?;
        let mut command = Command::new(program);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the demo, which then ends its nodes in order.
            .process_group(0)
            .kill_on_drop(true);
        // What is set for a service of this machine is not meant for the demo.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"OVERSPILL_") && name != LOG_VARIABLE {
                command.env_remove(name);
            }
        }
        // Its last words are for people.
        command.env("OVERSPILL_LOG_FORMAT", "text");
        // In the environment, where other users do not see it.
        match &self.token {
            Some(token) => command.env(TOKEN_VARIABLE, token.reveal()),
            None => command.env_remove(TOKEN_VARIABLE),
        };
        Ok(command)
    }
}

impl Node {
    /// SIGKILL: no farewell, no flush, connections cut.
    pub(super) async fn kill(&mut self) -> Result<()> {
        let cannot = || format!("cannot kill {}", self.label);
        self.process.kill().await.with_context(cannot)
    }

    /// An error when the process has ended, although nobody asked it to.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        match self.process.try_wait() {
            Ok(Some(status)) => Err(self.died(status)),
            // It cannot be asked; whether it answers requests will show.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Its last words, for an error message.
    pub(super) fn last_words(&self) -> String {
        self.last_words.tell()
    }

    /// Asks it to end, and kills it if it takes too long.
    pub(super) async fn stop(mut self) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(rustix::process::Pid::from_raw) {
            // It fails only for a process that has ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if timeout(FAREWELL, self.process.wait()).await.is_err() {
            // As above; and dropping it kills it once more.
            let _ = self.process.kill().await;
        }
        self.last_words.complete().await;
    }

    fn died(&self, status: ExitStatus) -> anyhow::Error {
        anyhow!(
            "{} ended by itself ({status}): {}",
            self.label,
            self.last_words.tell()
        )
    }
}

impl Greeting {
    /// Reads until all is said that a node of its kind says; `None` when it ended before.
    async fn read(out: impl AsyncRead + Unpin) -> Option<(String, Self)> {
        let mut greeting = Self::default();
        let mut lines = BufReader::new(out).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            greeting.hear(&line);
            let knows_who = greeting.token.is_some() || greeting.name.is_some();
            if let (true, Some(url)) = (knows_who, &greeting.url) {
                return Some((url.clone(), greeting));
            }
        }
        None
    }

    /// Takes what a line of `overspill serve` or `overspill mirror` tells.
    fn hear(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some(url), None) if url.starts_with("http://") => {
                self.url = Some(url.trim_end_matches('/').to_owned());
            }
            (Some("Mirror"), Some(name)) => self.name = Some(name.to_owned()),
            (Some(word), _) => {
                let assigned = word.strip_prefix(TOKEN_VARIABLE);
                let text = assigned.and_then(|rest| rest.strip_prefix('='));
                if let Some(token) = text.and_then(|text| text.parse().ok()) {
                    self.token = Some(token);
                }
            }
            (None, _) => {}
        }
    }
}

impl LastWords {
    fn listen(from: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LINES_MAX {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
        Self { lines, reader }
    }

    /// What came so far, in one line.
    fn tell(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = lines.iter().map(|line| line.trim()).collect();
        match lines.is_empty() {
            true => "it printed nothing".to_owned(),
            false => lines.join(" | "),
        }
    }

    /// What came until the end of the process, for which it waits a little.
    async fn complete(mut self) -> String {
        // A panic there would have been printed; a process that forked may keep the pipe open.
        let _ = timeout(FAREWELL, &mut self.reader).await;
        self.tell()
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

const LOG_VARIABLE: &str = "OVERSPILL_LOG";
const TOKEN_VARIABLE: &str = "OVERSPILL_TOKEN";
/// From the start of a node to its greeting; a debug build on a busy machine takes a second.
const PATIENCE: Duration = Duration::from_secs(30);
/// From SIGTERM to SIGKILL.
const FAREWELL: Duration = Duration::from_secs(5);
const LINES_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn greetings_are_understood() {
        let token = FleetToken::from_random([7; 32]);
        let server = format!(
            "Serving pub (3 files, 4 B) at\n\n    http://127.0.0.1:4567/\n\nAdd a mirror with\n\n\
             \u{20}   OVERSPILL_TOKEN={} overspill mirror http://127.0.0.1:4567\n\nState and token: x\n",
            token.reveal()
        );
        let (url, greeting) = Greeting::read(server.as_bytes()).await.unwrap();
        assert_eq!(url, "http://127.0.0.1:4567");
        assert_eq!(greeting.token.unwrap().reveal(), token.reveal());
        assert_eq!(greeting.name, None);

        let mirror =
            "Mirror m-1 (0 files, 0 B from before) at\n\n    http://127.0.0.1:8/\n\nStore: s";
        let (url, greeting) = Greeting::read(mirror.as_bytes()).await.unwrap();
        assert_eq!(url, "http://127.0.0.1:8");
        assert_eq!(greeting.name.as_deref(), Some("m-1"));
        assert!(greeting.token.is_none());
    }

    #[tokio::test]
    async fn a_greeting_cut_short_is_none() {
        for text in [
            "",
            "Serving x at\n",
            "    http://127.0.0.1:1/\n",
            "Mirror m-1 (\n",
        ] {
            assert!(Greeting::read(text.as_bytes()).await.is_none(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn the_last_words_are_the_last_lines() {
        let silent = LastWords::listen(&b""[..]);
        assert_eq!(silent.complete().await, "it printed nothing");
        let lines: String = (0..9).map(|at| format!(" line {at} \n")).collect();
        let talkative = LastWords::listen(std::io::Cursor::new(lines.into_bytes()));
        let expected = "line 3 | line 4 | line 5 | line 6 | line 7 | line 8";
        assert_eq!(talkative.complete().await, expected);
    }
}

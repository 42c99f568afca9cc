//! Foreign programs: the clients people use, and what root can do.
//!
//! A program that is not there is named on a line of its own and the test that needs it skipped;
//! where `CI=true`, it is a failure: a test that is always skipped must never look like one that
//! passes.

use std::{
    env,
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use crate::{
    fleet::say,
    stage::{LONG, wait_for},
};

/// What a test needs and may not have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// A file or folder, made by `.ci/run`.
    Path(&'static str),
    /// A program on the path.
    Program(&'static str),
    /// The superuser.
    Root,
}

/// Whether everything is there; says what is not.
///
/// # Panics
/// Under `CI=true` when something is missing.
pub(crate) fn has(test: &str, needs: &[Need]) -> bool {
    let missing = needs.iter().find(|need| !need.is_met());
    let Some(missing) = missing else { return true };
    let reason = match missing {
        Need::Path(path) => format!("{path} is not there"),
        Need::Program(name) => format!("{name} is not installed"),
        Need::Root => "it needs root".to_owned(),
    };
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "{test} cannot run: {reason}"
    );
    say(format_args!("skipped {test}: {reason}"));
    false
}

impl Need {
    fn is_met(self) -> bool {
        match self {
            Self::Path(path) => Path::new(path).exists(),
            Self::Program(name) => env::var_os("PATH").is_some_and(|path| {
                env::split_paths(&path).any(|folder| folder.join(name).is_file())
            }),
            Self::Root => rustix::process::getuid().is_root(),
        }
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it does not end within `limit`; it is killed then.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Output {
    let mut child = Running(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program"),
    );
    let (stdout, stderr) = (drain(child.0.stdout.take()), drain(child.0.stderr.take()));
    let mut status = None;
    wait_for(&format!("the end of {command:?}"), limit, || {
        status = child.0.try_wait().expect("a child");
        status.is_some()
    });
    Output {
        status: status.expect("an ended child"),
        stdout: stdout.join().expect("a thread"),
        stderr: stderr.join().expect("a thread"),
    }
}

/// Runs a program that must succeed; what it printed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = run_within(LONG, command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    output
}

/// Reads to the end beside the caller, so that the child never waits for a reader.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could be read is what there is to see.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

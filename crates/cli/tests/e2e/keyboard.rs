//! A terminal, for what only a person does.
//!
//! It must never wait without an end.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    process::{Child, Command},
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::stage::LONG;

/// A command at a terminal of 80 columns and 24 lines, seen from the side of the keyboard.
pub(crate) struct Terminal {
    /// What is typed.
    pub(crate) keyboard: File,
    /// The command.
    pub(crate) child: Child,
    /// What came to the screen since something was typed last.
    pub(crate) seen: String,
}

impl Terminal {
    /// Runs a command there.
    pub(crate) fn run(mut command: Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let screen = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits() as i32)
            .open(name.to_str().unwrap())
            .unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&screen, size).unwrap();
        command
            .env("TERM", "xterm")
            .stdin(screen.try_clone().unwrap())
            .stdout(screen.try_clone().unwrap())
            .stderr(screen);
        let child = command.spawn().unwrap();
        let keyboard = File::from(keyboard);
        let seen = String::new();
        Self {
            keyboard,
            child,
            seen,
        }
    }

    /// Types, and waits until this is on the screen; what was there before does not count.
    pub(crate) fn type_until(&mut self, keys: &str, expected: &str) {
        self.seen.clear();
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        let begun = Instant::now();
        while !self.seen.contains(expected) {
            assert!(begun.elapsed() < LONG, "{expected:?} in {:?}", self.seen);
            self.look();
        }
    }

    /// Whether lines are edited and echoed by the terminal, as they are before a command.
    pub(crate) fn is_as_before(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Reads what is there, waiting a second for it.
    pub(crate) fn look(&mut self) {
        let timeout = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let mut waited = [PollFd::new(&self.keyboard, PollFlags::IN)];
        if poll(&mut waited, Some(&timeout)).unwrap() == 0 {
            return;
        }
        let mut bytes = [0; 4096];
        let count = self.keyboard.read(&mut bytes).unwrap();
        self.seen
            .push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

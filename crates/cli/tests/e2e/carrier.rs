//! The ways a request can come: HTTP/1.1 and HTTP/2, plain and over TLS, by curl.
//!
//! A promise that holds for one of them must hold for all. It must never trust a certificate outside
//! of these tests: here nobody vouches for it, and encryption is not what is tested.

use std::{
    io::Read,
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::{fleet::Node, tools::run};

/// One way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrier {
    /// Version of HTTP as the access log writes it.
    pub(crate) version: &'static str,
    /// Whether it is encrypted.
    pub(crate) tls: bool,
    option: &'static str,
}

/// All of them.
pub(crate) const CARRIERS: [Carrier; 4] = [
    Carrier {
        version: "1.1",
        tls: false,
        option: "--http1.1",
    },
    Carrier {
        version: "1.1",
        tls: true,
        option: "--http1.1",
    },
    Carrier {
        version: "2.0",
        tls: false,
        option: "--http2-prior-knowledge",
    },
    Carrier {
        version: "2.0",
        tls: true,
        option: "--http2",
    },
];

/// Options with which a node can be reached by all of them.
pub(crate) const ALL: [&str; 3] = ["--tls-self-signed", "--tls-listen", "127.0.0.1:0"];

impl Carrier {
    /// The URL of `target` at a node that was started with [`ALL`].
    pub(crate) fn url(self, node: &Node, target: &str) -> String {
        let base = if self.tls {
            node.secure_url().expect("a node with TLS")
        } else {
            node.url.clone()
        };
        format!("{base}{target}")
    }

    /// curl over this way, told nothing more but not to look at the certificate.
    pub(crate) fn curl(self) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sS", "-q", "-k", "--noproxy", "*", self.option]);
        command
    }

    /// Asks for `target` with more arguments; the status, and the bytes of the body that came.
    pub(crate) fn ask(self, node: &Node, target: &str, args: &[&str]) -> (u16, u64) {
        let mut command = self.curl();
        command.args(args).args(["-o", "/dev/null"]);
        command.args(["-w", "%{http_code} %{size_download}"]);
        let output = run(command.arg(self.url(node, target)));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, bytes) = text.split_once(' ').expect("two numbers");
        let number = "a number";
        (status.parse().expect(number), bytes.parse().expect(number))
    }

    /// A download that goes no further than what is read of it.
    pub(crate) fn begin(self, node: &Node, target: &str, args: &[&str]) -> Download {
        let mut command = self.curl();
        command.args(args).arg(self.url(node, target));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("curl");
        let stdout = child.stdout.take().expect("a pipe");
        Download { child, stdout }
    }
}

/// A curl in the middle of a download; dropped, it is killed.
pub(crate) struct Download {
    child: Child,
    stdout: ChildStdout,
}

impl Download {
    /// Reads so many bytes of the body.
    pub(crate) fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        self.stdout.read_exact(&mut read).expect("a body so long");
        read
    }

    /// Reads what there is; whether curl was content with it, too.
    pub(crate) fn rest(mut self) -> (Vec<u8>, bool) {
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).expect("a pipe");
        let status = self.child.wait().expect("a child");
        (rest, status.success())
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

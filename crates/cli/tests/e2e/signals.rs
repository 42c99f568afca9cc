//! Signals to a running node, other than those that end it.

use std::fs;

use rustix::process::Signal;

use crate::{
    fleet::{Node, serve},
    stage::{LONG, Stage, wait_for},
};

#[test]
fn sigusr1_reopens_the_access_log_after_it_was_renamed() {
    let stage = Stage::new();
    stage.write("file", b"content");
    let (log, old) = (stage.path("access.log"), stage.path("access.log.1"));
    let arguments = ["--access-log", log.to_str().unwrap()];
    let command = serve(&stage, "127.0.0.1:0", &arguments);
    let mut node = Node::start(&stage, "server", command);
    assert!(log.exists(), "it is there before the first request");
    fs::rename(&log, &old).unwrap();
    node.signal(Signal::USR1);
    wait_for("a new access log", LONG, || log.exists());
    assert_eq!(node.get("/file").body, b"content");
    assert!(node.stop().success(), "{}", node.log());
}

#[test]
fn sigusr1_does_not_end_a_node_without_an_access_log() {
    let stage = Stage::new();
    stage.write("file", b"content");
    let mut node = Node::start(&stage, "server", serve(&stage, "127.0.0.1:0", &[]));
    node.signal(Signal::USR1);
    assert_eq!(node.get("/file").body, b"content");
    assert!(node.stop().success(), "{}", node.log());
}

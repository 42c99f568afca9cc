//! On the way to a server: proxies the environment names, passwords from a netrc file.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    process::Output,
    thread,
};

use crate::{
    fleet::{Fleet, Setup, overspill},
    stage::{LONG, Stage},
    tools::run_within,
};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_environment_names_a_proxy() {
    let stage = Stage::new();
    stage.write("a.iso", b"hello");
    let fleet = Fleet::ready(stage, Setup::default());
    // A server takes requests with a whole URL as well, as a proxy would have to.
    let asked = |no_proxy: &str| {
        let mut command = overspill(["ls", "http://files.invalid/"]);
        command.env("http_proxy", &fleet.server.url);
        run_within(LONG, command.env("no_proxy", no_proxy))
    };
    let output = asked("");
    assert!(output.status.success(), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("a.iso"));
    let output = asked("invalid");
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
}

/// A server that gives its one file to whom it knows; one request for each connection.
fn guarded() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            // "me:secret"
            let known = "authorization: Basic bWU6c2VjcmV0";
            let is_known = head.iter().any(|line| line.eq_ignore_ascii_case(known));
            let answer = match is_known {
                true => "200 OK\r\nContent-Length: 5\r\n\r\nhello",
                false => "401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            };
            let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            write!(stream, "HTTP/1.1 {answer}").unwrap();
        }
    });
    address
}

#[test]
fn passwords_come_from_a_netrc_file() {
    let stage = Stage::new();
    let netrc = stage.path("netrc");
    std::fs::write(&netrc, "machine 127.0.0.1 login me password secret\n").unwrap();
    let url = format!("http://{}/file", guarded());
    let target = stage.path("out");
    let get = |options: &[&str]| {
        let words = ["get", "--quiet", &url, "--output", target.to_str().unwrap()];
        let mut command = overspill(words.iter().chain(options));
        run_within(LONG, command.env("NETRC", &netrc))
    };
    assert_eq!(get(&["--no-netrc"]).status.code(), Some(8));
    let output = get(&["--netrc-file", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output),
        "overspill: cannot read /nowhere: No such file or directory (os error 2); to go on without \
         it use --no-netrc\n"
    );
    let output = get(&[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read(&target).unwrap(), b"hello");
}

//! The harness at its smallest: the way breaks what it should, and a verdict is what came.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
};

use super::{
    download::{Client, Expected, Request},
    fault::Fault,
    tally::{End, Tally},
    way::Way,
    *,
};

const BYTES: u64 = 200_000;

/// An origin without end: each connection asks once, or asks for the rest of what it has.
fn origin(content: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that has gone is one of the cases.
            let _ = stream.and_then(|stream| answer(&stream, &content));
        }
    });
    address
}

fn answer(mut stream: &TcpStream, content: &[u8]) -> io::Result<()> {
    let asked = BufReader::new(stream).lines().map_while(Result::ok);
    asked.take_while(|line| !line.is_empty()).for_each(drop);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(content)
}

/// Whether `programs` are here; says so if not.
fn has(test: &str, programs: &[&str]) -> bool {
    let is_ci = std::env::var("CI").as_deref() == Ok("true");
    let Some(missing) = programs.iter().find(|program| !is_installed(program)) else {
        return true;
    };
    assert!(!is_ci, "{test} cannot run: {missing} is not installed");
    note(&format!("skipped {test}: {missing} is not installed"));
    false
}

#[test]
fn a_verdict_is_what_a_plain_client_has_in_the_end() {
    if !has("a_verdict_is_what_a_plain_client_has_in_the_end", &["curl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let expected = Expected::write(folder.path(), "/file", BYTES).unwrap();
    let content = std::fs::read(folder.path().join("file")).unwrap();
    let way = Way::start(origin(content)).unwrap();
    let request = |patience| Request {
        client: Client::Curl,
        url: format!("http://{}/file", way.address()),
        expected: &expected,
        to: folder.path().join("got"),
        patience,
    };
    assert_eq!(request(Duration::from_secs(20)).run().unwrap(), End::Right);
    assert_eq!(way.struck(), 0);
    let mut struck = 0;
    for (fault, end) in [
        (Fault::Answers500, End::Failed),
        (Fault::Closes, End::Failed),
        (Fault::Ends(100_000), End::Failed),
        (Fault::Flips(7), End::Wrong),
        (Fault::Lies(1), End::Failed),
        (Fault::Lies(-1), End::Wrong),
        (Fault::Resets(1), End::Failed),
        (Fault::Stalls(50_000), End::Failed),
    ] {
        let patience = match fault {
            Fault::Stalls(_) => Duration::from_millis(300),
            _ => Duration::from_secs(20),
        };
        way.set(Some(fault));
        struck += 1;
        assert_eq!(request(patience).run().unwrap(), end, "{fault:?}");
        assert_eq!(way.struck(), struck, "{fault:?}");
    }
    way.set(None);
    assert_eq!(request(Duration::from_secs(20)).run().unwrap(), End::Right);
}

#[test]
fn a_relay_that_only_passes_on_is_found_out() {
    let test = "a_relay_that_only_passes_on_is_found_out";
    if !has(test, &["curl", "wget", "nginx"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let expected = Expected::write(folder.path(), "/file", BYTES).unwrap();
    let content = std::fs::read(folder.path().join("file")).unwrap();
    let origins = [origin(content.clone()), origin(content)];
    let work = folder.path();
    let site = contender::before_origins(Contender::Nginx(Care::Most), origins, work).unwrap();
    let groups = fault::groups(1, BYTES);
    let groups: Vec<_> = groups
        .into_iter()
        .filter(|group| ["says too short", "closes", "reset at k"].contains(&group.title))
        .collect();
    let rows = rounds::run(&site, &groups, &expected, work, Duration::from_secs(20)).unwrap();
    let [right, failed, wrong] =
        [(1, 0, 0), (0, 1, 0), (0, 0, 1)].map(|(right, failed, wrong)| Tally {
            right,
            failed,
            wrong,
            unmet: 0,
        });
    assert_eq!(rows[0].cells, [failed, wrong, right]);
}

#[test]
fn the_report_has_a_line_for_each_client_and_relay() {
    let groups = fault::groups(1, BYTES);
    let row = |client| Row {
        client,
        cells: vec![
            Tally {
                right: 2,
                ..Tally::default()
            };
            groups.len()
        ],
    };
    let kills = Outcome {
        kills: 20,
        struck: 36,
        tally: Tally {
            right: 43,
            ..Tally::default()
        },
    };
    let trial = Trial {
        contender: Contender::Overspill,
        rows: rounds::CLIENTS.map(row).into(),
        kills: Some(kills),
    };
    let text = report(&groups, &[trial]);
    let squeezed = text.replace(' ', "");
    for line in [
        "|curl|overspill|2/0/0|",
        "|wget|overspill|2/0/0|",
        "|16/0/0|\n",
        "|overspill|20|36|43|0|0|",
    ] {
        assert!(squeezed.contains(line), "{line}: {text}");
    }
}

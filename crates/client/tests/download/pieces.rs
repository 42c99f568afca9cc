//! Large files from a fleet: everyone sends, nobody is trusted.

use std::fs;

use overspill_client::{Exit, OnChange, Served, Verification};

use super::{
    site::{Fault, Node, Version, join},
    *,
};

const MIB: usize = 1 << 20;
const SIZE: usize = 24 * MIB + 12_345;

fn version(seed: u64) -> Version {
    let mut content = vec![0; SIZE];
    fastrand::Rng::with_seed(seed).fill(&mut content);
    Version::new(content)
}

/// Nodes of one fleet, the first of which is the server.
async fn fleet(version: &Version, faults: &[Fault]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for fault in faults {
        nodes.push(Node::start(version, *fault).await);
    }
    join(&nodes.iter().collect::<Vec<_>>());
    nodes
}

fn served<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a Served> {
    outcome.served.iter().find(|served| served.source == name)
}

async fn get(node: &Node, folder: &TempDir) -> (Result<Outcome, DownloadError>, Vec<Progress>) {
    run(download(&node.url()).to(folder.path())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_sends_and_every_request_names_the_version() {
    let version = version(1);
    let nodes = fleet(&version, &[Fault::None; 3]).await;
    let folder = TempDir::new().unwrap();
    let (result, _) = get(&nodes[0], &folder).await;
    let outcome = result.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
    assert_eq!(names(&folder), ["big"]);
    assert_eq!(outcome.verification, Verification::Root(version.root));
    assert_eq!(outcome.bytes, SIZE as u64);
    let pieces: u64 = outcome.served.iter().map(|served| served.pieces).sum();
    assert_eq!(pieces, 25);
    assert!(outcome.served.len() >= 2, "{:?}", outcome.served);
    for node in &nodes {
        for asked in node.asked() {
            assert_eq!(asked.target, "/big?direct");
            assert_eq!(asked.if_match, Some(version.root.etag()));
            assert!(asked.range.is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_found_banned_told_of_and_named() {
    let version = version(2);
    let nodes = fleet(&version, &[Fault::None, Fault::FlipsEach(70_000)]).await;
    let folder = TempDir::new().unwrap();
    let (result, events) = get(&nodes[0], &folder).await;
    let outcome = result.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
    let banned = Progress::SourceBanned {
        source: "n1".to_owned(),
    };
    assert!(events.contains(&banned), "{events:?}");
    let liar = served(&outcome, "n1").unwrap();
    assert!(liar.is_banned && liar.pieces == 0, "{liar:?}");
    let complaints = nodes[0].complaints();
    assert_eq!(complaints.len(), 1);
    // Not only the piece is known, but the group of 64 KiB.
    assert_eq!(complaints[0].offset % MIB as u64, 65_536);
    assert_eq!(complaints[0].member, "n1");
    assert_eq!(complaints[0].root, version.root.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_lie_there_is_no_file() {
    let version = version(3);
    let nodes = fleet(&version, &[Fault::Flips(5), Fault::Flips(6)]).await;
    let folder = TempDir::new().unwrap();
    let (result, events) = get(&nodes[0], &folder).await;
    let error = result.unwrap_err();
    assert_eq!(error.exit(), Exit::VerificationFailed, "{error}");
    let bans = events
        .iter()
        .filter(|event| matches!(event, Progress::SourceBanned { .. }));
    assert_eq!(bans.count(), 2);
    assert!(!path(&folder, "big").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_cut_is_kept() {
    let version = version(4);
    let nodes = fleet(&version, &[Fault::Cuts(300_000)]).await;
    let folder = TempDir::new().unwrap();
    let (result, _) = get(&nodes[0], &folder).await;
    let outcome = result.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
    // Of each cut at most the group that it hit comes again.
    let cuts = outcome.served[0].errors;
    let most = SIZE as u64 + (cuts + 1) * 2 * 65_536;
    assert!(
        outcome.received_bytes <= most,
        "{} of {most}",
        outcome.received_bytes
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_fail_are_left_and_the_others_finish() {
    for fault in [
        Fault::Empty,
        Fault::IgnoresRanges,
        Fault::Stale,
        Fault::Stalls(100_000),
        Fault::Busy {
            times: 100,
            retry_after_s: 1,
        },
    ] {
        let version = version(5);
        let nodes = fleet(&version, &[Fault::None, fault]).await;
        let folder = TempDir::new().unwrap();
        let (result, _) = get(&nodes[0], &folder).await;
        let outcome = result.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert!(
            fs::read(path(&folder, "big")).unwrap() == *version.content,
            "{fault:?}"
        );
        let pieces = served(&outcome, "n0").unwrap().pieces;
        assert!(pieces >= 24, "{fault:?}: {pieces}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_a_pause_gets_it() {
    let version = version(6);
    let busy = Fault::Busy {
        times: 1,
        retry_after_s: 1,
    };
    let nodes = fleet(&version, &[busy]).await;
    let folder = TempDir::new().unwrap();
    let begun = std::time::Instant::now();
    let (result, _) = get(&nodes[0], &folder).await;
    result.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_keeps_the_pieces_that_are_equal() {
    let old = version(7);
    let mut content = old.content.to_vec();
    content[3 * MIB] ^= 1;
    let new = Version::new(content);
    let nodes = fleet(&old, &[Fault::None]).await;
    nodes[0].changes_after(4, &new);
    let folder = TempDir::new().unwrap();
    let (result, events) = get(&nodes[0], &folder).await;
    let outcome = result.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *new.content);
    assert_eq!(outcome.verification, Verification::Root(new.root));
    let resumed = events.iter().filter_map(|event| match event {
        Progress::Started {
            resumed_from_bytes, ..
        } => Some(*resumed_from_bytes),
        _ => None,
    });
    let resumed: Vec<u64> = resumed.collect();
    assert_eq!(resumed.len(), 2, "{resumed:?}");
    assert!(resumed[1] > 0, "{resumed:?}");

    let nodes = fleet(&old, &[Fault::None]).await;
    nodes[0].changes_after(4, &new);
    let folder = TempDir::new().unwrap();
    let strict = download(&nodes[0].url()).on_change(OnChange::Fail);
    let error = run(strict.to(folder.path())).await.0.unwrap_err();
    assert_eq!(error.exit(), Exit::Changed, "{error}");
    assert_eq!(names(&folder), ["big.part", "big.part.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_takes_what_is_right_whatever_the_state_says() {
    let version = version(8);
    for state in [None, Some(vec![0; 300]), Some(b"{\"v\":2".to_vec())] {
        let nodes = fleet(&version, &[Fault::None]).await;
        let folder = TempDir::new().unwrap();
        let mut part = version.content.to_vec();
        part[5 * MIB..8 * MIB].fill(0);
        part[20 * MIB + 7] ^= 1;
        fs::write(path(&folder, "big.part"), &part).unwrap();
        if let Some(state) = &state {
            fs::write(path(&folder, "big.part.json"), state).unwrap();
        }
        let (result, _) = get(&nodes[0], &folder).await;
        let outcome = result.unwrap();
        assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
        assert_eq!(names(&folder), ["big"]);
        let pieces: u64 = outcome.served.iter().map(|served| served.pieces).sum();
        assert_eq!(pieces, 4, "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_pull_leaves_part_and_state() {
    let version = version(9);
    let nodes = fleet(&version, &[Fault::Stalls(2 * MIB)]).await;
    let folder = TempDir::new().unwrap();
    let client = client();
    let (seen, mut watch) = tokio::sync::watch::channel(0);
    let mut observer = move |progress: &Progress| {
        if let Progress::Bytes { position_bytes, .. } = progress {
            seen.send_replace(*position_bytes);
        }
    };
    let download = download(&nodes[0].url()).to(folder.path());
    tokio::select! {
        result = download.run(&client, &mut observer) => panic!("{result:?}"),
        reached = watch.wait_for(|&position| position >= MIB as u64) => drop(reached.unwrap()),
    }
    assert_eq!(names(&folder), ["big.part", "big.part.json"]);
    let state = fs::read_to_string(path(&folder, "big.part.json")).unwrap();
    assert!(state.contains(&version.root.to_string()), "{state}");
    let well = fleet(&version, &[Fault::None]).await;
    let (result, events) = get(&well[0], &folder).await;
    result.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
    assert!(
        matches!(events[0], Progress::Started { resumed_from_bytes, .. } if resumed_from_bytes >= MIB as u64)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gets_only_what_is_right_and_in_order() {
    let version = version(10);
    let nodes = fleet(
        &version,
        &[Fault::None, Fault::Flips(MIB / 2), Fault::Cuts(900_000)],
    )
    .await;
    let seen = Seen::default();
    let stream = download(&nodes[0].url()).to_stream(Box::new(seen.clone()));
    let outcome = run(stream).await.0.unwrap();
    assert_eq!(outcome.path, None);
    assert!(*seen.0.lock().unwrap() == *version.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lies_all_along_gets_nothing_wrong() {
    let version = version(11);
    let nodes = fleet(&version, &[Fault::Flips(2 * MIB + 5)]).await;
    let seen = Seen::default();
    let stream = download(&nodes[0].url()).to_stream(Box::new(seen.clone()));
    let error = run(stream).await.0.unwrap_err();
    assert_eq!(error.exit(), Exit::VerificationFailed);
    let seen = seen.0.lock().unwrap();
    assert!(**seen == version.content[..seen.len()]);
    assert!(seen.len() <= 2 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_the_members_finish() {
    let version = version(12);
    let nodes = fleet(&version, &[Fault::Cuts(500_000), Fault::None]).await;
    let folder = TempDir::new().unwrap();
    let client = client();
    let server = &nodes[0];
    let mut observer = |progress: &Progress| {
        if let Progress::Bytes {
            received_bytes: 1..,
            ..
        } = progress
        {
            server.stop();
        }
    };
    let download = download(&server.url()).to(folder.path());
    download.run(&client, &mut observer).await.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_from_all_ends_it_and_the_part_is_kept() {
    let version = version(13);
    let nodes = fleet(&version, &[Fault::Stalls(3 * MIB / 2), Fault::Stalls(0)]).await;
    let folder = TempDir::new().unwrap();
    let silence_max = Duration::from_secs(1);
    let persistence = Persistence {
        silence_max,
        ..Persistence::default()
    };
    let download = download(&nodes[0].url()).persistence(persistence);
    let client = HttpClient::new(Patience::default());
    let download = download.to(folder.path());
    let error = download
        .run(&client, &mut |_: &Progress| {})
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Network, "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "{}: gave up after 1 tries without progress: nothing came from any source for 1 s",
            nodes[0].url()
        )
    );
    assert_eq!(names(&folder), ["big.part", "big.part.json"]);
}

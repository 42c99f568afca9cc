//! Large files from servers that are not ours: one source, unless a digest makes others safe.

use std::fs;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use overspill_client::{Completion, Exit, Metalink, Verification};

use super::{
    site::{Fault, Node, Version},
    *,
};

const MIB: usize = 1 << 20;
const SIZE: usize = 12 * MIB + 12_345;

fn content(seed: u64) -> Vec<u8> {
    let mut content = vec![0; SIZE];
    fastrand::Rng::with_seed(seed).fill(&mut content);
    content
}

fn version(seed: u64) -> Version {
    let tag = Some("\"strong\"".to_owned());
    Version {
        tag,
        ..Version::new(content(seed))
    }
}

fn digest_line(content: &[u8]) -> String {
    let sum = BASE64.encode(digest(&SHA256, content));
    format!("Repr-Digest: sha-256=:{sum}:\r\n")
}

async fn get(node: &Node, folder: &TempDir) -> Result<Outcome, DownloadError> {
    run(download(&node.url()).to(folder.path())).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strong_tag_and_ranges_are_enough_for_pieces() {
    let version = version(1);
    let node = Node::start(&version, Fault::None).await;
    let folder = TempDir::new().unwrap();
    let outcome = get(&node, &folder).await.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
    assert_eq!(outcome.verification, Verification::LengthOnly);
    let asked = node.asked();
    assert!(asked[0].range.is_none());
    assert!(asked.len() > 2);
    for asked in &asked[1..] {
        assert!(asked.range.is_some());
        assert_eq!(asked.if_range.as_deref(), Some("\"strong\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_strong_tag_one_request_it_is() {
    let weak = Version {
        tag: Some("W/\"weak\"".to_owned()),
        ..version(2)
    };
    let node = Node::start(&weak, Fault::None).await;
    let folder = TempDir::new().unwrap();
    get(&node, &folder).await.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *weak.content);
    assert_eq!(node.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_only_says_it_does_ranges_is_read_whole() {
    let version = version(3);
    let node = Node::start(&version, Fault::IgnoresRanges).await;
    let folder = TempDir::new().unwrap();
    get(&node, &folder).await.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_are_mended_without_any_proof() {
    let version = version(4);
    let node = Node::start(&version, Fault::Cuts(700_000)).await;
    let folder = TempDir::new().unwrap();
    let outcome = get(&node, &folder).await.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
    assert!(
        outcome.received_bytes <= SIZE as u64 + 2 * 700_000,
        "{}",
        outcome.received_bytes
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_begins_anew_and_nothing_is_mixed() {
    let (old, mut new) = (version(5), version(6));
    new.tag = Some("\"other\"".to_owned());
    let node = Node::start(&old, Fault::None).await;
    node.changes_after(3, &new);
    let folder = TempDir::new().unwrap();
    get(&node, &folder).await.unwrap();
    assert!(fs::read(path(&folder, "big")).unwrap() == *new.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_asked_only_with_a_digest() {
    for with_digest in [true, false] {
        let plain = version(7);
        let other = Node::start(&plain, Fault::None).await;
        let link = format!("Link: <{}>; rel=duplicate; pri=1\r\n", other.url());
        let digest = if with_digest {
            digest_line(&plain.content)
        } else {
            String::new()
        };
        let fields = format!("{link}{digest}");
        let version = Version { fields, ..plain };
        let node = Node::start(&version, Fault::None).await;
        let folder = TempDir::new().unwrap();
        let outcome = get(&node, &folder).await.unwrap();
        assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
        assert_eq!(other.asked().is_empty(), !with_digest);
        assert_eq!(
            outcome.verification == Verification::LengthOnly,
            !with_digest
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_duplicate_costs_time_and_a_wrong_origin_the_file() {
    let plain = version(8);
    for (origin_fault, is_ok) in [(Fault::None, true), (Fault::Flips(9), false)] {
        let other = Node::start(&plain, Fault::Flips(2 * MIB)).await;
        let link = format!("Link: <{}>; rel=duplicate\r\n", other.url());
        let fields = format!("{link}{}", digest_line(&plain.content));
        let version = Version {
            fields,
            ..plain.clone()
        };
        let node = Node::start(&version, origin_fault).await;
        let folder = TempDir::new().unwrap();
        let result = get(&node, &folder).await;
        if is_ok {
            result.unwrap();
            assert!(fs::read(path(&folder, "big")).unwrap() == *version.content);
        } else {
            let error = result.unwrap_err();
            assert!(
                matches!(error, DownloadError::DigestMismatch { .. }),
                "{error}"
            );
            assert_eq!(error.exit(), Exit::VerificationFailed);
            assert_eq!(names(&folder), [""; 0]);
        }
    }
}

fn metalink(nodes: &[&Node], content: &[u8]) -> Metalink {
    let hex = |bytes: &[u8]| -> String {
        digest(&SHA256, bytes)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let sums: String = content
        .chunks(MIB)
        .map(|piece| format!("<hash>{}</hash>", hex(piece)))
        .collect();
    let urls: String = nodes
        .iter()
        .map(|node| format!("<url>{}</url>", node.url()))
        .collect();
    let text = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"f.iso\"><size>{}</size>\
         <hash type=\"sha-256\">{}</hash><pieces length=\"{MIB}\" type=\"sha-256\">{sums}</pieces>\
         {urls}</file></metalink>",
        content.len(),
        hex(content)
    );
    Metalink::parse(text.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pieces_of_a_metalink_are_proved_one_by_one() {
    let version = version(9);
    let good = Node::start(&version, Fault::None).await;
    let bad = Node::start(&version, Fault::Flips(MIB / 2)).await;
    let folder = TempDir::new().unwrap();
    let metalink = metalink(&[&bad, &good], &version.content);
    let (result, events) = run(Download::from_metalink(metalink).to(folder.path())).await;
    let outcome = result.unwrap();
    assert!(fs::read(path(&folder, "f.iso")).unwrap() == *version.content);
    assert_eq!(outcome.verification, Verification::Pieces);
    let banned = |event: &Progress| matches!(event, Progress::SourceBanned { source } if *source == bad.address.to_string());
    assert!(events.iter().any(banned), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_metalink_describes_gets_its_name() {
    let described = version(10);
    let mut longer = described.content.to_vec();
    longer.push(7);
    let other = Version {
        tag: described.tag.clone(),
        ..Version::new(longer)
    };
    for fault in [Fault::None, Fault::IgnoresRanges] {
        let node = Node::start(&other, fault).await;
        let folder = TempDir::new().unwrap();
        let metalink = metalink(&[&node], &described.content);
        let result = run(Download::from_metalink(metalink).to(folder.path()))
            .await
            .0;
        assert_eq!(result.unwrap_err().exit(), Exit::Network, "{fault:?}");
        assert_eq!(names(&folder), [""; 0], "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_metalink_describes_is_up_to_date_without_asking_anybody() {
    let version = version(11);
    let node = Node::start(&version, Fault::None).await;
    let folder = TempDir::new().unwrap();
    let metalink = metalink(&[&node], &version.content);
    fs::write(path(&folder, "f.iso"), &*version.content).unwrap();
    let again = Download::from_metalink(metalink.clone()).to(folder.path());
    assert_eq!(run(again).await.0.unwrap().completion, Completion::UpToDate);
    fs::write(path(&folder, "f.iso"), "mine").unwrap();
    let refused = Download::from_metalink(metalink).to(folder.path());
    assert_eq!(run(refused).await.0.unwrap_err().exit(), Exit::LocalFile);
    assert_eq!(node.asked(), []);
}

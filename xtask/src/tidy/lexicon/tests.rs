//! Samples of the document, of lines that break it and of lines that only seem to.

use super::*;

const SAMPLE: &str = "\
# Lexicon

| word | meaning |
|---|---|
| `node` | not in the table that counts |

## Words we do not use

Prose with a `word`.

| word | say instead | because |
|---|---|---|
| `peer` | node | it hides the role |
| `util`, `utils` | the topic | a drawer |

## Units

| `bytes` | x |
";

fn found_in(path: &str, text: &str) -> Vec<String> {
    check(&Checkout::of(&[(DOCUMENT, SAMPLE), (path, text)]))
        .iter()
        .map(Finding::to_string)
        .collect()
}

#[test]
fn the_table_is_read_from_the_document() {
    let expected = [
        ("peer", "node"),
        ("util", "the topic"),
        ("utils", "the topic"),
    ];
    let expected = expected.map(|(word, instead)| Banned { word, instead });
    assert_eq!(banned_words(SAMPLE), expected);
}

#[test]
fn a_missing_table_is_a_finding() {
    let message = "LEXICON.md:1: no table under \"## Words we do not use\" \
                   (restore it: this check reads it)";
    for checkout in [
        Checkout::of(&[]),
        Checkout::of(&[(DOCUMENT, "## Words we do not use\n\nNone.\n")]),
    ] {
        let found: Vec<String> = check(&checkout).iter().map(Finding::to_string).collect();
        assert_eq!(found, [message]);
    }
}

#[test]
fn a_banned_word_is_found_in_any_case_and_inside_identifiers() {
    for (text, word) in [
        ("// Ask the peer.", "peer"),
        ("// All PEERS agree.", "PEERS"),
        ("let peer_id = 1;", "peer"),
        ("struct BadPeers;", "Peers"),
        ("struct PeerId;", "Peer"),
        ("struct HTTPPeer;", "Peer"),
        ("fn peer2() {}", "peer"),
        ("let m = \"lost-peer\";", "peer"),
        ("let my_peer_addr = 1;", "peer"),
        ("mod utils;", "utils"),
        ("peer // lexicon-ok:", "peer"),
    ] {
        let remedy = if word == "utils" { "the topic" } else { "node" };
        assert_eq!(
            found_in("crates/a/src/b.rs", &format!("\n{text}\n")),
            [format!(
                "crates/a/src/b.rs:2: the word {word} (say {remedy}, or lexicon-ok: and why)"
            )]
        );
    }
}

#[test]
fn foreign_names_excused_lines_and_longer_words_are_left_alone() {
    for text in [
        "let from = stream.peer_addr()?;",
        "use {futures_util::Stream, http_body_util::Full, hyper_util::rt, tokio_util::sync};",
        "The packages `tokio-util`, `hyper-util` and tower::util.",
        "// RFC 9110's peer. lexicon-ok: quoted",
        "A peer. <!-- lexicon-ok: the name of another project's option -->",
        "peerless utility speer PeerlessSort getpeername",
    ] {
        assert_eq!(
            found_in("crates/a/src/b.rs", text),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

#[test]
fn sources_and_prose_are_ruled_and_the_rules_are_not() {
    for (path, findings) in [
        ("README.md", 1),
        ("docs/deep/guide.md", 1),
        ("crates/a/tests/b.rs", 1),
        ("CONTRIBUTING.md", 0),
        ("crates/a/README.txt", 0),
        ("xtask/src/a.rs", 0),
        ("third/party.md", 0),
    ] {
        assert_eq!(found_in(path, "peer").len(), findings, "{path}");
    }
}

#[test]
fn the_real_document_bans_what_the_design_bans() {
    let document = include_str!("../../../../LEXICON.md");
    let banned: Vec<&str> = banned_words(document)
        .iter()
        .map(|banned| banned.word)
        .collect();
    let expected = [
        "backend", "upstream", "slave", "peer", "job", "manager", "helper", "util", "utils",
        "utility",
    ];
    assert_eq!(banned, expected);
}

//! What changes between two configurations, and when a file counts as changed.

use std::fs;

use super::*;
use crate::{mirror, serve};

/// A service's options with this file and environment.
fn settled<T: ServiceArgs>(text: &str, variables: &[(&str, &str)]) -> Settled<T> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("overspill.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let config = [
        ("OVERSPILL_CONFIG", path.as_str()),
        ("OVERSPILL_FOLDER", "."),
    ];
    let config = config.iter().chain(variables).copied();
    let environment: Environment = config.collect();
    Given::<T>::nothing().settle(&environment).unwrap()
}

fn changes<T: ServiceArgs>(
    before: &str,
    after: &str,
    variables: &[(&str, &str)],
) -> (Changes, Settled<T>) {
    let before = settled::<T>(before, variables);
    let mut after = settled::<T>(after, variables);
    let changes = Changes::between(&before.effective, &after.effective, T::ROLE);
    after.effective.keep_unchanged(&before.effective, T::ROLE);
    (changes, after)
}

fn live(key: &str, from: &str, to: &str) -> (String, String, String) {
    (key.to_owned(), from.to_owned(), to.to_owned())
}

#[test]
fn each_change_is_told_by_what_becomes_of_it() {
    let (changes, after) = changes::<serve::Args>(
        "[serve]\nthreads = 1\npolicy = \"random\"\n",
        "[serve]\nthreads = 2\nscan_every = 5\npolicy = \"alternate\"\n\
         [zones]\nnorth = [\"10.0.0.0/8\"]\n[[rule]]\nmatch = [\"a\"]\n",
        &[("OVERSPILL_POLICY", "two-choices")],
    );
    assert_eq!(
        changes,
        Changes {
            live: vec![
                live("serve.scan_every", "60", "5"),
                live("zones", "0 networks", "1 network"),
                live("rule", "0 rules", "1 rule"),
            ],
            restart: vec!["threads".to_owned()],
            overridden: vec![("serve.policy".to_owned(), "OVERSPILL_POLICY".to_owned())],
        }
    );
    let threads = after.effective.entries.iter();
    let mut threads = threads.filter(|entry| entry.key.id() == "threads");
    assert_eq!(
        threads.next().unwrap().shown(),
        "1",
        "it goes on as it began"
    );
}

#[test]
fn nothing_changes_between_two_spellings() {
    let (changes, _) = changes::<serve::Args>(
        "[serve]\nscan_every = 60\n",
        "# nothing\n[serve]\n\n\nscan_every = 0x3c\n",
        &[],
    );
    assert_eq!(changes, Changes::default());
}

#[test]
fn https_neither_begins_nor_ends_but_shows_another_certificate() {
    let tls = |name: &str| format!("[tls]\ntls_cert = \"{name}.pem\"\ntls_key = \"{name}.key\"\n");
    let (begins, _) = changes::<serve::Args>("", &tls("a"), &[]);
    let (ends, _) = changes::<serve::Args>(&tls("a"), "", &[]);
    for changes in [begins, ends] {
        assert_eq!(changes.restart, ["tls_cert", "tls_key"]);
        assert_eq!(changes.live, []);
    }
    let (other, _) = changes::<serve::Args>(&tls("a"), &tls("b"), &[]);
    assert_eq!(other.live.len(), 2);
    assert_eq!(other.restart, [""; 0]);
}

#[test]
fn what_the_server_was_told_at_joining_needs_a_restart_of_the_mirror() {
    let text = |zone: &str| {
        format!("[mirror]\nserver = \"http://h:1\"\n[dispatch]\nzone = \"{zone}\"\nstripe = 2\n")
    };
    let after = text("south").replace("stripe = 2", "stripe = 3");
    let (changes, _) = changes::<mirror::Args>(&text("north"), &after, &[]);
    assert_eq!(changes.restart, ["zone"]);
    assert_eq!(changes.live, [live("dispatch.stripe", "2", "3")]);
}

#[test]
fn a_file_is_read_when_it_has_come_to_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "a").unwrap();
    let mut file = WatchedFile::new(path.clone());
    assert!(!file.has_changed());
    fs::write(&path, "ab").unwrap();
    assert!(!file.has_changed(), "it may go on");
    fs::write(&path, "abc").unwrap();
    assert!(!file.has_changed(), "it went on");
    assert!(file.has_changed());
    file.note();
    assert!(!file.has_changed());
    fs::remove_file(&path).unwrap();
    assert!(!file.has_changed(), "it may be about to come back");
    assert!(file.has_changed());
    file.note();
    assert!(!file.has_changed(), "told once");
}

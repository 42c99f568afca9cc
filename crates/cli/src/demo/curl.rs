//! A client that is not ours: `curl`, as a script would call it.
//!
//! It follows redirects and tries again from the start; it knows nothing of Overspill, and must be
//! given no option that a user of any other download site would not think of.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use tokio::process::Command;

use super::{
    load::check_file,
    subjects::Subject,
    tally::{Ending, SharedTally},
};

/// Whether there is a curl that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presence {
    Installed,
    Missing,
}

/// What one run of curl told.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Told {
    redirects: u64,
    bytes: u64,
    /// Where the bytes came from in the end.
    url: String,
}

/// Looks for a curl that knows `--retry-all-errors` (7.71, June 2020): without it a cut body is
/// final.
pub(super) async fn look() -> Presence {
    let mut probe = Command::new("curl");
    probe.args(["--retry-all-errors", "--version"]);
    probe.stdin(Stdio::null());
    match probe.output().await {
        Ok(output) if output.status.success() => Presence::Installed,
        _ => Presence::Missing,
    }
}

/// Downloads `url` to `local`, checks it and deletes it.
pub(super) async fn download(
    url: &str,
    local: &Path,
    subject: &Subject,
    tally: &SharedTally,
) -> Ending {
    let mut command = Command::new("curl");
    command
        .args(["-sSL", "--retry", "6", "--retry-all-errors"])
        // Its own pauses double from one second; a mirror is found dead at once.
        .args(["--retry-delay", "1", "--retry-max-time", "60"])
        .args([
            "--write-out",
            "%{num_redirects} %{size_download} %{url_effective}",
        ])
        .arg("--output")
        .args([local.as_os_str(), url.as_ref()])
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    match command.output().await {
        Ok(output) => conclude(&output, local, subject, tally).await,
        Err(error) => Ending {
            result: Err(format!("cannot run curl: {error}")),
            retries: 0,
        },
    }
}

async fn conclude(output: &Output, local: &Path, subject: &Subject, tally: &SharedTally) -> Ending {
    let errors = String::from_utf8_lossy(&output.stderr);
    let failed_tries = failed_tries(&errors);
    if !output.status.success() {
        let last = errors.lines().last().unwrap_or("it did not say why");
        return Ending {
            result: Err(format!("curl failed: {last}")),
            retries: failed_tries.saturating_sub(1),
        };
    }
    {
        let mut tally = tally.lock();
        tally.by_curl += 1;
        if let Some(told) = understand(&String::from_utf8_lossy(&output.stdout)) {
            tally.redirects += told.redirects;
            if let Some(name) = tally.name_at(&told.url) {
                tally.credit(&name, told.bytes);
            }
        }
    }
    // Of an empty file curl makes none.
    let result = match subject.bytes {
        0 if !local.exists() => Ok(0),
        _ => check_file(local, subject).await,
    };
    Ending {
        result,
        retries: failed_tries,
    }
}

/// With `-sS` curl prints one line for each try that failed, retried or not.
fn failed_tries(errors: &str) -> u64 {
    let is_failure = |line: &&str| line.starts_with("curl: (");
    errors.lines().filter(is_failure).count() as u64
}

fn understand(written: &str) -> Option<Told> {
    let mut words = written.split_whitespace();
    Some(Told {
        redirects: words.next()?.parse().ok()?,
        bytes: words.next()?.parse().ok()?,
        url: words.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_writes_is_understood() {
        let told = Told {
            redirects: 1,
            bytes: 300,
            url: "http://h:1/a?ticket=t".to_owned(),
        };
        for (written, expected) in [
            ("1 300 http://h:1/a?ticket=t", Some(told)),
            ("1 300", None),
            ("x 300 http://h", None),
            ("", None),
        ] {
            assert_eq!(understand(written), expected, "{written}");
        }
    }

    #[test]
    fn failed_tries_are_counted_by_their_lines() {
        for (errors, tries) in [
            ("", 0),
            (
                "curl: (18) transfer closed\ncurl: (7) Failed to connect\n",
                2,
            ),
            (
                "Warning: Problem : transient. Will retry\ncurl: (52) Empty reply\n",
                1,
            ),
        ] {
            assert_eq!(failed_tries(errors), tries, "{errors}");
        }
    }
}

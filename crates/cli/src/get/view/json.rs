//! What happened, as JSON: one object for each event, for programs.
//!
//! Names and meanings are a promise: fields may be added, never changed.

use overspill_client::{Completion, Outcome, Progress, Served, Verification};
use serde_json::{Value, json};

/// An event; `None` for what the end tells with more, by [`outcome_json`].
pub(super) fn event_json(progress: &Progress) -> Option<Value> {
    Some(match progress {
        Progress::Started {
            resumed_from_bytes,
            root,
            size_bytes,
        } => json!({
            "event": "started", "size_bytes": size_bytes,
            "resumed_from_bytes": resumed_from_bytes,
            "root": root.map(|root| root.to_string()),
        }),
        Progress::Bytes {
            position_bytes,
            received_bytes,
        } => json!({
            "event": "progress", "position_bytes": position_bytes,
            "received_bytes": received_bytes,
        }),
        Progress::Redirected { member } => json!({"event": "redirected", "member": member}),
        Progress::Retrying {
            avoided,
            pause,
            reason,
        } => json!({
            "event": "retrying", "reason": reason, "avoided": avoided,
            "pause_ms": pause.as_millis() as u64,
        }),
        Progress::Verified { root } => json!({"event": "verified", "root": root.to_string()}),
        _ => return source_json(progress),
    })
}

fn source_json(progress: &Progress) -> Option<Value> {
    Some(match progress {
        Progress::PieceRefuted { offset, source } => {
            json!({"event": "piece_refuted", "offset": offset, "source": source})
        }
        Progress::Searching => json!({"event": "searching"}),
        Progress::SourceAdded { source } => json!({"event": "source_added", "source": source}),
        Progress::SourceBanned { source } => json!({
            "event": "source_banned", "source": source, "reason": "it sent wrong bytes",
        }),
        Progress::SourceLeft { source, reason } => {
            json!({"event": "source_left", "source": source, "reason": reason})
        }
        Progress::SourceRestored { source } => {
            json!({"event": "source_restored", "source": source})
        }
        _ => return None,
    })
}

/// The end of a download that worked.
pub(super) fn outcome_json(outcome: &Outcome) -> Value {
    let path = outcome.path.as_ref().map(|path| path.to_string_lossy());
    json!({
        "event": "finished",
        "path": path,
        "bytes": outcome.bytes,
        "received_bytes": outcome.received_bytes,
        "elapsed_ms": outcome.elapsed.as_millis() as u64,
        "verified": outcome.verification != Verification::LengthOnly,
        "up_to_date": outcome.completion == Completion::UpToDate,
        "served": outcome.served.iter().map(served_json).collect::<Vec<_>>(),
        "exit": 0,
    })
}

fn served_json(served: &Served) -> Value {
    json!({
        "source": served.source, "bytes": served.bytes, "pieces": served.pieces,
        "errors": served.errors, "wasted_bytes": served.wasted_bytes, "banned": served.is_banned,
    })
}

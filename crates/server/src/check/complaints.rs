//! Looking into what clients complain of.
//!
//! A client's word is a reason to look and nothing else: the member is asked for the piece, and what
//! it sends is held against the outboard. It must never weigh anything but proof against a member,
//! nor be made to work faster than it chooses.

use std::{sync::Arc, time::Duration};

use overspill_core::fleet::{Member, MemberState};
use overspill_net::client::HttpClient;
use overspill_store::outboards::OUTBOARD_FROM_BYTES;
use overspill_wire::sources::Complaint;
use tokio::time::{sleep, timeout};

use super::{
    Checker, PATIENCE, Subject,
    asking::{Finding, Proof, Sample, check},
};

/// Rest after each complaint: four pieces a second from anybody's word are enough.
const REST: Duration = Duration::from_millis(250);

impl Checker {
    /// Looks into complaints for ever, one after the other.
    pub(super) async fn hear(&self, client: &HttpClient) {
        loop {
            let complaint = self.complaints.wait().await;
            self.look_into(client, &complaint).await;
            sleep(REST).await;
        }
    }

    async fn look_into(&self, client: &HttpClient, complaint: &Complaint) {
        let (member, path) = (&complaint.member, &complaint.path);
        let Some(subject) = self.accused(complaint) else {
            tracing::debug!(%member, %path, "a complaint about what the member does not hold");
            return;
        };
        let Some(sample) = self.piece_of(complaint).await else {
            tracing::debug!(%member, %path, "a complaint that cannot be looked into");
            return;
        };
        let finding = timeout(PATIENCE * 2, check(client, &subject.url, &sample)).await;
        match finding {
            Ok(Finding::Corrupt(offset)) => {
                self.convict(client, &subject, &sample, offset).await;
            }
            // Failing to answer is not what it was accused of, and clients report that by themselves.
            other => tracing::debug!(%member, %path, ?other, "a complaint is not proved"),
        }
    }

    /// The member, if it says that it holds what it is accused of.
    fn accused(&self, complaint: &Complaint) -> Option<Subject> {
        let catalog = self.published.catalog();
        let entry = catalog.entry(&complaint.path)?;
        let revision = entry.revision;
        if entry.root() != Some(complaint.root) {
            return None;
        }
        self.dispatcher.inspect(|fleet| {
            let mut members = fleet.members().iter();
            let is_accused = |member: &&Member| {
                *member.id() == complaint.member
                    && member.state() == MemberState::Ready
                    && member.holds(revision, &complaint.root)
            };
            members.find(is_accused).map(Subject::of)
        })
    }

    /// The piece in question and the proof for it.
    async fn piece_of(&self, complaint: &Complaint) -> Option<Sample> {
        let (path, root) = (complaint.path.clone(), complaint.root);
        let size = self.published.catalog().entry(&path)?.size;
        let (span, proof) = if size <= OUTBOARD_FROM_BYTES {
            (0..size, Proof::Root)
        } else {
            if !self.outboards.provide(root).await {
                return None;
            }
            let desk = Arc::clone(&self.outboards);
            let loaded = tokio::task::spawn_blocking(move || desk.stored().load(&root)).await;
            let outboard = loaded.ok()?.ok()?;
            let span = outboard.piece_around(complaint.offset)?;
            (span, Proof::Outboard(Arc::new(outboard)))
        };
        let sample = Sample {
            path,
            root,
            size,
            span,
            proof,
        };
        (sample.span.start < sample.span.end).then_some(sample)
    }
}

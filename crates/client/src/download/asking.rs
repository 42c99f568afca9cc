//! Asking for a file: one request with its redirects, and what to do when it failed.
//!
//! It holds failures against members and paces the tries. It must never touch the disk.

use std::{
    hash::{BuildHasher, RandomState},
    time::Instant,
};

use http::{Method, StatusCode};
use overspill_net::client::{HttpClient, Reply};
use tokio::time::sleep;

use crate::{
    answer::{Answer, Head, Refusal, Wanted, judge},
    error::{DownloadError, Fault},
    follow::{Arrival, Lost, LostReason, follow},
    persistence::{Persistence, Tries},
    progress::{Observer, Progress},
    sources::Sources,
    url::HttpUrl,
};

/// Asks for one file, again and again if need be.
pub(crate) struct Asking<'run> {
    pub(crate) observer: &'run mut dyn Observer,
    pub(crate) sources: Sources,
    pub(crate) tries: Tries,
    pub(crate) client: &'run HttpClient,
    random: fastrand::Rng,
}

/// What became of a try that failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No other try will help.
    Final(DownloadError),
    /// Another may.
    Retry {
        /// What failed.
        fault: Fault,
        /// The member that is to blame, if one is.
        member: Option<String>,
    },
}

impl<'run> Asking<'run> {
    pub(crate) fn new(
        client: &'run HttpClient,
        observer: &'run mut dyn Observer,
        origin: HttpUrl,
        persistence: Persistence,
    ) -> Self {
        Self {
            observer,
            sources: Sources::new(origin),
            tries: Tries::new(persistence, Instant::now()),
            client,
            // The one source of random numbers in `std`; pauses need no better.
            random: fastrand::Rng::with_seed(RandomState::new().hash_one(())),
        }
    }

    /// One request; its answer is one that can be used.
    pub(crate) async fn ask(
        &mut self,
        method: &Method,
        wanted: &Wanted,
    ) -> Result<(Arrival, Answer), Trouble> {
        let url = self.sources.next().map_err(DownloadError::from)?;
        let arrival = follow(self.client, method, url, &wanted.fields()).await;
        let arrival = arrival.map_err(|lost| self.lost(lost))?;
        if let Some(member) = arrival.member.clone() {
            self.observer.observe(&Progress::Redirected { member });
        }
        let head = Head::read(arrival.reply.status(), arrival.reply.head().headers());
        match judge(wanted, &head) {
            Ok(answer) => Ok((arrival, answer)),
            Err(refusal) => Err(self.refused(refusal, &head, arrival, wanted.offset)),
        }
    }

    /// Waits for the next try, or gives up with what failed last.
    pub(crate) async fn pause(
        &mut self,
        fault: Fault,
        member: Option<String>,
    ) -> Result<(), DownloadError> {
        if let Some(member) = &member {
            self.sources.avoid(member);
        }
        let now = Instant::now();
        let Some(pause) = self
            .tries
            .failed(now, fault.retry_after(), self.random.f64())
        else {
            return Err(DownloadError::Unreachable {
                url: self.origin(),
                tries: self.tries.in_vain(),
                last: fault,
            });
        };
        tracing::debug!(%fault, member, ?pause, "try failed");
        self.observer.observe(&Progress::Retrying {
            avoided: member,
            pause,
            reason: fault.to_string(),
        });
        sleep(pause).await;
        Ok(())
    }

    /// The URL the user gave, for messages.
    pub(crate) fn origin(&self) -> HttpUrl {
        self.sources.origin().clone()
    }

    fn lost(&self, lost: Lost) -> Trouble {
        let fault = match lost.reason {
            // A mirror's bad certificate is no reason to give up; the next try goes elsewhere.
            LostReason::Client(error) if error.is_lasting() && lost.member.is_none() => {
                return DownloadError::Lasting(error).into();
            }
            LostReason::Client(error) => Fault::Client(error),
            LostReason::Location(authority) => Fault::Location { authority },
            LostReason::TooMany => {
                let url = self.origin();
                return DownloadError::TooManyRedirects { url }.into();
            }
            LostReason::Url(error) => return DownloadError::Url(error).into(),
        };
        let member = lost.member;
        Trouble::Retry { fault, member }
    }

    /// What a mirror refuses, another node may have; only the origin's word is final.
    fn refused(&self, refusal: Refusal, head: &Head, arrival: Arrival, offset: u64) -> Trouble {
        let (url, status, member) = (self.origin(), head.status, arrival.member);
        let authority = arrival.reply.authority().to_owned();
        let fault = match (refusal, &member) {
            (Refusal::Forbidden, None) => return DownloadError::Refused { url, status }.into(),
            (Refusal::Missing, None) => return DownloadError::NotFound { url, status }.into(),
            (Refusal::Rejected, None) => return DownloadError::Rejected { url, status }.into(),
            (Refusal::Length { expected, actual }, _) => Fault::Length {
                authority,
                expected_bytes: expected,
                actual_bytes: actual,
            },
            (Refusal::PastEnd, _) => Fault::PastEnd { authority, offset },
            (Refusal::Range(reason), _) => Fault::Range {
                authority,
                offset,
                reason,
            },
            // A mirror's Retry-After is no reason to wait: the next try goes elsewhere.
            (_, Some(_)) => status_fault(authority, status, None),
            (_, None) => status_fault(authority, status, Some(head)),
        };
        Trouble::Retry { fault, member }
    }
}

impl From<DownloadError> for Trouble {
    fn from(error: DownloadError) -> Self {
        Self::Final(error)
    }
}

/// Who sends the bytes, in the fleet's words where it has some.
pub(crate) fn source_of(reply: &Reply, member: Option<&String>) -> String {
    member.map_or_else(|| reply.authority().to_owned(), Clone::clone)
}

fn status_fault(authority: String, status: StatusCode, asked: Option<&Head>) -> Fault {
    Fault::Status {
        authority,
        status,
        retry_after: asked.and_then(|head| head.retry_after),
    }
}

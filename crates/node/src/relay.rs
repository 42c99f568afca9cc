//! Who feeds a body: the choice behind a relay, and what is learned from how it goes.
//!
//! A body of known content may come from this node's own file or from any member that has proved to
//! hold it, and changes its feeder when one fails; the client sees one response. It must never send
//! anybody anywhere, and never relay a request that was relayed here: such a one asks for this very
//! node (`?direct`), and its body has no [`Steering`].

mod striped;

use std::{cell::RefCell, error::Error, fmt, net::IpAddr, rc::Rc, sync::Arc};

use overspill_core::{
    catalog::Revision,
    dispatch::{Holding, Manner, Part, Turn},
    fleet::{MemberId, Scheme},
    path::CatalogPath,
    relay::{Fault, Span},
    root::Root,
};
use overspill_net::{Choice, FileBody, Guide, Loading, Relay, Relayer, Source};
use overspill_store::outboard::Outboard;
use overspill_wire::{
    paths::{DIRECT, TICKET},
    sources::Complaint,
};

pub(crate) use self::striped::Steer;
pub use self::striped::Striping;
use crate::{
    role::{Ask, Role, Route},
    settings::Relayed,
};

/// A member that was chosen, and where it has the content.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) member: MemberId,
    pub(crate) source: Source,
}

/// What a body is of, and for whom.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Where the catalog has it.
    pub(crate) path: CatalogPath,
    pub(crate) root: Root,
    pub(crate) revision: Revision,
    pub(crate) client: IpAddr,
    pub(crate) host: Box<[u8]>,
    pub(crate) scheme: Scheme,
}

/// The choice of feeders for one response, shared by its parts.
pub(crate) struct Steering<R> {
    role: Arc<R>,
    subject: Subject,
    /// This node's own file, while it is good.
    own: Option<FileBody>,
    feeder: Feeder,
    /// Members that failed this response, the latest last.
    failed: Vec<MemberId>,
    relayed: Relayed,
}

/// Who feeds now.
#[derive(Debug)]
enum Feeder {
    Here,
    Member(Chosen),
    Nobody,
}

/// The [`Guide`] of one part.
struct PartSteer<R>(Rc<RefCell<Steering<R>>>);

impl<R> fmt::Debug for PartSteer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartSteer")
    }
}

impl Chosen {
    /// What `path` is asked for by at the member; the ticket names the dispatch, and `?direct` keeps
    /// it from being led on.
    pub(crate) fn new(member: MemberId, url: String, ticket: &str, path: &CatalogPath) -> Self {
        let target = format!("{}?{DIRECT}&{TICKET}={ticket}", path.to_url());
        let url = Arc::from(url);
        Self {
            member,
            source: Source { url, target },
        }
    }
}

impl<R: Role> Steering<R> {
    /// Begins with `chosen`, or with this node's `own` file if nobody is.
    pub(crate) fn new(
        role: Arc<R>,
        subject: Subject,
        own: Option<FileBody>,
        chosen: Option<Chosen>,
        relayed: Relayed,
    ) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            role,
            subject,
            own,
            feeder: chosen.map_or(Feeder::Here, Feeder::Member),
            failed: Vec::new(),
            relayed,
        }))
    }

    /// Whoever feeds now.
    fn current(&mut self) -> Choice {
        match (&self.feeder, &self.own) {
            (Feeder::Here, Some(own)) => Choice::Here(own.clone()),
            (Feeder::Member(chosen), _) => Choice::Member(chosen.source.clone()),
            (Feeder::Here, None) | (Feeder::Nobody, _) => Choice::Nobody,
        }
    }

    /// The feeder has failed: what that says of it, and which member it was.
    fn note(&mut self, fault: Fault, rest: Span) -> Option<MemberId> {
        let (path, offset) = (&self.subject.path, rest.start);
        match std::mem::replace(&mut self.feeder, Feeder::Nobody) {
            Feeder::Here => {
                tracing::error!(
                    event = "file-failed", %path, offset, reason = %fault,
                    "a file of this node cannot be read on; check its disk"
                );
                self.own = None;
                None
            }
            Feeder::Member(Chosen { member, .. }) => {
                let dispatcher = self.role.dispatcher();
                if let (Some(evidence), Some(dispatcher)) = (fault.evidence(), dispatcher) {
                    dispatcher.weigh(&member, evidence);
                }
                if fault == Fault::WrongBytes {
                    self.complain(member.clone(), offset);
                }
                self.failed.push(member.clone());
                Some(member)
            }
            Feeder::Nobody => None,
        }
    }

    /// Says which member failed, and who goes on instead.
    fn tell(&self, failed: &MemberId, fault: Fault, rest: Span) {
        let (path, offset) = (&self.subject.path, rest.start);
        let next = match &self.feeder {
            Feeder::Here => self.role.name(),
            Feeder::Member(Chosen { member, .. }) => member.as_str(),
            Feeder::Nobody => "nobody",
        };
        tracing::warn!(
            event = "relay-failed", member = %failed, %path, offset, %fault, next,
            "a member fails a body that is relayed; going on from {next}"
        );
    }

    /// Has the member's copy looked at, so that it is mended.
    fn complain(&self, member: MemberId, offset: u64) {
        let Subject {
            path, root, client, ..
        } = &self.subject;
        let complaint = Complaint {
            member,
            path: path.clone(),
            root: *root,
            offset,
        };
        self.role.complained(*client, complaint);
    }

    /// What members send is held against, if it is to be.
    fn proof(&self) -> Option<Loading> {
        let (role, root) = (Arc::clone(&self.role), self.subject.root);
        (self.relayed == Relayed::Checked).then(|| -> Loading {
            Box::pin(async move {
                let outboard = load(role.as_ref(), root).await;
                if outboard.is_none() {
                    tracing::warn!(
                        event = "relay-unchecked", %root,
                        "a body is relayed unchecked: its outboard is not there yet"
                    );
                }
                outboard.map(Arc::new)
            })
        })
    }

    /// Chooses somebody else.
    fn choose(&mut self, rest: Span) {
        let subject = &self.subject;
        let ask = Ask {
            revision: subject.revision,
            root: subject.root,
            bytes: rest.len(),
            part: match rest.end == rest.size {
                true => Part::Rest(rest.start),
                false => Part::Span,
            },
            holding: match self.own {
                Some(_) => Holding::Here,
                None => Holding::Elsewhere,
            },
            client: subject.client,
            avoid: &self.failed,
            host: &subject.host,
            scheme: subject.scheme,
            turn: Turn::Underway,
            links: 0,
            manner: Manner::NotByRedirect,
        };
        let route = match self.role.dispatcher() {
            Some(dispatcher) => dispatcher.go_on(&ask),
            None => Route::Here,
        };
        self.feeder = match route {
            Route::Here if self.own.is_some() => Feeder::Here,
            Route::Relay {
                member,
                url,
                ticket,
            } => Feeder::Member(Chosen::new(member, url, &ticket, &subject.path)),
            _ => Feeder::Nobody,
        };
    }
}

/// The outboard of a content, made if need be.
async fn load<R: Role>(role: &R, root: Root) -> Option<Outboard> {
    let desk = role.outboards()?;
    if !desk.provide(root).await {
        return None;
    }
    let loaded = tokio::task::spawn_blocking(move || desk.stored().load(&root)).await;
    loaded.ok()?.ok()
}

/// A relay of `span` of what `steering` is about.
pub(crate) fn relay<R: Role>(
    steering: &Rc<RefCell<Steering<R>>>,
    span: Span,
    relayer: &Rc<Relayer>,
) -> Box<Relay> {
    let root = steering.borrow().subject.root;
    let guide = Box::new(PartSteer(Rc::clone(steering)));
    Box::new(Relay::new(span, root, guide, Rc::clone(relayer)))
}

impl<R: Role> Guide for PartSteer<R> {
    fn next(&mut self, failed: Option<Fault>, rest: Span) -> Choice {
        let mut steering = self.0.borrow_mut();
        if let Some(fault) = failed {
            let member = steering.note(fault, rest);
            steering.choose(rest);
            if let Some(member) = member {
                steering.tell(&member, fault, rest);
            }
        }
        steering.current()
    }

    fn proof(&self) -> Option<Loading> {
        self.0.borrow().proof()
    }

    fn gave_up(&mut self, rest: Span, why: &dyn Error) {
        let steering = self.0.borrow();
        let (path, offset) = (&steering.subject.path, rest.start);
        tracing::error!(
            event = "body-cut", %path, offset, reason = %why,
            "a body is cut; the client has to ask for the rest"
        );
    }
}

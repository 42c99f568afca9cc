//! What server and mirror share: answering a request over a catalog.
//!
//! [`NodeService`] is the life of a request: look the path up, decide who serves, reply. What differs
//! between a server and a mirror stands behind [`Role`]. This crate must never know which of the two
//! it is running in.

mod access_log;
mod agent_check;
mod archive;
mod cache;
mod checksums;
mod complaints;
mod console;
mod dispatcher;
pub mod events;
mod explain;
mod file;
mod holders;
mod identity;
mod links;
mod listing;
mod live;
mod machine;
mod members;
mod metalink;
pub mod metrics;
mod mime;
mod mirrors;
mod origin;
mod outboard;
mod over_hyper;
mod parts;
mod process;
mod query;
mod relay;
mod reply;
mod role;
mod routes;
mod rules;
mod service;
mod settings;
mod siblings;
mod sources;
mod wall;

pub use self::{
    access_log::{
        AccessLog, AccessLogError, AccessLogFormat, AccessLogTarget, CoreLog, LogTotals,
        LoggedDecision, Record,
    },
    agent_check::{AgentCheck, AgentCheckError, EndingNotice},
    complaints::Complaints,
    console::{Console, orders_elsewhere},
    dispatcher::{SharedDispatcher, Verdict, Waiting},
    file::{FileVersion, FoundFile},
    identity::{Meter, NodeIdentity, Reading},
    live::{ConfigurationProblem, LiveRate, LiveSettings, LiveTime, SharedLive},
    machine::capacity_prior,
    members::member_status,
    outboard::OutboardDesk,
    process::{raise_open_files, resident_bytes},
    query::TreeQuery,
    relay::Striping,
    role::{Ask, Found, Holder, Role, Route},
    routes::common_routes,
    rules::{RuleError, RuleText, Rules, SharedRules},
    service::NodeService,
    settings::{NodeSettings, Relayed},
};

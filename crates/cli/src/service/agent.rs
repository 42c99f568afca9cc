//! `--agent-check`: a balancer in front asks how much this node can take.
//!
//! The address is taken before anything is served, so that a mistake shows at the start. It must
//! never outlive the service.

use std::{net::SocketAddr, sync::Arc};

use overspill_node::{AgentCheck, AgentCheckError, EndingNotice, Role};
use tokio::task::JoinHandle;

/// The option.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AgentArgs {
    /// Answer HAProxy's agent-check there, with the weight that this node is good for
    ///
    /// One line for each connection: "ready up 75%" while a quarter of what it can do is in use,
    /// "drain" when it takes no new work, "down" before it has all files. Port 0 takes a free one.
    /// Whoever connects is answered: choose an address that only the balancer can reach.
    #[arg(long, value_name = "ADDR:PORT")]
    agent_check: Option<SocketAddr>,
}

/// The address, and later the task that answers there.
#[derive(Debug)]
pub(crate) struct Agent {
    address: SocketAddr,
    ending: EndingNotice,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Bound(Option<AgentCheck>),
    Answering(JoinHandle<()>),
}

impl AgentArgs {
    /// Takes the address, if there is to be one.
    pub(super) fn bind(&self) -> Result<Option<Agent>, AgentCheckError> {
        let check = self.agent_check.map(AgentCheck::bind).transpose()?;
        Ok(check.map(|check| Agent {
            address: check.address(),
            ending: check.ending(),
            stage: Stage::Bound(Some(check)),
        }))
    }
}

impl Agent {
    /// Answers from now on, for this node.
    pub(crate) fn answer_for(&mut self, node: Arc<dyn Role>) {
        let Stage::Bound(check) = &mut self.stage else {
            return;
        };
        if let Some(check) = check.take() {
            self.stage = Stage::Answering(tokio::spawn(async move {
                if let Err(error) = check.answer(node).await {
                    tracing::error!(
                        event = "agent-check-failed", %error,
                        "agent checks are not answered any more"
                    );
                }
            }));
        }
    }

    /// From now on the answer is `drain`.
    pub(crate) fn ending(&self) {
        self.ending.give();
    }

    /// What people are told.
    pub(crate) fn about(&self) -> String {
        format!("Agent checks at {}", self.address)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Stage::Answering(task) = &self.stage {
            task.abort();
        }
    }
}

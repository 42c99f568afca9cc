//! `overspill drain`, `undrain`, `remove` and `policy`: an operator's orders to a running server.
//!
//! It only gives them; what they mean is the server's to say, and it prints what the server said.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use overspill_client::{HttpUrl, give_order};
use overspill_core::{fleet::MemberId, policy::PolicyKind};
use overspill_wire::order::Order;

use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError, printable},
    token::TokenArgs,
};

/// Which server, and the proof that it is ours.
#[derive(Debug, clap::Args)]
struct Target {
    /// URL of the server, such as `http://host:8080`
    #[arg(long, value_name = "URL")]
    server: String,
    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Give a member no new work; what runs there is finished
///
/// Holds until `overspill undrain`, over restarts of both. Exit codes: 0 done, 1 usage or no
/// Overspill server, 2 no such member, 4 network, 8 wrong token.
#[derive(Debug, clap::Args)]
pub(crate) struct DrainArgs {
    /// Name of the member, as `overspill status` shows it
    #[arg(value_name = "MEMBER")]
    member: MemberId,
    #[command(flatten)]
    target: Target,
}

/// Lift `drain` or `remove`: the member gets work, or may join, again
///
/// Exit codes: 0 done, 1 usage or no Overspill server, 2 no such member, 4 network, 8 wrong token.
#[derive(Debug, clap::Args)]
pub(crate) struct UndrainArgs {
    /// Name of the member, as `overspill status` shows it
    #[arg(value_name = "MEMBER")]
    member: MemberId,
    #[command(flatten)]
    target: Target,
}

/// Take a member out of the fleet for good; its mirror ends
///
/// It cannot join again, after restarts either, until `overspill undrain`. Downloads that it has
/// begun may finish. Exit codes: 0 done, 1 usage or no Overspill server, 2 no such member, 4
/// network, 8 wrong token.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Name of the member, as `overspill status` shows it
    #[arg(value_name = "MEMBER")]
    member: MemberId,
    #[command(flatten)]
    target: Target,
}

/// Change the rule that a running server chooses by
///
/// Holds until the server ends; `overspill serve --policy` sets it for good. Exit codes: 0 done, 1
/// usage or no Overspill server, 4 network, 8 wrong token.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// marginal-cost, least-connections, two-choices, round-robin, random or alternate
    #[arg(value_name = "NAME")]
    policy: PolicyKind,
    #[command(flatten)]
    target: Target,
}

impl DrainArgs {
    /// Runs the command.
    pub(crate) async fn run(self) -> ExitCode {
        give(&self.target, Order::Drain(self.member)).await
    }
}

impl UndrainArgs {
    /// Runs the command.
    pub(crate) async fn run(self) -> ExitCode {
        give(&self.target, Order::Undrain(self.member)).await
    }
}

impl RemoveArgs {
    /// Runs the command.
    pub(crate) async fn run(self) -> ExitCode {
        give(&self.target, Order::Remove(self.member)).await
    }
}

impl PolicyArgs {
    /// Runs the command.
    pub(crate) async fn run(self) -> ExitCode {
        give(&self.target, Order::Policy(self.policy)).await
    }
}

async fn give(target: &Target, order: Order) -> ExitCode {
    terminal::conclude(try_give(target, &order).await)
}

async fn try_give(target: &Target, order: &Order) -> Result<(), CommandError> {
    let token = target.token.token(WITHOUT_TOKEN);
    let token = token.map_err(CommandError::Token)?;
    let url = HttpUrl::parse(&target.server)?;
    let client = target.asking.client()?;
    let said = give_order(&client, &url, &token, order).await?;
    Ok(writeln!(io::stdout(), "{}", printable(&said))?)
}

const WITHOUT_TOKEN: &str = "an order needs the fleet token: give it as OVERSPILL_TOKEN or \
                             --token-file, it is in the join command that the server printed, and \
                             in STATE/token there";

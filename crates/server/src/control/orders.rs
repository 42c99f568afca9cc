//! Carrying out what an operator orders.
//!
//! Only after the proof; see `wire::order`. One order at a time, so that what is kept is what is in
//! force. It must never wait for the disk on a serving thread.

use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use overspill_core::{
    fleet::{Fleet, FleetError, Input, MemberId},
    policy::PolicyKind,
    units::counted,
};
use overspill_net::Client;
use overspill_wire::order::{Nonces, Order, OrderReply, OrderRequest};
use thiserror::Error;

use super::routes::{Control, Refusal, bad_request, read, refuse};
use crate::{
    orders::{KeepError, KeptOrders},
    publish::lock,
};

/// Most members named where somebody asked for another.
const MAX_NAMES: usize = 20;

/// Why an order is not carried out, or not wholly.
#[derive(Debug, Error)]
pub(super) enum OrderError {
    #[error("the order was given up; see the server's log")]
    GivenUp,
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error("nobody in the fleet is called {member}; {there_are}")]
    Unknown { member: MemberId, there_are: String },
}

/// `POST /-/fleet/order`.
pub(super) async fn order(
    State(control): State<Arc<Control>>,
    Extension(client): Extension<Client>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request: OrderRequest = read(&body)?;
    let order: Order = request.order.parse().map_err(bad_request)?;
    let nonce = lock(&control.sessions)
        .prove_order(Instant::now(), &request)
        .map_err(refuse)?;
    let said = control.order(client.address.ip(), order).await?;
    let nonces = Nonces {
        operator: &nonce,
        server: &request.nonce,
    };
    let reply = OrderReply::seal(lock(&control.sessions).token(), nonces, said);
    Ok(Json(reply).into_response())
}

impl Control {
    /// Carries out an order that was proved, off the serving thread; what is the case then, in words.
    pub(crate) async fn order(
        self: &Arc<Self>,
        client: IpAddr,
        order: Order,
    ) -> Result<String, Refusal> {
        let carrying = Arc::clone(self);
        let carried = tokio::task::spawn_blocking(move || carrying.carry_out(client, &order)).await;
        carried
            .unwrap_or(Err(OrderError::GivenUp))
            .map_err(refuse_order)
    }

    /// Carries an order out and keeps it; what is the case then, in words. Waits for the disk.
    fn carry_out(&self, client: IpAddr, order: &Order) -> Result<String, OrderError> {
        let kept = lock(&self.orders);
        let carried = self.put_in_force(order, &kept);
        match &carried {
            Ok(_) => tracing::info!(
                event = "operator-order", %order, %client,
                "the operator orders: {order}"
            ),
            Err(error) => tracing::warn!(
                event = "operator-order-failed", %order, %client, %error,
                "an order is not carried out, or not wholly: {order}"
            ),
        }
        carried
    }

    fn put_in_force(&self, order: &Order, kept: &KeptOrders) -> Result<String, OrderError> {
        match order {
            Order::Drain(member) => {
                self.tell(member, &Input::Drain(member))?;
                self.keep(kept)?;
                let flows = self.flows_on(member);
                Ok(format!(
                    "{member} gets no new work; {} left to finish",
                    counted(flows, "flow")
                ))
            }
            Order::Undrain(member) => {
                self.tell(member, &Input::Undrain(member))?;
                self.keep(kept)?;
                Ok(self.say_undrained(member))
            }
            Order::Remove(member) => {
                self.tell(member, &Input::Remove(member))?;
                // Its stream ends, it tries to join again, and is told.
                lock(&self.sessions).close(member);
                self.keep(kept)?;
                Ok(format!(
                    "{member} is out of the fleet until `overspill undrain {member}`"
                ))
            }
            Order::Policy(policy) => Ok(self.set_policy(*policy)),
        }
    }

    fn tell(&self, member: &MemberId, input: &Input<'_>) -> Result<(), OrderError> {
        self.dispatcher.handle(input).map_err(|error| match error {
            FleetError::Unknown(_) => OrderError::Unknown {
                member: member.clone(),
                there_are: self.names(),
            },
            // An order makes nobody join.
            _ => OrderError::GivenUp,
        })
    }

    fn keep(&self, kept: &KeptOrders) -> Result<(), KeepError> {
        let orders = self.dispatcher.inspect(|fleet| fleet.orders().clone());
        kept.keep(&orders)
    }

    fn flows_on(&self, member: &MemberId) -> u64 {
        self.dispatcher.inspect(|fleet| {
            let member = fleet.member(member);
            member.map_or(0, |member| member.load().flows())
        })
    }

    fn say_undrained(&self, member: &MemberId) -> String {
        let is_there = |fleet: &Fleet| fleet.member(member).is_some();
        if self.dispatcher.inspect(is_there) {
            format!("{member} gets new work again")
        } else {
            format!("{member} may join again; start it there")
        }
    }

    fn set_policy(&self, policy: PolicyKind) -> String {
        self.dispatcher.set_policy(policy);
        format!(
            "{policy} decides from now on; not kept: give --policy {policy} to `overspill serve` \
             to have it after a restart",
            policy = policy.name()
        )
    }

    /// Who there is, and who would be there but for an order.
    fn names(&self) -> String {
        let mut names: Vec<String> = self.dispatcher.inspect(|fleet| {
            let members = fleet.members().iter().map(|member| member.id().to_string());
            let removed = fleet.orders().removed();
            members
                .chain(removed.map(|id| format!("{id} (removed)")))
                .collect()
        });
        if names.is_empty() {
            return "it has no members".to_owned();
        }
        let more = names.len().saturating_sub(MAX_NAMES);
        names.truncate(MAX_NAMES);
        let ending = match more {
            0 => String::new(),
            more => format!(" and {more} more; see `overspill status`"),
        };
        format!("there are {}{ending}", names.join(", "))
    }
}

fn refuse_order(error: OrderError) -> Refusal {
    let status = match &error {
        OrderError::GivenUp | OrderError::Keep(_) => StatusCode::INTERNAL_SERVER_ERROR,
        OrderError::Unknown { .. } => StatusCode::NOT_FOUND,
    };
    (status, format!("{error}\n"))
}

//! What a partner wants, drawn from what there is.

use super::history::Who;
use super::process::Process;
use super::sim::Sim;
use crate::support::draws::Draws;
use crate::support::fixtures::{money, plan};
use crate::support::store::Data;
use crate::support::wire::About;
use bappy_actors::link::Freshness;
use bappy_actors::model::{ActivationId, LinkId, LinkStatus, NameChange, OrgId, PlanId, SmsText};
use bappy_actors::operation::{
    AddPlans, Caller, CreateLink, Ended, RemovePlans, SendSms, UpdateLink,
};
use std::sync::Arc;

/// What a partner wants.
#[derive(Clone, Debug)]
pub enum Wish {
    Create { plan: PlanId, name: Option<String>, iccid: Option<String> },
    Add { link: LinkId, plans: Vec<PlanId> },
    Remove { link: LinkId, activations: Vec<ActivationId> },
    Update { link: LinkId, status: Option<LinkStatus>, name: NameChange },
    Sms { link: LinkId, price: &'static str },
    Look { link: LinkId },
}

/// The plans that are sold, by number and price.
pub const PLANS: [(u128, &str); 3] = [(1, "10"), (2, "20"), (3, "30")];

impl Wish {
    /// Something that can be wanted now, for the most part.
    pub fn drawn(draws: &mut Draws, weights: &[u64; 7], org: OrgId, data: &Data) -> Self {
        let links: Vec<_> =
            data.links.values().filter(|(owner, _)| *owner == org).map(|(_, link)| link).collect();
        let mut place = draws.below(weights.iter().sum::<u64>().max(1));
        let kind = weights.iter().position(|weight| {
            let found = place < *weight;
            place = place.saturating_sub(*weight);
            found
        });
        let a_plan = |draws: &mut Draws| plan(draws.pick(&PLANS).0, "1").id;
        let (Some(kind @ 1..), false) = (kind, links.is_empty()) else {
            let stock: Vec<_> = data.stock.iter().filter(|(_, owner)| **owner == org).collect();
            let on_card = !stock.is_empty() && draws.chance(250);
            let iccid = on_card.then(|| draws.pick(&stock).0.clone());
            let name = draws.chance(300).then(|| "a card".to_owned());
            return Self::Create { plan: a_plan(draws), name, iccid };
        };
        let chosen = draws.pick(&links);
        let (link, status) = (chosen.id, chosen.status);
        match kind {
            1 => {
                let count = draws.pick(&[1, 1, 2, 3]);
                Self::Add { link, plans: (0..count).map(|_| a_plan(draws)).collect() }
            }
            2 => {
                let all = data.activations.values().map(|(_, activation)| activation);
                let mut activations: Vec<_> = all
                    .filter(|activation| activation.link_id == link)
                    .filter(|activation| activation.status.is_in_force())
                    .map(|activation| activation.id)
                    .collect();
                while activations.len() > 1 && draws.chance(500) {
                    let place = draws.below(activations.len() as u64);
                    activations.swap_remove(usize::try_from(place).unwrap());
                }
                if activations.is_empty() {
                    return Self::Look { link };
                }
                Self::Remove { link, activations }
            }
            3 => {
                let to = match status {
                    LinkStatus::Suspended => LinkStatus::Active,
                    LinkStatus::Active | LinkStatus::Inactive => LinkStatus::Suspended,
                };
                Self::Update { link, status: Some(to), name: NameChange::Keep }
            }
            4 => {
                let name = NameChange::Set(format!("name {}", draws.below(100)));
                Self::Update { link, status: None, name }
            }
            5 => Self::Sms { link, price: draws.pick(&["0.05", "0.05", "0"]) },
            _ => Self::Look { link },
        }
    }

    /// What it is, in a few words.
    pub fn brief(&self) -> String {
        match self {
            Self::Create { iccid: Some(iccid), .. } => format!("a Link on {iccid}"),
            Self::Create { .. } => "a Link".to_owned(),
            Self::Add { link, plans } => format!("{} plans on {}", plans.len(), About::Link(*link)),
            Self::Remove { link, activations } => {
                format!("{} plans off {}", activations.len(), About::Link(*link))
            }
            Self::Update { link, status: Some(status), .. } => {
                format!("{} {status:?}", About::Link(*link))
            }
            Self::Update { link, .. } => format!("a name for {}", About::Link(*link)),
            Self::Sms { link, .. } => format!("an SMS to {}", About::Link(*link)),
            Self::Look { link } => format!("the use of {}", About::Link(*link)),
        }
    }

    /// Asks an instance for it; none where there is nothing to be answered for.
    pub async fn ask(self, sim: &Arc<Sim>, process: &Process, caller: Caller) -> Option<Ended> {
        let operations = &process.operations;
        Some(match self {
            Self::Create { plan, name, iccid } => {
                operations.create_link(caller, CreateLink { plan, name, iccid }).await
            }
            Self::Add { link, plans } => {
                operations.add_plans(caller, AddPlans { link, plans }).await
            }
            Self::Remove { link, activations } => {
                operations.remove_plans(caller, RemovePlans { link, activations }).await
            }
            Self::Update { link, status, name } => {
                operations.update_link(caller, UpdateLink { link, status, name }).await
            }
            Self::Sms { link, price } => {
                let (message, price) = (SmsText::new("hello".to_owned()), money(price));
                operations.send_sms(caller, SendSms { link, message, price }).await
            }
            Self::Look { link } => {
                // What panics in it ends one request.
                let look = look(Arc::clone(sim), process.clone(), caller.org, link);
                let _ = tokio::spawn(look).await;
                return None;
            }
        })
    }
}

/// Reads what the operator says of a Link, which is kept as last known.
async fn look(sim: Arc<Sim>, process: Process, org: OrgId, link: LinkId) {
    let Some(snapshot) = sim.store.data().snapshot(org, link) else { return };
    let links = &process.services.links;
    let usage = links.usage(org, &snapshot.link, &snapshot.activations).await;
    let link = Arc::new(snapshot.link);
    let there = links.connectivity(org, link, Freshness::Cached).await;
    sim.note(Who::World, "looked at", || {
        format!("{}: usage {}, where it is {}", there.is_ok(), usage.is_some(), there.is_ok())
    });
}

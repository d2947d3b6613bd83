//! The operations that the sweeps run, the failures that each of their calls can meet, and what
//! must hold whatever was met.

use crate::support::fixtures::{caller, money, offer, org, plan};
use crate::support::operator::physical;
use crate::support::script::Fault;
use crate::support::world::{Outside, World, run};
use bappy_actors::model::{LinkId, LinkStatus, NameChange, OperationState};
use bappy_actors::operation::{CreateLink, Ended, OperationError, RemovePlans, UpdateLink};
use bappy_actors::ports::Refusal;
use std::sync::Once;
use std::time::Duration;

/// An operation of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saga {
    Create,
    /// On a physical card of the organization's stock.
    CreateOnCard,
    Add(usize),
    Remove,
    Suspend,
    /// Of a Link of which a fee is due.
    Reactivate,
}

pub const CHARGED: [Saga; 5] =
    [Saga::Create, Saga::CreateOnCard, Saga::Add(1), Saga::Add(3), Saga::Reactivate];
pub const ALL: [Saga; 7] = [
    Saga::Create,
    Saga::CreateOnCard,
    Saga::Add(1),
    Saga::Add(3),
    Saga::Remove,
    Saga::Suspend,
    Saga::Reactivate,
];

/// An answer waits for the operator no longer than 18 s, and for the database 2 s more.
pub const ANSWER_MAX: Duration = Duration::from_millis(20_100);

impl Saga {
    /// What it is performed on: nothing, or a Link with one plan.
    pub fn prepare(self) -> (Outside, LinkId) {
        hush();
        run(async {
            let world = World::new();
            let link = world.link().await;
            if self == Saga::Remove {
                let add = World::add(link, 1);
                world.operations.add_plans(caller(org(1)), add).await.result.unwrap();
            }
            if self == Saga::Reactivate {
                let update = UpdateLink {
                    link,
                    status: Some(LinkStatus::Suspended),
                    name: NameChange::Keep,
                };
                world.operations.update_link(caller(org(1)), update).await.result.unwrap();
                world.outside.store.data().fall_due(org(1), link, "2026-12", money("0.5"));
            }
            world.outside.script.forget_calls();
            (world.outside.clone(), link)
        })
    }

    pub async fn perform(self, world: &World, link: LinkId) -> Ended {
        let (operations, caller) = (&world.operations, caller(org(1)));
        match self {
            Saga::Create => {
                let create = CreateLink { plan: offer(plan(2, "20")), name: None, iccid: None };
                operations.create_link(caller, create).await
            }
            Saga::CreateOnCard => {
                let iccid = Some(physical(0).iccid);
                let create = CreateLink { plan: offer(plan(2, "20")), name: None, iccid };
                operations.create_link(caller, create).await
            }
            Saga::Add(plans) => operations.add_plans(caller, World::add(link, plans)).await,
            Saga::Remove => {
                let activations = world.outside.store.data().activations.keys().copied().collect();
                operations.remove_plans(caller, RemovePlans { link, activations }).await
            }
            Saga::Reactivate => {
                let status = Some(LinkStatus::Active);
                operations
                    .update_link(caller, UpdateLink { link, status, name: NameChange::Keep })
                    .await
            }
            Saga::Suspend => {
                let status = Some(LinkStatus::Suspended);
                operations
                    .update_link(caller, UpdateLink { link, status, name: NameChange::Keep })
                    .await
            }
        }
    }

    /// The calls that it makes when nothing fails.
    pub fn calls(self) -> Vec<&'static str> {
        let (outside, link) = self.prepare();
        run(async {
            let world = World::over(&outside, crate::support::environment::epoch());
            self.perform(&world, link).await.result.unwrap();
            outside.script.calls()
        })
    }
}

/// Scripted panics are no news.
pub fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let scripted = info.payload().downcast_ref::<String>();
            if !scripted.is_some_and(|text| text.starts_with("scripted panic")) {
                usual(info);
            }
        }));
    });
}

/// How a call can go wrong.
pub fn faults_of(method: &str) -> Vec<Fault> {
    if method.starts_with("op_") {
        return vec![
            Fault::Refuse(Refusal::NotAllowed),
            Fault::Refuse(Refusal::SimInUse),
            Fault::Error500,
            Fault::Lost,
            Fault::Wrapped,
            Fault::Unreadable,
            Fault::Unreachable,
            Fault::Unauthorized,
            Fault::Throttled(None),
            Fault::Throttled(Some(Duration::from_mins(1))),
            Fault::HangNothing,
            Fault::HangDone,
            Fault::HangLate,
            Fault::Half,
            Fault::Panic,
            Fault::PanicAfter,
        ];
    }
    let mut faults = vec![
        Fault::Unavailable,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::Broken,
        Fault::Panic,
        Fault::PanicAfter,
    ];
    if method == "commit" {
        faults.extend([Fault::UnknownLate, Fault::Twice]);
    }
    faults
}

/// What the caller was told agrees with what is stored once everything has ended.
#[track_caller]
pub fn assert_told(saga: Saga, outside: &Outside, before: &str, ended: &Ended) {
    let data = outside.store.data();
    let after = data.balance(org(1)).to_string();
    let states: Vec<_> = data
        .operations
        .values()
        .filter(|stored| Some(stored.operation.group_id) == ended.operation_id)
        .map(|stored| stored.operation.state)
        .collect();
    let all = |state| states.iter().all(|s| *s == state);
    match &ended.result {
        Ok(_) => assert!(!states.is_empty() && all(OperationState::Succeeded), "{states:?}"),
        // Not settled when it was told: any end is right.
        Err(OperationError::Unsettled) => {}
        // A change that charges nothing may be driven on after the failure was told.
        Err(_) if matches!(saga, Saga::Remove | Saga::Suspend) => {}
        Err(OperationError::Failed { .. }) => {
            assert!(!states.is_empty() && all(OperationState::Refunded), "{states:?}");
            assert_eq!(after, before, "told that it failed, and charged");
        }
        Err(error) => {
            assert_eq!(ended.operation_id, None, "{error}");
            assert_eq!(after, before, "told that nothing was charged: {error}");
        }
    }
}

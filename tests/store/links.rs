//! Links: what a snapshot holds, and what the operator's readings change.

use crate::world::{World, activating, at, closing, debiting, money};
use bappy_actors::model::{
    Activation, ActivationStatus, EsimProfile, Link, LinkStatus, OperationKind, OperationState,
    PlanId, ProfileState, Volume,
};
use bappy_actors::ports::{
    Connectivity, ConnectivityReading, ConnectivityState, NetworkInfo, Planned, Store, UsageReading,
};

/// Pays for and settles topups, the activation of each changed by `with`.
async fn topups(
    world: &World,
    link: &Link,
    count: i64,
    with: impl Fn(i64, &mut Activation),
) -> Vec<Activation> {
    world.has(money(5 * count)).await;
    let mut made = Vec::new();
    let (mut debits, mut ends) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut operation = world.operation(OperationKind::Topup, link.id);
        let mut activation = activating(&operation, link.id);
        with(n, &mut activation);
        operation.plan_id = Some(activation.plan_id);
        debits.push(debiting(operation.clone()));
        ends.push(Planned {
            closed: vec![closing(&operation, OperationState::Succeeded)],
            activations: vec![activation.clone()],
            ..Planned::default()
        });
        made.push(activation);
    }
    world.written(debits).await;
    world.written(ends).await;
    made
}

pub async fn a_snapshot_has_all_in_force_and_the_newest_hundred_others(world: World) {
    let (link, first) = world.settled_link("89010").await;
    let made = topups(&world, &link, 130, |n, activation| {
        activation.status = match n {
            0..10 => ActivationStatus::Active,
            10..15 => ActivationStatus::Depleted,
            15..70 => ActivationStatus::Expired,
            _ => ActivationStatus::Cancelled,
        };
    })
    .await;
    let snapshot = world.link_snapshot(world.org, link.id, at(0)).await.unwrap().unwrap();
    let ids: Vec<_> = snapshot.activations.iter().map(|a| a.id).collect();
    // 115 are over: the oldest 15 of them are left out.
    let expected = made[30..].iter().rev().chain(made[..15].iter().rev()).map(|a| a.id);
    assert_eq!(ids, expected.chain(first.activation_id).collect::<Vec<_>>());
}

pub async fn a_snapshot_unites_the_coverage_in_force(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let north: PlanId = world
        .another_plan(
            r#"[{"country":"SE","networks":[{"name":"A","mcc":"240","mnc":"01"}]},
                {"country":"DE","networks":[{"name":"B","mcc":"262","mnc":"01"}]}]"#,
            "DE,SE",
        )
        .await;
    let gone = world.another_plan(r#"[{"country":"US","networks":[]}]"#, "US").await;
    topups(&world, &link, 3, |n, activation| {
        activation.plan_id = north;
        if n == 2 {
            (activation.plan_id, activation.status) = (gone, ActivationStatus::Expired);
        }
    })
    .await;
    let snapshot = world.link_snapshot(world.org, link.id, at(0)).await.unwrap().unwrap();
    assert_eq!(snapshot.countries, ["DE", "SE"]);
    assert_eq!((snapshot.operators_total, snapshot.usage_live), (2, false));
    let plan = world.plan(north).await.unwrap().unwrap();
    assert_eq!((plan.countries.len(), plan.price, plan.sponsor.id), (2, money(0), "alpha".into()));
}

fn reading(activation: &Activation, kb: i64, status: ActivationStatus, at_s: i64) -> UsageReading {
    UsageReading {
        terminated: false,
        activations: vec![(activation.id, Volume::from_kb(kb), status, Some(at(5)))],
        profile: Some(EsimProfile { state: ProfileState::Enabled, updated_at: Some(at(at_s)) }),
        at: at(at_s),
    }
}

pub async fn usage_is_kept_and_totals_follow(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let made = topups(&world, &link, 1, |_, _| {}).await;
    let record = |kb, status, at_s| {
        world.record_usage(world.org, link.id, reading(&made[0], kb, status, at_s))
    };
    record(700, ActivationStatus::Depleted, 10).await.unwrap();
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!((stored.data_total.kb(), stored.data_used.kb()), (2_000_000, 700));
    assert_eq!(stored.usage_at, Some(at(10)));
    let state = stored.profile.unwrap();
    assert_eq!((state.state, state.updated_at), (ProfileState::Enabled, Some(at(10))));
    let kept = world.activation_of(&link, &made[0]).await;
    assert_eq!((kept.data_used.kb(), kept.first_used_at), (700, Some(at(5))));
    assert_eq!(kept.status, ActivationStatus::Depleted);
    record(700, ActivationStatus::Expired, 20).await.unwrap();
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!((stored.data_total.kb(), stored.data_used.kb()), (1_000_000, 0));
}

impl World {
    async fn activation_of(&self, link: &Link, activation: &Activation) -> Activation {
        Store::activation(&*self.store, self.org, link.id, activation.id).await.unwrap().unwrap()
    }
}

/// What is found at the operator long after may be over, or have been used.
pub async fn totals_follow_what_is_settled_late(world: World) {
    let (link, _) = world.settled_link("89010").await;
    topups(&world, &link, 2, |n, activation| {
        activation.data_used = Volume::from_kb(40);
        if n == 0 {
            activation.status = ActivationStatus::Expired;
        }
    })
    .await;
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!(stored.data_total.kb(), 2_000_000);
    // Nothing new is told of any of them.
    let nothing =
        UsageReading { terminated: false, activations: vec![], profile: None, at: at(10) };
    world.record_usage(world.org, link.id, nothing).await.unwrap();
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!((stored.data_total.kb(), stored.data_used.kb()), (2_000_000, 40));
}

pub async fn an_older_reading_changes_nothing(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let made = topups(&world, &link, 1, |_, _| {}).await;
    let newer = reading(&made[0], 900, ActivationStatus::Active, 20);
    world.record_usage(world.org, link.id, newer).await.unwrap();
    let older = reading(&made[0], 100, ActivationStatus::Active, 10);
    world.record_usage(world.org, link.id, older).await.unwrap();
    assert_eq!(world.activation_of(&link, &made[0]).await.data_used.kb(), 900);
}

pub async fn termination_is_final(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let gone = UsageReading { terminated: true, activations: vec![], profile: None, at: at(10) };
    world.record_usage(world.org, link.id, gone.clone()).await.unwrap();
    let back = UsageReading { terminated: false, at: at(20), ..gone };
    world.record_usage(world.org, link.id, back).await.unwrap();
    let stored = world.link_by_iccid(world.org, "89010").await.unwrap().unwrap();
    assert_eq!((stored.status, stored.updated_at), (LinkStatus::Inactive, at(10)));
}

pub async fn another_organization_sees_no_link(world: World) {
    let (link, operation) = world.settled_link("89010").await;
    let other = world.another_org(money(0)).await;
    assert_eq!(world.store.link(other, link.id).await.unwrap(), None);
    assert_eq!(world.link_by_iccid(other, "89010").await.unwrap(), None);
    assert_eq!(world.link_snapshot(other, link.id, at(0)).await.unwrap(), None);
    assert_eq!(world.store.operation(other, operation.id).await.unwrap(), None);
    let activation = operation.activation_id.unwrap();
    assert_eq!(Store::activation(&*world.store, other, link.id, activation).await.unwrap(), None);
}

pub async fn where_a_card_was_last_known_to_be_is_kept_and_never_goes_back(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let stranger = bappy_actors::model::OrgId(crate::world::id());
    let last = async |org| world.store.last_connectivity(org, link.id).await.unwrap();
    assert_eq!(last(world.org).await, None);
    let network = NetworkInfo { mcc: "208".into(), mnc: "01".into(), technology: None };
    let reading = |state, second| ConnectivityReading {
        connectivity: Connectivity {
            state,
            network: Some(network.clone()),
            ip_address: Some("10.0.0.1".into()),
            imei: None,
            last_seen_at: Some(at(second)),
        },
        at: at(second),
    };
    let record = async |org, reading: &ConnectivityReading| {
        world.store.record_connectivity(org, link.id, reading.clone()).await.unwrap();
    };
    let online = reading(ConnectivityState::Online, 5);
    record(world.org, &online).await;
    assert_eq!(last(world.org).await.as_ref(), Some(&online));
    record(world.org, &reading(ConnectivityState::Offline, 4)).await;
    record(stranger, &reading(ConnectivityState::Offline, 6)).await;
    assert_eq!(last(world.org).await.as_ref(), Some(&online), "older, and somebody else's");
    assert_eq!(last(stranger).await, None);
    let unknown = reading(ConnectivityState::Unknown, 6);
    record(world.org, &unknown).await;
    assert_eq!(last(world.org).await, Some(unknown));
}

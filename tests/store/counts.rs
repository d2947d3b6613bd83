//! How many Links and messages there are by status, against counting them.

use crate::sms::{queued, report};
use crate::world::{World, activating, at, batch, closing, debiting, money, new_link, refund};
use bappy::store::audit::audit;
use bappy::store::link_summaries::{self, LinkFilter};
use bappy::store::page::{Place, Window};
use bappy::store::sms::{self, SmsFilter};
use bappy::store::{Database, SqlStore};
use bappy_actors::model::{
    Link, LinkId, LinkStatus, NameChange, OperationKind, OperationState, OrgId, SimKind, SmsStatus,
};
use bappy_actors::ports::{
    CommitOutcome, LinkChange, Planned, SmsState, Store, UsageReading, WalletRow,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The organizations of which a count is not what counting gives.
async fn miscounted(world: &World) -> BTreeSet<(&'static str, OrgId)> {
    let found = audit(&world.db, None).await.unwrap();
    let counts = |rule| ["link_counts", "sms_counts", "operation_counts"].contains(&rule);
    found.violations.iter().filter(|v| counts(v.rule)).map(|v| (v.rule, v.org_id)).collect()
}

/// What the list says of how many Links there are, by status and kind.
async fn links_of(
    world: &World,
    org: OrgId,
    status: Option<LinkStatus>,
    kind: Option<SimKind>,
) -> i64 {
    let mut tx = world.db.read().await.unwrap();
    let window = Window { place: Place::Page(1), size: 100 };
    let filter = LinkFilter { status, kind, search: None };
    let part = link_summaries::list(&mut tx, org, &filter, &window).await.unwrap();
    assert_eq!(usize::try_from(part.total).unwrap(), part.rows.len(), "{filter:?}");
    part.total
}

/// The same of messages.
async fn sms_of(world: &World, status: SmsStatus) -> i64 {
    let mut tx = world.db.read().await.unwrap();
    let window = Window { place: Place::Page(1), size: 100 };
    let filter = SmsFilter { link: None, status: Some(status) };
    let part = sms::list(&mut tx, world.org, &filter, &window).await.unwrap();
    assert_eq!(usize::try_from(part.total).unwrap(), part.rows.len(), "{filter:?}");
    part.total
}

async fn turned(store: &SqlStore, world: &World, link: LinkId, status: LinkStatus) {
    let mut operation = world.operation(OperationKind::UpdateLink, link);
    (operation.amount, operation.plan_id) = (money(0), None);
    store.open_operation(operation.clone(), at(22)).await.unwrap();
    let end = closing(&operation, OperationState::Succeeded);
    let change = LinkChange::Update { status: Some(status), name: NameChange::Keep };
    assert!(store.close_operation(world.org, link, end, change, at(3)).await.unwrap());
}

async fn terminated(store: &SqlStore, org: OrgId, link: LinkId) {
    let gone = UsageReading { terminated: true, activations: vec![], profile: None, at: at(10) };
    store.record_usage(org, link, gone).await.unwrap();
}

/// A batch that makes Links, as they are.
fn making(world: &World, before: WalletRow, links: Vec<Link>) -> bappy_actors::ports::Batch {
    batch(world.org, before, vec![Planned { links, ..Planned::default() }])
}

pub async fn links_are_counted_by_status_and_kind(world: World) {
    use LinkStatus::{Active, Inactive, Suspended};
    let mut made: Vec<Link> = (0..7).map(|n| new_link(&format!("8901{n}"))).collect();
    for (link, status) in made.iter_mut().zip([Active, Suspended, Inactive]) {
        (link.kind, link.status) = (SimKind::Physical, status);
    }
    let before = world.row(world.org).await;
    world.store.commit(making(&world, before, made.clone())).await.unwrap();
    let of = async |status, kind| links_of(&world, world.org, status, kind).await;
    let (esim, physical) = (Some(SimKind::Esim), Some(SimKind::Physical));
    assert_eq!((of(None, esim).await, of(None, physical).await), (4, 3));
    assert_eq!((of(Some(Active), None).await, of(Some(Active), esim).await), (5, 4));

    let (store, org) = (&*world.store, world.org);
    turned(store, &world, made[3].id, Suspended).await;
    turned(store, &world, made[4].id, Suspended).await;
    turned(store, &world, made[4].id, Active).await;
    turned(store, &world, made[0].id, Active).await;
    terminated(store, org, made[5].id).await;
    terminated(store, org, made[5].id).await;
    // One that was terminated stays so.
    turned(store, &world, made[5].id, Active).await;
    // By hand.
    let physical_too =
        "UPDATE links SET kind = 'physical', status = 'active' WHERE iccid = '89016'";
    world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, physical_too)?) })).await.unwrap();
    let mut by_status = Vec::new();
    for status in [Active, Suspended, Inactive] {
        by_status.push((of(Some(status), esim).await, of(Some(status), physical).await));
    }
    assert_eq!(by_status, [(1, 2), (1, 1), (1, 1)]);

    // What is not written is not counted: a card that is another Link's, and a version that is gone.
    let again = vec![new_link("8909"), new_link(&made[0].iccid)];
    let before = world.row(org).await;
    assert!(
        world
            .store
            .commit(making(&world, before, again))
            .await
            .is_ok_and(|outcome| outcome != CommitOutcome::Committed)
    );
    let stale = WalletRow { version: before.version + 1, ..before };
    let outcome = world.store.commit(making(&world, stale, vec![new_link("8909")])).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Stale);
    assert_eq!(of(None, esim).await, 3);
    let other = world.another_org(money(0)).await;
    assert_eq!(links_of(&world, other, Some(Active), None).await, 0);
    assert_eq!(miscounted(&world).await, BTreeSet::new());
}

pub async fn messages_are_counted_by_status(world: World) {
    use SmsStatus::{Delivered, Failed, Queued, Sent};
    let link = new_link("8901").id;
    let mut messages = Vec::new();
    for _ in 0..6 {
        messages.push(queued(&world, link).await.0);
    }
    let (store, org) = (&world.store, world.org);
    for (operation, state) in messages.iter().zip([
        SmsState::Accepted,
        SmsState::Accepted,
        SmsState::Delivered,
        SmsState::Failed,
    ]) {
        let (own, epoch) = (operation.id, operation.epoch);
        for _ in 0..2 {
            store.sms_handed_over(org, own, epoch, report(state), None, at(3)).await.unwrap();
        }
    }
    store.sms_ended(org, messages[0].id, Delivered, at(4)).await.unwrap();
    let (debit, _) = world.debit_of(org, messages[4].id).await.unwrap().unwrap();
    let failed = vec![messages[4].id];
    world.written(vec![Planned { sms_failed: failed, ..refund(&messages[4], debit) }]).await;
    let mut by_status = Vec::new();
    for status in [Queued, Sent, Delivered, Failed] {
        by_status.push(sms_of(&world, status).await);
    }
    assert_eq!(by_status, [1, 1, 2, 2]);
    assert_eq!(miscounted(&world).await, BTreeSet::new());
}

/// New Links and top-ups by the ledger, while the same Links are turned off and on, terminated, and
/// messages go out: by two instances, all on one organization.
pub async fn counts_are_right_when_all_is_written_at_once(world: World) {
    const ROUNDS: usize = 15;
    let second = Database::open(&world.url, 4, Handle::current()).await.unwrap();
    let stores = [Arc::clone(&world.store), Arc::new(SqlStore::start(second))];
    world.has(money(5_000)).await;
    let mut messages = Vec::new();
    let mut links = Vec::new();
    for n in 0..4 {
        links.push(world.settled_link(&format!("8901{n}")).await.0.id);
    }
    for _ in 0..2 * ROUNDS {
        messages.push(queued(&world, links[0]).await.0);
    }
    let world = Arc::new(world);
    let mut tasks = Vec::new();
    for (n, store) in stores.into_iter().enumerate() {
        let written = {
            let (world, store) = (Arc::clone(&world), Arc::clone(&store));
            async move |items: Vec<Planned>| loop {
                let before = store.wallet(world.org).await.unwrap().unwrap();
                match store.commit(batch(world.org, before, items.clone())).await.unwrap() {
                    CommitOutcome::Committed => return,
                    CommitOutcome::Stale => {}
                    CommitOutcome::Guarded(guards) => panic!("{guards:?}"),
                }
            }
        };
        // New Links in the batches of top-ups of those that are being changed.
        let (here, of_links) = (Arc::clone(&world), links.clone());
        tasks.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                let topup = here.operation(OperationKind::Topup, of_links[round % 4]);
                written(vec![debiting(topup.clone())]).await;
                let fresh = new_link(&format!("8902{n}{round}"));
                let settled = Planned {
                    closed: vec![closing(&topup, OperationState::Succeeded)],
                    activations: vec![activating(&topup, topup.link_id)],
                    links: vec![fresh],
                    ..Planned::default()
                };
                written(vec![settled]).await;
            }
        }));
        let (here, turning, own) =
            (Arc::clone(&world), Arc::clone(&store), links[n * 2..][..2].to_vec());
        tasks.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                let status =
                    if round % 2 == 0 { LinkStatus::Suspended } else { LinkStatus::Active };
                for link in &own {
                    turned(&turning, &here, *link, status).await;
                }
            }
            terminated(&turning, here.org, own[1]).await;
        }));
        let (org, own) = (world.org, messages[n * ROUNDS..][..ROUNDS].to_vec());
        tasks.push(tokio::spawn(async move {
            for message in own {
                let (id, epoch) = (message.id, message.epoch);
                let sent = report(SmsState::Accepted);
                assert!(store.sms_handed_over(org, id, epoch, sent, None, at(3)).await.unwrap());
                store.sms_ended(org, id, SmsStatus::Delivered, at(4)).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(miscounted(&world).await, BTreeSet::new());
    let fresh = i64::try_from(2 * ROUNDS).unwrap();
    assert_eq!(links_of(&world, world.org, Some(LinkStatus::Active), None).await, fresh);
    assert_eq!(links_of(&world, world.org, Some(LinkStatus::Suspended), None).await, 2);
    assert_eq!(links_of(&world, world.org, Some(LinkStatus::Inactive), None).await, 2);
    assert_eq!(sms_of(&world, SmsStatus::Delivered).await, fresh);
    world.balances(world.org).await;
}

pub async fn a_count_that_is_wrong_is_found(world: World) {
    let other = world.another_org(money(0)).await;
    world.settled_link("89010").await;
    queued(&world, new_link("8902").id).await;
    assert_eq!(miscounted(&world).await, BTreeSet::new());
    let change = async |sql: &'static str| {
        world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, sql)?) })).await.unwrap()
    };
    for (rule, wrong, right) in [
        (
            "link_counts",
            "UPDATE link_counts SET inactive = 1",
            "UPDATE link_counts SET inactive = 0",
        ),
        (
            "link_counts",
            "UPDATE link_counts SET kind = 'physical'",
            "UPDATE link_counts SET kind = 'esim'",
        ),
        ("sms_counts", "UPDATE sms_counts SET queued = 0", "UPDATE sms_counts SET queued = 1"),
        ("sms_counts", "UPDATE sms_counts SET failed = 2", "UPDATE sms_counts SET failed = 0"),
        (
            "operation_counts",
            "UPDATE wallets SET operations_total = 1 WHERE operations_total = 2",
            "UPDATE wallets SET operations_total = 2 WHERE operations_total = 1",
        ),
        (
            "operation_counts",
            "UPDATE wallets SET sms_total = 0 WHERE sms_total = 1",
            "UPDATE wallets SET sms_total = 1 WHERE operations_total = 2",
        ),
    ] {
        assert_eq!(change(wrong).await, 1);
        assert_eq!(miscounted(&world).await, BTreeSet::from([(rule, world.org)]), "{wrong}");
        let found = audit(&world.db, Some(other)).await.unwrap();
        assert!(found.is_clean(), "{found:#?}");
        change(right).await;
    }
    change("DELETE FROM sms_counts").await;
    assert_eq!(miscounted(&world).await, BTreeSet::from([("sms_counts", world.org)]));
}

/// As on a database that was filled by the version before.
pub async fn what_was_there_before_is_counted_by_the_migration(world: World) {
    let (link, _) = world.settled_link("89010").await;
    world.settled_link("89011").await;
    turned(&world.store, &world, link.id, LinkStatus::Suspended).await;
    queued(&world, link.id).await;
    let drops: &[&'static str] = if world.url.starts_with("sqlite") {
        &[
            "DROP TRIGGER count_new_links",
            "DROP TRIGGER count_link_change",
            "DROP TRIGGER count_new_sms",
            "DROP TRIGGER count_sms_status",
        ]
    } else {
        &[
            "DROP FUNCTION count_new_links CASCADE",
            "DROP FUNCTION count_link_change CASCADE",
            "DROP FUNCTION count_new_sms CASCADE",
            "DROP FUNCTION count_sms_status CASCADE",
        ]
    };
    for sql in drops.iter().copied().chain([
        "DROP TABLE link_counts",
        "DROP TABLE sms_counts",
        "DELETE FROM _sqlx_migrations WHERE version IN (7, 8)",
        // It is not counted while the triggers are gone.
        "UPDATE links SET status = 'inactive' WHERE iccid = '89011'",
    ]) {
        world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, sql)?) })).await.unwrap();
    }
    world.db.migrate().await.unwrap();
    assert_eq!(miscounted(&world).await, BTreeSet::new());
    assert_eq!(links_of(&world, world.org, Some(LinkStatus::Inactive), None).await, 1);
    assert_eq!(sms_of(&world, SmsStatus::Queued).await, 1);
    turned(&world.store, &world, link.id, LinkStatus::Active).await;
    assert_eq!(links_of(&world, world.org, Some(LinkStatus::Active), None).await, 1);
}

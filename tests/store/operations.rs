//! Operations: opened and closed without money, taken over, put back.

use crate::sms::{queued, report};
use crate::transactions::operations_are_counted;
use crate::world::{World, activating, at, closing, debiting, key, money, refund};
use bappy_actors::model::{
    Answer, Cleanup, EntryId, EntryKind, Failure, LinkFee, LinkId, LinkStatus, Month, NameChange,
    Operation, OperationKind, OperationState, Request,
};
use bappy_actors::ports::{
    Closing, CommitOutcome, Due, FeeBook, LinkChange, OpenOutcome, Planned, SmsState, Store,
    Suspending, Suspension, SuspensionOutcome, WalletRow,
};
use std::collections::HashSet;
use std::sync::Arc;

fn free(world: &World, kind: OperationKind, link: LinkId) -> Operation {
    Operation {
        amount: money(0),
        plan_id: None,
        activation_id: None,
        ..world.operation(kind, link)
    }
}

pub async fn an_operation_reads_back_as_it_was_written(world: World) {
    let operation = Operation {
        key: Some(key("k")),
        request: Request::UpdateLink {
            fee: None,
            endpoint_id: "ep".into(),
            status: Some(LinkStatus::Suspended),
            name: NameChange::Set("näme".into()),
        },
        ..free(&world, OperationKind::UpdateLink, LinkId(crate::world::id()))
    };
    let opened = world.open_operation(operation.clone(), at(22)).await.unwrap();
    assert_eq!(opened, OpenOutcome::Opened);
    let stored = world.store.operation(world.org, operation.id).await.unwrap();
    assert_eq!(stored, Some(operation.clone()));
    let charged = Operation { key: Some(key("l")), ..world.topup() };
    world.has(money(5)).await;
    world.written(vec![debiting(charged.clone())]).await;
    let stored = world.store.operation(world.org, charged.id).await.unwrap();
    assert_eq!(stored, Some(charged));
    assert_eq!(
        world.store.operation(world.org, operation.group_id).await.unwrap(),
        Some(operation)
    );
}

pub async fn how_far_an_operation_is_can_be_read_when_the_rest_cannot(world: World) {
    world.has(money(5)).await;
    let operation = world.topup();
    let state = || world.store.operation_state(world.org, operation.id);
    assert_eq!(state().await.unwrap(), None);
    world.written(vec![debiting(operation.clone())]).await;
    assert_eq!(state().await.unwrap(), Some(OperationState::Pending));
    let spoilt = "UPDATE operations SET request = '{'";
    world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, spoilt)?) })).await.unwrap();
    world.store.operation(world.org, operation.id).await.unwrap_err();
    assert_eq!(state().await.unwrap(), Some(OperationState::Pending));
}

pub async fn a_second_exclusive_operation_finds_the_link_busy(world: World) {
    let link = LinkId(crate::world::id());
    let first = free(&world, OperationKind::UpdateLink, link);
    let second = free(&world, OperationKind::RemovePlan, link);
    assert_eq!(world.open_operation(first.clone(), at(22)).await.unwrap(), OpenOutcome::Opened);
    let busy = world.open_operation(second.clone(), at(22)).await.unwrap();
    assert_eq!(busy, OpenOutcome::LinkBusy);
    let rejected = Closing {
        failure: Some(Failure::ProviderError),
        ..closing(&first, OperationState::Rejected)
    };
    let closed =
        world.close_operation(world.org, link, rejected, LinkChange::None, at(3)).await.unwrap();
    assert!(closed);
    assert_eq!(world.open_operation(second, at(22)).await.unwrap(), OpenOutcome::Opened);
}

pub async fn a_key_in_use_refuses_a_free_operation(world: World) {
    let open =
        |link| Operation { key: Some(key("k")), ..free(&world, OperationKind::UpdateLink, link) };
    let (first, second) = (open(LinkId(crate::world::id())), open(LinkId(crate::world::id())));
    assert_eq!(world.open_operation(first, at(22)).await.unwrap(), OpenOutcome::Opened);
    assert_eq!(world.open_operation(second, at(22)).await.unwrap(), OpenOutcome::KeyTaken);
}

pub async fn every_operation_recorded_is_counted_and_no_other(world: World) {
    world.has(money(10)).await;
    world.written(vec![debiting(world.topup()), debiting(world.topup())]).await;
    let link = LinkId(crate::world::id());
    for outcome in [OpenOutcome::Opened, OpenOutcome::LinkBusy] {
        let operation = free(&world, OperationKind::UpdateLink, link);
        assert_eq!(world.open_operation(operation, at(22)).await.unwrap(), outcome);
    }
    let before = world.row(world.org).await;
    let stale = WalletRow { version: 0, ..before };
    let batch = crate::world::batch(world.org, stale, vec![debiting(world.topup())]);
    assert_eq!(world.store.commit(batch).await.unwrap(), CommitOutcome::Stale);
    assert_eq!(world.count("SELECT operations_total FROM wallets").await, 3);
    world.balances(world.org).await;
}

pub async fn operations_of_every_kind_and_end_are_counted(world: World) {
    use OperationKind::{RemovePlan, Topup, UpdateLink};
    use OperationState::{Rejected, Succeeded};
    let (link, _) = world.settled_link("89010").await;
    world.has(money(50)).await;
    // One of each goes on, comes about, and is given back.
    let topups = [0; 3].map(|_| world.operation(Topup, link.id));
    world.written(topups.iter().map(|o| debiting(o.clone())).collect()).await;
    let settled = Planned {
        closed: vec![closing(&topups[1], Succeeded)],
        activations: vec![activating(&topups[1], link.id)],
        ..Planned::default()
    };
    world.written(vec![settled, refund(&topups[2], EntryId(topups[2].id.0))]).await;
    let mut messages = Vec::new();
    for _ in 0..3 {
        messages.push(queued(&world, link.id).await.0);
    }
    let sent = report(SmsState::Accepted);
    assert!(world.sms_handed_over(world.org, messages[1].id, 1, sent, None, at(3)).await.unwrap());
    let given_up = Planned {
        sms_failed: vec![messages[2].id],
        ..refund(&messages[2], EntryId(messages[2].id.0))
    };
    world.written(vec![given_up]).await;
    // A reactivation that paid a fee; and what is free.
    let reactivated = world.operation(UpdateLink, LinkId(crate::world::id()));
    let mut paid = debiting(reactivated.clone());
    paid.entries[0].kind = EntryKind::LinkFee;
    world.written(vec![paid]).await;
    world.written(vec![refund(&reactivated, EntryId(reactivated.id.0))]).await;
    for (kind, state) in [(UpdateLink, Rejected), (UpdateLink, Succeeded), (RemovePlan, Rejected)] {
        let operation = free(&world, kind, LinkId(crate::world::id()));
        world.open_operation(operation.clone(), at(22)).await.unwrap();
        let end = closing(&operation, state);
        let link = operation.link_id;
        assert!(
            world.close_operation(world.org, link, end, LinkChange::None, at(3)).await.unwrap()
        );
    }
    operations_are_counted(&world).await;
    let rejected = "SELECT COUNT(*) FROM operations WHERE state = 'rejected'";
    let refunded = "SELECT COUNT(*) FROM operations WHERE state = 'refunded'";
    assert_eq!((world.count(rejected).await, world.count(refunded).await), (2, 3));
}

pub async fn closing_updates_the_link_once(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let operation = free(&world, OperationKind::UpdateLink, link.id);
    world.open_operation(operation.clone(), at(22)).await.unwrap();
    let snapshot = world.link_snapshot(world.org, link.id, at(0)).await.unwrap().unwrap();
    let closing = Closing {
        answer: Some(Box::new(Answer::LinkUpdated { snapshot: Box::new(snapshot) })),
        ..closing(&operation, OperationState::Succeeded)
    };
    let change = |name: &str| LinkChange::Update {
        status: Some(LinkStatus::Suspended),
        name: NameChange::Set(name.into()),
    };
    let close =
        |name| world.close_operation(world.org, link.id, closing.clone(), change(name), at(3));
    assert!(close("gate").await.unwrap());
    assert!(!close("again").await.unwrap());
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!(stored.name.as_deref(), Some("gate"));
    assert_eq!((stored.status, stored.updated_at), (LinkStatus::Suspended, at(3)));
    assert_eq!(world.count("SELECT COUNT(*) FROM operations WHERE answer LIKE '{%'").await, 1);
}

pub async fn a_name_is_kept_set_or_cleared(world: World) {
    let (link, _) = world.settled_link("89010").await;
    for (name, expected) in [
        (NameChange::Set("gate".into()), Some("gate")),
        (NameChange::Keep, Some("gate")),
        (NameChange::Clear, None),
        (NameChange::Keep, None),
    ] {
        let operation = free(&world, OperationKind::UpdateLink, link.id);
        world.open_operation(operation.clone(), at(22)).await.unwrap();
        let closing = closing(&operation, OperationState::Succeeded);
        let change = LinkChange::Update { status: None, name };
        assert!(world.close_operation(world.org, link.id, closing, change, at(3)).await.unwrap());
        let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
        assert_eq!(stored.name.as_deref(), expected);
    }
}

pub async fn cancelling_takes_the_volume_off_the_link_once(world: World) {
    let (link, first) = world.settled_link("89010").await;
    for _ in 0..2 {
        let operation = free(&world, OperationKind::RemovePlan, link.id);
        world.open_operation(operation.clone(), at(22)).await.unwrap();
        let change = LinkChange::Cancel(first.activation_id.unwrap());
        let end = closing(&operation, OperationState::Succeeded);
        assert!(world.close_operation(world.org, link.id, end, change, at(3)).await.unwrap());
    }
    let snapshot = world.link_snapshot(world.org, link.id, at(0)).await.unwrap().unwrap();
    assert_eq!(snapshot.link.data_total.kb(), 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM activations WHERE status = 'cancelled'").await, 1);
}

pub async fn a_removal_that_goes_on_is_not_settled(world: World) {
    let (link, first) = world.settled_link("89010").await;
    let operation = free(&world, OperationKind::RemovePlan, link.id);
    world.open_operation(operation.clone(), at(22)).await.unwrap();
    let settled_at = async |state| {
        let end = Closing { lease_until: Some(at(30)), ..closing(&operation, state) };
        let change = LinkChange::Cancel(first.activation_id.unwrap());
        assert!(world.close_operation(world.org, link.id, end, change, at(3)).await.unwrap());
        let stored = world.store.operation(world.org, operation.id).await.unwrap().unwrap();
        assert_eq!(stored.state, state);
        stored.settled_at
    };
    assert_eq!(settled_at(OperationState::Pending).await, None);
    assert_eq!(settled_at(OperationState::Succeeded).await, Some(at(3)));
}

pub async fn each_due_operation_goes_to_one_of_many_claimers(world: World) {
    world.has(money(500)).await;
    let topups: Vec<_> = (0..60).map(|_| world.topup()).collect();
    world.written(topups.iter().map(|o| debiting(o.clone())).collect()).await;
    let claimers = (0..8).map(|_| {
        let store = Arc::clone(&world.store);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let claimed = store.claim_due(Due::Operations, at(100), at(110), 5).await.unwrap();
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|c| c.operation));
            }
        })
    });
    let mut all = Vec::new();
    for claimer in futures_util::future::join_all(claimers).await {
        all.extend(claimer.unwrap());
    }
    // A claimer that finds only rows that others are taking ends early; the others go on.
    let ids: HashSet<_> = all.iter().map(|o| o.id).collect();
    assert_eq!((all.len(), ids.len()), (60, 60));
    assert!(all.iter().all(|o| o.epoch == 2 && o.attempts == 1));
}

pub async fn a_claim_shuts_the_previous_holder_out(world: World) {
    world.has(money(5)).await;
    let operation = world.topup();
    world.written(vec![debiting(operation.clone())]).await;
    let claimed = world.claim_due(Due::Operations, at(30), at(40), 1).await.unwrap();
    assert_eq!(claimed[0].operation.epoch, 2);
    assert_eq!(world.claim_due(Due::Operations, at(39), at(50), 1).await.unwrap(), []);
    let (org, id) = (world.org, operation.id);
    let request =
        Request::CreateLink { name: None, iccid: "8902".into(), operator_plan_id: "op-2".into() };
    assert!(!world.rewrite_request(org, id, 1, request.clone()).await.unwrap());
    assert!(world.rewrite_request(org, id, 2, request.clone()).await.unwrap());
    assert!(!world.reschedule(org, id, 1, Cleanup::None, None).await.unwrap());
    let end = closing(&operation, OperationState::Rejected);
    let closed = world.close_operation(org, operation.link_id, end, LinkChange::None, at(4)).await;
    assert!(!closed.unwrap());
    assert!(world.reschedule(org, id, 2, Cleanup::Watching, Some(at(60))).await.unwrap());
    assert_eq!(world.claim_due(Due::Operations, at(59), at(70), 1).await.unwrap(), []);
    let again = world.claim_due(Due::Operations, at(60), at(70), 1).await.unwrap();
    assert_eq!((again[0].operation.epoch, again[0].due_at), (3, at(60)));
    assert_eq!(again[0].operation.request, request);
}

pub async fn putting_a_refunded_operation_off_as_pending_leaves_it_watched(world: World) {
    world.has(money(5)).await;
    let operation = world.topup();
    world.written(vec![debiting(operation.clone())]).await;
    let put_off = async |cleanup| {
        world.reschedule(world.org, operation.id, 1, cleanup, Some(at(50))).await.unwrap()
    };
    assert!(put_off(Cleanup::None).await);
    let mut watching = refund(&operation, EntryId(operation.id.0));
    watching.closed[0].cleanup = Cleanup::Watching;
    watching.closed[0].lease_until = Some(at(90));
    world.written(vec![watching]).await;
    assert!(!put_off(Cleanup::None).await);
    assert_eq!(world.claim_due(Due::Operations, at(89), at(95), 1).await.unwrap(), []);
    assert!(put_off(Cleanup::Watching).await);
    let due = world.claim_due(Due::Operations, at(50), at(60), 1).await.unwrap();
    assert_eq!(due[0].operation.cleanup, Cleanup::Watching);
}

pub async fn only_what_is_open_can_be_claimed(world: World) {
    world.has(money(10)).await;
    let (done, watched) = (world.topup(), world.topup());
    world.written(vec![debiting(done.clone()), debiting(watched.clone())]).await;
    let mut watching = refund(&watched, EntryId(watched.id.0));
    watching.closed[0].cleanup = Cleanup::Watching;
    watching.closed[0].lease_until = Some(at(90));
    world
        .written(vec![
            Planned {
                closed: vec![closing(&done, OperationState::Succeeded)],
                ..Planned::default()
            },
            watching,
        ])
        .await;
    assert_eq!(world.claim_operation(world.org, done.id, at(30)).await.unwrap(), None);
    let claimed = world.claim_operation(world.org, watched.id, at(30)).await.unwrap().unwrap();
    assert_eq!((claimed.operation.state, claimed.due_at), (OperationState::Refunded, at(90)));
    let stranger = bappy_actors::model::OrgId(crate::world::id());
    assert_eq!(world.claim_operation(stranger, watched.id, at(30)).await.unwrap(), None);
}

pub async fn a_group_reads_in_order(world: World) {
    world.has(money(50)).await;
    let head = world.topup();
    let rest = [2, 1].map(|position| Operation { group_id: head.id, position, ..world.topup() });
    let debits = rest.iter().chain([&head]).map(|o| debiting(o.clone())).collect();
    world.written(debits).await;
    let group = world.operation_group(world.org, head.id).await.unwrap();
    assert_eq!(group.iter().map(|o| o.position).collect::<Vec<_>>(), [0, 1, 2]);
    let alone = world.operation_group(world.org, rest[0].id).await.unwrap();
    assert_eq!(alone, []);
}

pub async fn the_debit_of_an_operation_is_found_after_its_refund(world: World) {
    world.has(money(5)).await;
    let operation = world.topup();
    let debit = debiting(operation.clone());
    let debit_id = debit.entries[0].id;
    world.written(vec![debit]).await;
    world.written(vec![refund(&operation, debit_id)]).await;
    let (found, entry) = world.debit_of(world.org, operation.id).await.unwrap().unwrap();
    assert_eq!((found, entry.amount, entry.sequence), (debit_id, money(-5), 2));
    assert_eq!(world.debit_of(world.org, operation_of_nobody()).await.unwrap(), None);
}

fn operation_of_nobody() -> bappy_actors::model::OperationId {
    bappy_actors::model::OperationId(crate::world::id())
}

/// A Link is brought back to the status that it has with us; where it has another one by now, or
/// something else runs on it, nothing is recorded.
pub async fn a_late_status_is_undone_only_while_the_link_has_the_other(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let correction = |because| Suspending {
        operation: free(&world, OperationKind::UpdateLink, link.id),
        lease_until: at(5),
        because,
    };
    let correct = async |because| {
        let opened = world.open_suspensions(world.org, vec![correction(because)]).await.unwrap();
        opened[0]
    };
    assert_eq!(correct(Suspension::Off).await, SuspensionOutcome::Unfounded);
    let undone = correction(Suspension::Undone);
    let (operation, opened) = (undone.operation.clone(), SuspensionOutcome::Opened);
    assert_eq!(world.open_suspensions(world.org, vec![undone]).await.unwrap(), [opened]);
    assert_eq!(correct(Suspension::Undone).await, SuspensionOutcome::LinkBusy);
    // Looked at once more when it has ended.
    let end =
        Closing { lease_until: Some(at(60)), ..closing(&operation, OperationState::Succeeded) };
    let change = LinkChange::Update { status: Some(LinkStatus::Suspended), name: NameChange::Keep };
    assert!(world.close_operation(world.org, link.id, end, change, at(6)).await.unwrap());
    let due = world.claim_due(Due::Operations, at(61), at(70), 10).await.unwrap();
    assert_eq!(due.iter().map(|due| due.operation.id).collect::<Vec<_>>(), [operation.id]);
    assert_eq!(correct(Suspension::Undone).await, SuspensionOutcome::Unfounded);
    assert_eq!(correct(Suspension::Off).await, SuspensionOutcome::Opened);
}

/// What was paid in since the wallet refused it is charged, and the Link not suspended.
pub async fn a_fee_falls_due_only_while_it_is_not_covered(world: World) {
    let (link, _) = world.settled_link("89010").await;
    world.has(money(2)).await;
    let month: Month = "2027-02".parse().unwrap();
    let change = |status| Operation {
        request: Request::UpdateLink {
            fee: None,
            endpoint_id: "ep".into(),
            status,
            name: NameChange::Keep,
        },
        ..free(&world, OperationKind::UpdateLink, link.id)
    };
    let suspend = async |because| {
        let operation = change(Some(LinkStatus::Suspended));
        let suspending = Suspending { operation: operation.clone(), lease_until: at(5), because };
        let outcomes = world.open_suspensions(world.org, vec![suspending]).await.unwrap();
        (outcomes[0], operation)
    };
    let end = async |operation: &Operation, state, status| {
        let change = LinkChange::Update { status, name: NameChange::Keep };
        let closing = closing(operation, state);
        assert!(world.close_operation(world.org, link.id, closing, change, at(6)).await.unwrap());
    };
    let candidate =
        async || world.store.candidates(world.org, month, None, 9).await.unwrap().remove(0);
    let fee = |amount| Suspension::FallsDue(LinkFee { link_id: link.id, month, amount });
    let balance = world.row(world.org).await.balance;
    assert_eq!(suspend(fee(balance)).await.0, SuspensionOutcome::Covered);
    assert_eq!(world.count("SELECT COUNT(*) FROM link_fees").await, 0);
    let more = balance.checked_add(money(1)).unwrap();
    let (outcome, suspending) = suspend(fee(more)).await;
    assert_eq!(outcome, SuspensionOutcome::Opened);
    assert_eq!(world.count("SELECT COUNT(*) FROM link_fees WHERE state = 'due'").await, 1);
    // While it is being suspended nothing is left to do; while something else runs on it, it is.
    assert_eq!(suspend(Suspension::Owing).await.0, SuspensionOutcome::Unfounded);
    end(&suspending, OperationState::Rejected, None).await;
    let other = change(None);
    let opened = world.open_operation(other.clone(), at(22)).await.unwrap();
    assert_eq!(opened, OpenOutcome::Opened);
    assert_eq!(suspend(Suspension::Owing).await.0, SuspensionOutcome::LinkBusy);
    assert!(!candidate().await.is_in_between, "it is active");
    end(&other, OperationState::Succeeded, Some(LinkStatus::Suspended)).await;
    assert!(!candidate().await.is_in_between, "nothing runs on it");
    assert_eq!(world.open_operation(change(None), at(22)).await.unwrap(), OpenOutcome::Opened);
    assert!(candidate().await.is_in_between);
    world.balances(world.org).await;
}

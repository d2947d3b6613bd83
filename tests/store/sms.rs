//! SMS: queued with their debit, ended with their operation, claimed apart from all others.

use crate::world::{World, at, closing, debiting, id, money, refund};
use bappy::store::page::{Place, Window};
use bappy::store::sms::{self, SmsFilter};
use bappy_actors::model::{
    LinkId, Operation, OperationId, OperationKind, OperationState, Request, Sms, SmsStatus, SmsText,
};
use bappy_actors::ports::{CommitOutcome, Due, Guard, Planned, SmsReport, SmsState, Store};
use std::collections::BTreeSet;

fn message(world: &World, link: LinkId) -> (Operation, Sms) {
    let request = Request::SendSms { endpoint_id: "ep-1".into(), attempted_at: None };
    let operation = Operation {
        activation_id: None,
        plan_id: None,
        request,
        ..world.operation(OperationKind::SendSms, link)
    };
    let sms = Sms {
        id: operation.id,
        link_id: link,
        iccid: "8901".into(),
        message: SmsText::new("Grüße 🙂".into()),
        status: SmsStatus::Queued,
        amount: money(5),
        operator_sms_id: None,
        created_at: at(0),
        sent_at: None,
        updated_at: at(0),
    };
    (operation, sms)
}

pub async fn queued(world: &World, link: LinkId) -> (Operation, Sms) {
    world.has(money(5)).await;
    let (operation, sms) = message(world, link);
    world.written(vec![Planned { sms: vec![sms.clone()], ..debiting(operation.clone()) }]).await;
    (operation, sms)
}

pub fn report(state: SmsState) -> SmsReport {
    SmsReport { sms_id: "M1".into(), state }
}

pub async fn a_message_is_queued_with_its_debit_and_reads_back(world: World) {
    let (operation, sms) = queued(&world, LinkId(id())).await;
    assert_eq!(world.sms(world.org, operation.id).await.unwrap(), Some(sms));
    assert_eq!(world.count("SELECT MAX(sms_total) FROM wallets").await, 1);
    world.balances(world.org).await;
    let other = world.another_org(money(0)).await;
    assert_eq!(world.sms(other, operation.id).await.unwrap(), None);
    // Refused as a whole: neither a debit nor a message.
    world.has(money(5)).await;
    let (mut again, mut twice) = message(&world, LinkId(id()));
    (again.id, twice.id) = (operation.id, operation.id);
    let refused = world.commit(vec![Planned { sms: vec![twice], ..debiting(again) }]).await;
    assert_eq!(refused, CommitOutcome::Guarded(vec![(0, Guard::AlreadyOpen)]));
    assert_eq!(world.count("SELECT COUNT(*) FROM sms").await, 1);
    assert_eq!(world.count("SELECT MAX(sms_total) FROM wallets").await, 1);
}

pub async fn a_refund_fails_its_message_and_no_other(world: World) {
    let ((operation, sms), (other, untouched)) =
        (queued(&world, LinkId(id())).await, queued(&world, LinkId(id())).await);
    let (debit, _) = world.debit_of(world.org, operation.id).await.unwrap().unwrap();
    let failing = Planned { sms_failed: vec![operation.id], ..refund(&operation, debit) };
    // Under an epoch that moved on nothing of it is written.
    let mut late = failing.clone();
    late.closed[0].epoch += 1;
    let lost = world.commit(vec![late]).await;
    assert_eq!(lost, CommitOutcome::Guarded(vec![(0, Guard::EpochLost)]));
    assert_eq!(world.sms(world.org, operation.id).await.unwrap(), Some(sms.clone()));
    world.written(vec![failing]).await;
    let failed = Sms { status: SmsStatus::Failed, updated_at: at(2), ..sms };
    assert_eq!(world.sms(world.org, operation.id).await.unwrap(), Some(failed));
    assert_eq!(world.sms(world.org, other.id).await.unwrap(), Some(untouched));
    let claimed = world.claim_due(Due::SmsToSend, at(900), at(910), 9).await.unwrap();
    assert_eq!(claimed.len(), 1, "the refunded one has nothing left to do");
    world.balances(world.org).await;
}

pub async fn a_message_is_handed_over_once_and_under_its_epoch(world: World) {
    let (operation, sms) = queued(&world, LinkId(id())).await;
    let (org, own, epoch) = (world.org, operation.id, operation.epoch);
    let hand_over = async |epoch| {
        let report = report(SmsState::Accepted);
        world.sms_handed_over(org, own, epoch, report, Some(at(20)), at(3)).await.unwrap()
    };
    assert!(!hand_over(epoch + 1).await);
    assert_eq!(world.sms(org, own).await.unwrap(), Some(sms.clone()));
    assert!(hand_over(epoch).await);
    assert!(!hand_over(epoch).await, "it has ended");
    let sent = Sms {
        status: SmsStatus::Sent,
        operator_sms_id: Some("M1".into()),
        sent_at: Some(at(3)),
        updated_at: at(3),
        ..sms
    };
    assert_eq!(world.sms(org, own).await.unwrap(), Some(sent.clone()));
    let stored = world.store.operation(org, own).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.settled_at), (OperationState::Succeeded, Some(at(3))));
    // It can be refunded no more.
    let (debit, _) = world.debit_of(org, own).await.unwrap().unwrap();
    let failing = Planned { sms_failed: vec![own], ..refund(&operation, debit) };
    let lost = world.commit(vec![failing]).await;
    assert_eq!(lost, CommitOutcome::Guarded(vec![(0, Guard::EpochLost)]));
    // It is asked after, and then not any more.
    assert!(world.claim_due(Due::SmsUnderWay, at(19), at(30), 9).await.unwrap().is_empty());
    let claimed = world.claim_due(Due::SmsUnderWay, at(20), at(30), 9).await.unwrap();
    assert_eq!(claimed[0].operation.id, own);
    world.sms_ended(org, own, SmsStatus::Delivered, at(21)).await.unwrap();
    world.sms_ended(org, own, SmsStatus::Failed, at(22)).await.unwrap();
    let ended = Sms { status: SmsStatus::Delivered, updated_at: at(21), ..sent };
    assert_eq!(world.sms(org, own).await.unwrap(), Some(ended));
    assert!(world.claim_due(Due::SmsUnderWay, at(900), at(910), 9).await.unwrap().is_empty());
}

pub async fn messages_are_claimed_apart_and_each_by_one_of_many(world: World) {
    let mut expected = BTreeSet::new();
    for _ in 0..20 {
        expected.insert(queued(&world, LinkId(id())).await.0.id);
    }
    world.has(money(5)).await;
    let topup = world.topup();
    world.written(vec![debiting(topup.clone())]).await;
    let due = world.claim_due(Due::Operations, at(900), at(910), 99).await.unwrap();
    assert_eq!(due.iter().map(|c| c.operation.id).collect::<Vec<_>>(), [topup.id]);
    assert!(world.claim_due(Due::SmsUnderWay, at(900), at(910), 99).await.unwrap().is_empty());
    let claimers = (0..4).map(|_| {
        let store = world.store.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let part = store.claim_due(Due::SmsToSend, at(0), at(910), 3).await.unwrap();
                if part.is_empty() {
                    return claimed;
                }
                claimed.extend(part.into_iter().map(|claimed| claimed.operation.id));
            }
        })
    });
    let mut claimed: Vec<OperationId> = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        claimed.extend(claimer.await.unwrap());
    }
    // One that found all others locked may have come away empty: what is left is claimed now.
    let rest = world.claim_due(Due::SmsToSend, at(0), at(910), 99).await.unwrap();
    claimed.extend(rest.into_iter().map(|claimed| claimed.operation.id));
    assert_eq!(claimed.len(), 20, "none twice");
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), expected);
}

pub async fn messages_are_listed_and_counted_by_link_and_status(world: World) {
    let (one, two) = (LinkId(id()), LinkId(id()));
    let mut ids = Vec::new();
    for n in 0..6 {
        let (operation, _) = queued(&world, if n < 2 { one } else { two }).await;
        if n % 2 == 0 {
            let delivered = report(SmsState::Delivered);
            let (own, epoch) = (operation.id, operation.epoch);
            world.sms_handed_over(world.org, own, epoch, delivered, None, at(3)).await.unwrap();
        }
        ids.push(operation.id);
    }
    ids.reverse();
    let list = async |link, status| {
        let mut tx = world.db.read().await.unwrap();
        let window = Window { place: Place::Page(1), size: 10 };
        let filter = SmsFilter { link, status };
        let part = sms::list(&mut tx, world.org, &filter, &window).await.unwrap();
        assert_eq!(usize::try_from(part.total).unwrap(), part.rows.len());
        part.rows.into_iter().map(|sms| sms.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None).await, ids);
    assert_eq!(list(Some(one), None).await, ids[4..]);
    assert_eq!(list(None, Some(SmsStatus::Delivered)).await, [ids[1], ids[3], ids[5]]);
    assert_eq!(list(None, Some(SmsStatus::Queued)).await, [ids[0], ids[2], ids[4]]);
    assert_eq!(list(Some(two), Some(SmsStatus::Delivered)).await, [ids[1], ids[3]]);
    let mut tx = world.db.read().await.unwrap();
    let (mut walked, mut place) = (Vec::new(), Place::Page(1));
    loop {
        let window = Window { place, size: 2 };
        let part = sms::list(&mut tx, world.org, &SmsFilter::default(), &window).await.unwrap();
        walked.extend(part.rows.iter().map(|sms| sms.id));
        match part.next {
            Some(next) => place = Place::After(next),
            None => break,
        }
    }
    assert_eq!(walked, ids);
    let of_two = SmsFilter { link: Some(two), status: None };
    for (number, id) in (1..).zip(&ids[..4]) {
        let window = Window { place: Place::Page(number), size: 1 };
        let part = sms::list(&mut tx, world.org, &of_two, &window).await.unwrap();
        assert_eq!(part.rows.iter().map(|sms| sms.id).collect::<Vec<_>>(), [*id]);
    }
}

pub async fn an_audit_tells_a_message_that_its_operation_does_not(world: World) {
    let (sent, _) = queued(&world, LinkId(id())).await;
    let accepted = report(SmsState::Accepted);
    world.sms_handed_over(world.org, sent.id, sent.epoch, accepted, None, at(3)).await.unwrap();
    let (failed, _) = queued(&world, LinkId(id())).await;
    // Closed without its refund, and its message with it: as a defect would.
    let broken =
        Planned { closed: vec![closing(&failed, OperationState::Refunded)], ..Planned::default() };
    world.written(vec![broken]).await;
    let found = bappy::store::audit::audit(&world.db, Some(world.org)).await.unwrap();
    let rules: BTreeSet<_> =
        found.violations.iter().map(|violation| (violation.rule, violation.subject)).collect();
    assert!(rules.contains(&("sms", failed.id.0)), "{found:#?}");
    assert!(!rules.iter().any(|(_, subject)| *subject == sent.id.0), "{found:#?}");
}

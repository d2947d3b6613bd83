//! What the metrics show of the database: everything that is open, and nothing else.

use crate::world::{World, at, closing, debiting, id, money, refund, sim};
use bappy::store::open_work::{OpenOperations, OpenWork, open_work};
use bappy_actors::model::{
    Cleanup, LinkId, Operation, OperationKind, OperationState, Request, Timestamp,
};
use bappy_actors::ports::{Closing, LinkChange, SmsReport, SmsState, Store};
use std::time::Duration;

const HORIZON: Duration = Duration::from_mins(10);

async fn seen(world: &World, due: Timestamp) -> OpenWork {
    let mut tx = world.db.read().await.unwrap();
    open_work(&mut tx, due, HORIZON).await.unwrap()
}

/// A debited operation of a kind, recorded at a second of the tests' time.
async fn opened(world: &World, kind: OperationKind, second: i64) -> Operation {
    world.has(money(5)).await;
    let mut operation = Operation {
        created_at: at(second),
        horizon_at: at(second + 600),
        ..world.operation(kind, LinkId(id()))
    };
    if kind == OperationKind::SendSms {
        operation.request = Request::SendSms { endpoint_id: "ep-1".into(), attempted_at: None };
    }
    world.written(vec![debiting(operation.clone())]).await;
    operation
}

pub async fn what_is_open_is_counted_and_what_is_over_is_not(world: World) {
    let nothing = OpenWork { sponsors: vec!["alpha".into()], ..OpenWork::default() };
    assert_eq!(seen(&world, at(0)).await, nothing);

    // Settled: over.
    world.settled_link("89010").await;
    world.add_sims(vec![sim("89011")], at(0)).await.unwrap();
    assert_eq!(seen(&world, at(9_999)).await, nothing);

    let oldest = opened(&world, OperationKind::Topup, 10).await;
    opened(&world, OperationKind::Topup, 30).await;
    opened(&world, OperationKind::CreateLink, 20).await;
    let refunded = opened(&world, OperationKind::Topup, 5).await;
    let (debit, _) = world.debit_of(world.org, refunded.id).await.unwrap().unwrap();
    let mut watched = refund(&refunded, debit);
    watched.closed[0].cleanup = Cleanup::Watching;
    watched.closed[0].lease_until = Some(at(40));
    world.written(vec![watched]).await;

    let mut work = seen(&world, at(620)).await;
    work.operations.sort_by_key(|open| (!open.pending, open.oldest));
    let open = |kind, pending, count, overdue, oldest: i64| {
        let oldest = at(oldest);
        OpenOperations { kind, pending, count, overdue, oldest }
    };
    let operations = vec![
        open(OperationKind::Topup, true, 2, 1, 10),
        open(OperationKind::CreateLink, true, 1, 0, 20),
        open(OperationKind::Topup, false, 1, 1, 5),
    ];
    assert_eq!(work, OpenWork { operations, ..nothing.clone() });

    // A change of status that ended well, and is looked at once more: over as well.
    let changed = Operation {
        amount: money(0),
        plan_id: None,
        activation_id: None,
        ..world.operation(OperationKind::UpdateLink, LinkId(id()))
    };
    world.open_operation(changed.clone(), at(22)).await.unwrap();
    let ended =
        Closing { lease_until: Some(at(700)), ..closing(&changed, OperationState::Succeeded) };
    let (link, change) = (changed.link_id, LinkChange::None);
    assert!(world.close_operation(world.org, link, ended, change, at(30)).await.unwrap());
    let looked_at = seen(&world, at(9_999)).await;
    assert!(looked_at.operations.iter().all(|open| open.kind != OperationKind::UpdateLink));

    // Left to a person: no longer due, and counted as that.
    let (org, id) = (world.org, oldest.id);
    world.reschedule(org, id, oldest.epoch, Cleanup::Manual, None).await.unwrap();
    let work = seen(&world, at(620)).await;
    assert_eq!(work.manual, 1);
    assert_eq!(work.operations.iter().map(|open| open.count).sum::<i64>(), 3);
}

pub async fn what_was_refunded_late_is_watched_for_a_horizon_more(world: World) {
    world.has(money(5)).await;
    let late =
        Operation { horizon_at: at(1), ..world.operation(OperationKind::Topup, LinkId(id())) };
    world.written(vec![debiting(late.clone())]).await;
    let overdue = |work: &OpenWork| work.operations.iter().map(|open| open.overdue).sum::<i64>();
    assert_eq!(overdue(&seen(&world, at(100)).await), 1, "it is pending");
    let (debit, _) = world.debit_of(world.org, late.id).await.unwrap().unwrap();
    let mut watched = refund(&late, debit);
    watched.closed[0].cleanup = Cleanup::Watching;
    watched.closed[0].lease_until = Some(at(40));
    world.written(vec![watched]).await;
    assert_eq!(overdue(&seen(&world, at(601)).await), 0, "it was refunded at the second 2");
    assert_eq!(overdue(&seen(&world, at(603)).await), 1);
}

pub async fn messages_are_counted_until_they_are_handed_over_and_then_until_they_arrive(
    world: World,
) {
    for second in [7, 3, 9] {
        opened(&world, OperationKind::SendSms, second).await;
    }
    let sms = opened(&world, OperationKind::SendSms, 1).await;
    let work = seen(&world, at(0)).await;
    assert_eq!((work.sms_queued, work.sms_under_way), ((4, Some(at(1))), 0));
    assert_eq!(work.operations, [], "they are nobody's but the sender's");

    let report = SmsReport { sms_id: "M1".into(), state: SmsState::Accepted };
    let handed_over =
        world.sms_handed_over(world.org, sms.id, sms.epoch, report, Some(at(20)), at(10));
    assert!(handed_over.await.unwrap());
    let work = seen(&world, at(0)).await;
    assert_eq!((work.sms_queued, work.sms_under_way), ((3, Some(at(3))), 1));

    let refused = opened(&world, OperationKind::SendSms, 2).await;
    let (debit, _) = world.debit_of(world.org, refused.id).await.unwrap().unwrap();
    world.written(vec![refund(&refused, debit)]).await;
    assert_eq!(seen(&world, at(0)).await.sms_queued, (3, Some(at(3))));
}

//! What must be so after a crash, whatever it met.

use super::ground::{Ground, this_month};
use super::kind::{KEY, Kind};
use crate::agreement::{self, Operation};
use crate::load::Told;
use crate::world::World;
use crate::{changes, sms};
use bappy::store::audit::{Audit, audit};
use bappy_actors::model::Money;
use uuid::Uuid;

/// What a Link's fee is.
const FEE: &str = "0.50";

/// The audit, clean at any moment.
pub async fn audited(world: &World) -> Audit {
    let found = audit(&world.parts.database, None).await.unwrap();
    assert!(found.is_clean(), "{found:#?}");
    found
}

/// How many messages are queued or under way.
pub async fn messages_under_way(world: &World) -> i64 {
    sms::rows_with(world, "queued").await + sms::rows_with(world, "sent").await
}

/// Whether the monthly job is done with the organization.
pub async fn fees_are_run(world: &World) -> bool {
    let mut tx = world.parts.database.read().await.unwrap();
    one!(tx, (i64,), "SELECT COUNT(*) FROM fee_runs WHERE org_id = $1", world.org.0).unwrap().0 > 0
}

/// What an answer says is so when it is read.
pub async fn holds_at_once(world: &World, kind: Kind, told: &Told) {
    let Some(id) = &told.operation else { return };
    let id: Uuid = id.parse().unwrap();
    let operations = agreement::operations(world).await;
    let operation = operations.into_iter().find(|operation| operation.id == id).unwrap();
    if kind == Kind::SendSms {
        assert!(told.is_success(), "{told:?}: {operation:?}");
    } else if told.is_success() {
        assert_eq!(operation.state, "succeeded", "{told:?}: {operation:?}");
    } else if kind.is_charged() {
        assert_eq!(operation.state, "refunded", "{told:?}: {operation:?}");
    }
}

/// What is so when nothing goes on any more.
pub async fn in_the_end(world: &World, kind: Kind, told: &[&Told], before: Money) {
    audited(world).await;
    changes::agree(world).await;
    let agreed = sms::agree(world).await;
    // The last word on the one key.
    let mut last = (*told.last().unwrap()).clone();
    if kind == Kind::ReactivateOwing && last.is_success() {
        last.charged = FEE.parse().unwrap();
    }
    if kind == Kind::SendSms {
        let balance = world.balance().await;
        assert_eq!(before.checked_sub(balance), Some(agreed.charged));
    } else {
        let last = if kind.is_charged() { vec![last] } else { Vec::new() };
        agreement::settled(world, &last, before).await;
    }
}

/// The same call under the same key, once the first is done with.
pub async fn second_use(world: &World, kind: Kind, first: &Told, second: &Told) {
    let operations = agreement::operations(world).await;
    let of_key: Vec<&Operation> =
        operations.iter().filter(|o| o.idempotency_key.as_deref() == Some(KEY)).collect();
    let succeeded = of_key.iter().filter(|o| o.state == "succeeded").count();
    assert!(succeeded <= 1, "a key had two successes: {of_key:?}");
    let stands = |told: &Told| {
        let id = told.operation.as_deref();
        // A message may fail behind its answer.
        let end = |o: &Operation| {
            o.state == "succeeded" || (kind == Kind::SendSms && o.state == "refunded")
        };
        of_key.iter().any(|o| Some(&*o.id.to_string()) == id && end(o))
    };
    if first.is_success() && (kind != Kind::SendSms || second.operation == first.operation) {
        assert!(second.replayed, "{first:?}, then {second:?}");
        assert_eq!(second.body["data"], first.body["data"]);
        assert_eq!(second.operation, first.operation);
    } else if second.is_success() {
        // A new attempt, or the first one's success, of which its client never heard.
        assert!(stands(second), "{second:?}: {of_key:?}");
    } else {
        let is_in_the_way = second.code == "INVALID_STATE"
            && match kind {
                // Part of what is asked for was done by the first attempt.
                Kind::RemovePlans => true,
                // A death in the middle of this one: its card is not free as long as it may land.
                Kind::CreatePhysical => second.cut > 0,
                _ => false,
            };
        assert!(is_in_the_way, "{first:?}, then {second:?}: {of_key:?}");
    }
}

/// One Link has paid, one is suspended because its fee is due, one owes nothing.
pub async fn fees(world: &World, ground: &Ground) {
    audited(world).await;
    changes::agree(world).await;
    let found = {
        let (mut tx, month) = (world.parts.database.read().await.unwrap(), this_month());
        let sql = "SELECT l.id, l.status, f.state FROM links l
            LEFT JOIN link_fees f ON f.org_id = l.org_id AND f.link_id = l.id AND f.month = $2
            WHERE l.org_id = $1 ORDER BY l.id";
        all!(tx, (Uuid, String, Option<String>), sql, world.org.0, month.to_string()).unwrap()
    };
    let found: Vec<_> =
        found.iter().map(|(id, status, fee)| (id.to_string(), &**status, fee.as_deref())).collect();
    let expected = [
        (ground.active.clone(), "active", Some("charged")),
        (ground.owing.clone(), "suspended", Some("due")),
        (ground.suspended.clone(), "suspended", Some("waived")),
    ];
    assert_eq!(found, expected);
    assert_eq!(world.balance().await, Money::ZERO);
}

//! Whether everybody agrees on what happened: the audit, the database, the operator's journal and
//! endpoints, and the answers that the clients had.

use crate::load::Told;
use crate::world::{HORIZON, World};
use bappy::store::Time;
use bappy::store::audit::audit;
use bappy_actors::model::{Money, Timestamp};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The promise: whatever crashed, every operation is final by its horizon and this. A kill in the
/// middle of a look leaves a lease of 10 s: where kills follow each other faster than that, the
/// time begins anew with the last.
const FINAL_AFTER_HORIZON: TimeDelta = TimeDelta::seconds(15);

/// An operation as the database has it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Operation {
    pub id: Uuid,
    pub group_id: Uuid,
    pub state: String,
    pub amount: i64,
    pub failure: Option<String>,
    pub cleanup: String,
    pub idempotency_key: Option<String>,
    pub epoch: i64,
    pub horizon_at: Time,
    pub settled_at: Option<Time>,
    /// The plan that it has made and that is in force.
    pub instance_id: Option<String>,
}

/// What is left when everything has ended.
pub struct Settled {
    pub operations: Vec<Operation>,
    pub journal: Vec<Value>,
    /// How long the last took after the load.
    pub after: Duration,
    pub balance: Money,
}

/// Waits until nothing is pending and nothing is watched, then holds all accounts against each
/// other. `before`: what was in the wallet before the clients began.
pub async fn settled(world: &World, told: &[Told], before: Money) -> Settled {
    let mut after = drained(world).await;
    let mut all = operations(world).await;
    // An instance that stood still may record one more when it goes on: a Link's suspension.
    while all.iter().any(|operation| operation.settled_at.is_none()) {
        after += drained(world).await;
        all = operations(world).await;
    }
    let operations = all;
    let found = audit(&world.parts.database, None).await.unwrap();
    assert!(found.is_clean(), "{found:#?}");
    world.faults(json!({})).await;
    let journal = world.journal().await;
    let standing = standing(world, &journal).await;
    final_in_time(&operations, world.last_start());
    operator_agrees(&operations, &journal, &standing);
    let balance = world.balance().await;
    clients_agree(told, &operations, before, balance);
    Settled { operations, journal, after, balance }
}

/// Waits until nothing is pending and nothing is watched; says how long that took.
pub async fn drained(world: &World) -> Duration {
    let started = Instant::now();
    // A read-back that fails three times waits half a minute for the next.
    let patience = HORIZON * 4 + Duration::from_mins(2);
    loop {
        let found = audit(&world.parts.database, None).await.unwrap();
        assert!(found.is_clean(), "while it runs: {found:#?}");
        if found.in_flight == 0 && found.watched == 0 {
            return started.elapsed();
        }
        assert!(started.elapsed() < patience, "it does not end: {found:?}\n{}", world.warnings());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub async fn operations(world: &World) -> Vec<Operation> {
    let mut tx = world.parts.database.read().await.unwrap();
    let sql = "SELECT o.id, o.group_id, o.state, o.amount, o.failure, o.cleanup,
            o.idempotency_key, o.epoch, o.horizon_at, o.settled_at, a.instance_id
        FROM operations o LEFT JOIN activations a ON a.org_id = o.org_id AND a.operation_id = o.id
            AND a.status <> 'cancelled'
        WHERE o.org_id = $1 ORDER BY o.id";
    all!(tx, Operation, sql, world.org.0).unwrap()
}

/// The plan instances that stand at the operator, by reference: neither removed nor expired, on
/// endpoints that are not terminated.
async fn standing(world: &World, journal: &[Value]) -> HashMap<String, Vec<String>> {
    let session = world.operator_session().await;
    let endpoints: BTreeSet<_> =
        journal.iter().map(|entry| entry["endpoint_id"].as_str().unwrap()).collect();
    let mut standing: HashMap<String, Vec<String>> = HashMap::new();
    for id in endpoints {
        let endpoint = world.endpoint(&session, id).await;
        if endpoint["status"] == "terminated" {
            continue;
        }
        for plan in endpoint["plans"].as_array().unwrap_or_else(|| panic!("{endpoint}")) {
            if matches!(plan["state"].as_str(), Some("active" | "depleted")) {
                let reference = plan["reference"].as_str().unwrap_or_default().to_owned();
                let instance = plan["instance_id"].as_str().unwrap().to_owned();
                standing.entry(reference).or_default().push(instance);
            }
        }
    }
    standing
}

fn final_in_time(operations: &[Operation], last_start: Timestamp) {
    for operation in operations {
        let settled = operation.settled_at.map(Timestamp::from).unwrap();
        let begin = Timestamp::from(operation.horizon_at).max(last_start);
        let promised = begin + FINAL_AFTER_HORIZON;
        assert!(settled <= promised, "final only at {settled}, not {promised}: {operation:?}");
    }
}

/// One to one: what succeeded has its one effect, what was refunded has none that stands, and
/// nothing is there that the database does not know.
fn operator_agrees(
    operations: &[Operation],
    journal: &[Value],
    standing: &HashMap<String, Vec<String>>,
) {
    let mut effects: HashMap<&str, usize> = HashMap::new();
    for entry in journal {
        if matches!(entry["operation"].as_str(), Some("create_endpoint" | "add_plan")) {
            *effects.entry(entry["reference"].as_str().unwrap()).or_default() += 1;
        }
    }
    let known: BTreeSet<String> = operations.iter().map(|o| o.id.to_string()).collect();
    let unknown: Vec<_> = effects.keys().filter(|&&id| !known.contains(id)).collect();
    assert!(unknown.is_empty(), "the database does not know {unknown:?}");
    for operation in operations {
        let id = operation.id.to_string();
        let made = effects.get(&*id).copied().unwrap_or(0);
        assert!(made <= 1, "the operator did it {made} times: {operation:?}");
        let stands = standing.get(&id).map_or(&[][..], Vec::as_slice);
        match &*operation.state {
            "succeeded" => {
                assert_eq!(stands, operation.instance_id.as_slice(), "{operation:?}");
            }
            "refunded" => {
                let done = || journal.iter().filter(|e| e["reference"] == *id).collect::<Vec<_>>();
                assert!(stands.is_empty(), "{:?} stands: {operation:?}", done());
            }
            "rejected" if operation.amount == 0 => assert_eq!(made, 0, "{operation:?}"),
            state => panic!("{state} is no end: {operation:?}"),
        }
    }
}

/// What clients were told is what was charged: a success once, an error nothing. Who did not wait for
/// the answer to an earlier request of the call may be charged for that one after the error that freed
/// their key, once.
fn clients_agree(told: &[Told], operations: &[Operation], before: Money, after: Money) {
    let mut charged_by_key: BTreeMap<&str, Vec<(Uuid, i64)>> = BTreeMap::new();
    let mut group_amounts: HashMap<Uuid, i64> = HashMap::new();
    for operation in operations.iter().filter(|o| o.state == "succeeded") {
        *group_amounts.entry(operation.group_id).or_default() += operation.amount;
    }
    for operation in operations.iter().filter(|o| o.state == "succeeded") {
        if let Some(key) = &operation.idempotency_key {
            let charge = (operation.id, group_amounts[&operation.group_id]);
            charged_by_key.entry(key).or_default().push(charge);
        }
    }
    let mut late = Vec::new();
    for told in told {
        let charges = charged_by_key.get(&*told.key).map_or(&[][..], Vec::as_slice);
        if told.is_success() {
            let [(id, amount)] = charges else { panic!("{charges:?} behind {told:?}") };
            assert_eq!(told.operation.as_deref(), Some(&*id.to_string()), "{told:?}");
            assert_eq!(told.charged, Money::from_micros(*amount), "{told:?}");
        } else {
            let charged_max = usize::from(told.abandoned);
            assert!(charges.len() <= charged_max, "{charges:?} behind {told:?}");
            late.extend(charges.iter().map(|(_, amount)| Money::from_micros(*amount)));
        }
    }
    let paid = told.iter().map(|told| told.charged).chain(late);
    let paid = Money::checked_sum(paid).unwrap();
    assert_eq!(before.checked_sub(after), Some(paid), "the wallet and the receipts disagree");
}

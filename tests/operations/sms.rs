//! SMS, killed in the middle of the queue, with an operator that loses answers, fails and hangs:
//! each message is sent once or given back once, and the operator has exactly those that were sent.

use crate::load::{Call, Client, Load, Wish, links};
use crate::lossy::lossy;
use crate::world::World;
use crate::{agreement, sizes};
use bappy::store::audit::audit;
use bappy_actors::model::Money;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// In each text, and in no log.
const SECRET: &str = "geheimnis";

/// A message with its operation, as the database has them.
#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: Uuid,
    status: String,
    state: String,
    failure: Option<String>,
    amount: i64,
}

pub async fn each_message_is_sent_once_or_given_back_once(world: World) {
    let started = Instant::now();
    let mut service = world.serve("serve").await;
    let links = links(&world, service.at, 4).await;
    let count = sizes::sms();
    world.pay_in("100".parse().unwrap()).await;
    let before = world.balance().await;
    world.faults(lossy()).await;
    let call = |n: usize| Call {
        key: format!("sms-{n}"),
        wish: Wish::Sms(links[n % links.len()].clone(), format!("{SECRET} {n}")),
    };
    let load = Load::new(&world, vec![service.at], Client::Patient, sizes::in_flight());
    let killed = async {
        // Half of them queued, and then half of them handed over.
        load.reaches(count / 2).await;
        service.kill9();
        service.start(&world.client).await;
        while handed_over(&world).await.len() < count / 2 && open(&world).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        service.kill9();
        service.start(&world.client).await;
    };
    let (told, ()) = tokio::join!(load.run((0..count).map(call).collect()), killed);
    let queued = started.elapsed();
    let settled = agreement::drained(&world).await;

    let told_of: BTreeSet<_> = told
        .iter()
        .map(|told| {
            assert_eq!((told.status, &*told.code), (202, "OK"), "{told:?}");
            told.body["data"]["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(told_of.len(), count, "each key has a message of its own");
    let Agreed { known, ends, charged } = agree(&world).await;
    // A key whose first attempt was given back before its client came back stands for another.
    assert!(told_of.is_subset(&known), "told of what is not there");
    let after = world.balance().await;
    assert_eq!(before.checked_sub(after), Some(charged));
    assert!(audit(&world.parts.database, None).await.unwrap().is_clean());
    let logs = world.logs();
    assert!(!logs.contains(SECRET), "a log shows a message");
    let unsure = logs.lines().filter(|l| l.contains("the outcome of an SMS is unknown")).count();
    println!(
        "sms: {count} messages, {} rows {ends:?}; unknown outcomes {unsure}; \
         connections cut {}; queued in {queued:.1?}, settled {settled:.1?} after; \
         audit clean; wall time {:.1?}",
        known.len(),
        told.iter().map(|told| told.cut).sum::<usize>(),
        started.elapsed()
    );

    // What was handed over is delivered in the end.
    world.faults(json!({})).await;
    let waiting = Instant::now();
    while rows_with(&world, "sent").await > 0 {
        assert!(waiting.elapsed() < Duration::from_mins(3), "not all are delivered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("sms: all delivered {:.1?} after", waiting.elapsed());
}

/// What became of all messages.
pub struct Agreed {
    /// Their ids.
    pub known: BTreeSet<String>,
    /// How many ended how.
    pub ends: BTreeMap<String, usize>,
    /// What those that were sent cost.
    pub charged: Money,
}

/// Each message is with the operator once, or its money is back; and the operator has no other.
/// None is queued any more.
pub async fn agree(world: &World) -> Agreed {
    let rows = rows(world).await;
    let known: BTreeSet<_> = rows.iter().map(|row| row.id.to_string()).collect();
    let sent = handed_over(world).await;
    let unknown: Vec<_> = sent.keys().filter(|&id| !known.contains(id)).collect();
    assert!(unknown.is_empty(), "the database does not know {unknown:?}");
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let mut charged = 0;
    for row in &rows {
        let times = sent.get(&row.id.to_string()).copied().unwrap_or(0);
        match &*row.state {
            "succeeded" => {
                assert_eq!(times, 1, "{row:?}");
                assert!(matches!(&*row.status, "sent" | "delivered"), "{row:?}");
                charged += row.amount;
            }
            "refunded" => assert_eq!((times, &*row.status), (0, "failed"), "{row:?}"),
            state => panic!("{state} is no end: {row:?}"),
        }
        let failure = row.failure.as_deref().unwrap_or("-");
        *ends.entry(format!("{}/{}/{failure}", row.state, row.status)).or_default() += 1;
    }
    Agreed { known, ends, charged: Money::from_micros(charged) }
}

/// What the operator has taken, by reference, and how often.
async fn handed_over(world: &World) -> HashMap<String, usize> {
    let mut sent = HashMap::new();
    for entry in world.journal().await {
        if entry["operation"] == "send_sms" {
            *sent.entry(entry["reference"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    sent
}

async fn rows(world: &World) -> Vec<Row> {
    let mut tx = world.parts.database.read().await.unwrap();
    let sql = "SELECT s.id, s.status, o.state, o.failure, o.amount
        FROM sms s JOIN operations o ON o.org_id = s.org_id AND o.id = s.id
        WHERE s.org_id = $1 ORDER BY s.id";
    all!(tx, Row, sql, world.org.0).unwrap()
}

pub async fn rows_with(world: &World, status: &'static str) -> i64 {
    let mut tx = world.parts.database.read().await.unwrap();
    let sql = "SELECT COUNT(*) FROM sms WHERE org_id = $1 AND status = $2";
    one!(tx, (i64,), sql, world.org.0, status).unwrap().0
}

/// Whether anything is left to be handed over.
async fn open(world: &World) -> bool {
    rows_with(world, "queued").await > 0
}

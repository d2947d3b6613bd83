//! What is not charged: statuses and removals, in doubt at the operator, interrupted by kills.

use crate::agreement;
use crate::load::{Call, Client, Load, Told, Wish, links};
use crate::lossy::lossy;
use crate::world::World;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

const LINKS: usize = 12;
/// Plans that each Link gets beside its first, all to be taken off again.
const PLANS: usize = 3;
const ENDS_MAX: Duration = Duration::from_mins(1);

pub async fn statuses_and_removals_agree_with_the_operator_after_kills(world: World) {
    let mut service = world.serve("serve").await;
    let links = links(&world, service.at, LINKS).await;
    world.pay_in(world.times(LINKS * PLANS)).await;
    let topups = links.iter().enumerate().map(|(n, link)| {
        let wish = Wish::Topup(link.clone(), PLANS);
        Call { key: format!("topup-{n}"), wish }
    });
    let load = Load::new(&world, vec![service.at], Client::Trusting, LINKS);
    let topped_up = load.run(topups.collect()).await;
    assert!(topped_up.iter().all(Told::is_success), "{topped_up:?}");
    let before = world.balance().await;
    world.faults(lossy()).await;
    let mut calls = Vec::new();
    for (n, (link, told)) in links.iter().zip(&topped_up).enumerate() {
        let added = told.body["data"]["added"].as_array().unwrap();
        let remove = |a: &Value| Wish::Remove(link.clone(), a["id"].as_str().unwrap().to_owned());
        let mut wishes: Vec<_> = added.iter().map(remove).collect();
        // Every third Link ends suspended, the others get further.
        wishes.push(Wish::Status(link.clone(), "suspended"));
        if n % 3 > 0 {
            wishes.push(Wish::Status(link.clone(), "active"));
        }
        let call = |(k, wish)| Call { key: format!("change-{n}-{k}"), wish };
        calls.push(wishes.into_iter().enumerate().map(call).collect::<Vec<_>>());
    }
    let load = Load::new(&world, vec![service.at], Client::Patient, LINKS);
    let total: usize = calls.iter().map(Vec::len).sum();
    let killed = async {
        for nth in 1..=2 {
            load.reaches(total * nth / 4).await;
            service.kill9();
            service.start(&world.client).await;
        }
    };
    let (told, ()) = tokio::join!(load.run_in_turns(calls), killed);
    let strange = told.iter().find(|told| {
        let known = ["OK", "PROVIDER_ERROR", "PROVIDER_UNAVAILABLE", "INVALID_STATE"];
        !known.contains(&&*told.code) && told.code != "INVALID_STATUS_CHANGE"
    });
    assert!(strange.is_none(), "{strange:?}");
    let done = told.iter().filter(|told| told.is_success()).count();
    assert!(done > total / 2, "{told:?}");
    agreement::drained(&world).await;
    assert_eq!(world.balance().await, before, "a change that charges nothing was charged");
    world.faults(json!({})).await;
    agree(&world).await;
}

pub async fn a_change_left_in_doubt_by_a_crash_is_not_given_up_for_a_throttle(world: World) {
    let mut service = world.serve("serve").await;
    let link = links(&world, service.at, 1).await.remove(0);
    // The operator suspends it and never says so; then the service dies.
    world.faults(json!({ "hang_rate": 1.0, "only": ["set_status"] })).await;
    let load = Load::new(&world, vec![service.at], Client::Patient, 1);
    let call = Call { key: "suspend".to_owned(), wish: Wish::Status(link, "suspended") };
    let crashed = async {
        world.until_the_operator_did("set_status").await;
        service.kill9();
        let throttled = json!({ "rate_limit_per_second": 0.001, "only": ["set_status"] });
        world.faults(throttled).await;
        // The first call is still let through: let it be this one.
        world.ask_for_a_status_of_nothing().await;
        service.start(&world.client).await;
        until_taken_over_twice(&world).await;
        world.faults(json!({})).await;
    };
    let (told, ()) = tokio::join!(load.run(vec![call]), crashed);
    agreement::drained(&world).await;
    agree(&world).await;
    assert!(told[0].is_success(), "{told:?}");
    let mut tx = world.parts.database.read().await.unwrap();
    let sql = "SELECT state FROM operations WHERE org_id = $1 AND kind = 'update_link'";
    let states = all!(tx, (String,), sql, world.org.0).unwrap();
    assert_eq!(states, [("succeeded".to_owned(),)]);
}

/// Returns when what is pending was taken over a second time, or nothing is pending any more.
async fn until_taken_over_twice(world: &World) {
    let started = Instant::now();
    loop {
        let mut tx = world.parts.database.read().await.unwrap();
        let sql = "SELECT attempts FROM operations WHERE org_id = $1 AND state = 'pending'";
        let pending = all!(tx, (i32,), sql, world.org.0).unwrap();
        if pending.iter().all(|(attempts,)| *attempts >= 2) {
            return;
        }
        assert!(started.elapsed() < ENDS_MAX, "{pending:?}\n{}", world.warnings());
        drop(tx);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every Link has the status that its endpoint has, and in force is what stands there.
pub async fn agree(world: &World) {
    let rows = {
        let mut tx = world.parts.database.read().await.unwrap();
        let sql = "SELECT id, endpoint_id, status FROM links WHERE org_id = $1";
        all!(tx, (Uuid, String, String), sql, world.org.0).unwrap()
    };
    let session = world.operator_session().await;
    for (link, endpoint, status) in rows {
        let endpoint = world.endpoint(&session, &endpoint).await;
        assert_eq!(endpoint["status"], *status, "{link}: {endpoint}");
        let in_force: Vec<(String, String)> = {
            let mut tx = world.parts.database.read().await.unwrap();
            let sql = "SELECT instance_id, status FROM activations
                WHERE org_id = $1 AND link_id = $2";
            all!(tx, (String, String), sql, world.org.0, link).unwrap()
        };
        for plan in endpoint["plans"].as_array().unwrap() {
            let id = plan["instance_id"].as_str().unwrap();
            let known = in_force.iter().find(|(instance, _)| instance == id);
            let is_gone = plan["state"] == "removed";
            // What was given back and undone we never had.
            let status = known.map_or("cancelled", |(_, status)| &**status);
            assert_eq!(
                is_gone,
                status == "cancelled",
                "{link} has it {status}: {plan}, of {:#?}\n{}",
                agreement::operations(world).await,
                world.logs()
            );
        }
    }
}

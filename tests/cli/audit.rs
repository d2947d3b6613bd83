//! Invariant I.

use crate::world::{Ran, World};
use bappy::store::organizations;
use bappy_actors::model::{Answer, Currency, LinkId, OperationId, OrgId, PlanId};
use bappy_actors::operation::{AddPlans, Caller, CreateLink};
use serde_json::{Value, json};

const PLAN: &str = "meridian-global-1gb-15d";

/// What a violated audit printed.
fn violated(ran: &Ran) -> Value {
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("bappy: the audit found"), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["clean"], false);
    report
}

fn rules(report: &Value) -> Vec<&str> {
    report["violations"].as_array().unwrap().iter().map(|v| v["rule"].as_str().unwrap()).collect()
}

pub async fn credits_are_clean_and_a_tampered_balance_is_not(world: World) {
    world.org("acme", "USD");
    world.org("other", "USD");
    for amount in ["10", "2.5", "0.01"] {
        world.bappy(&["org", "credit", "acme", amount]).done();
    }
    let clean = world.bappy(&["audit", "--json"]).json();
    let expected = json!({"clean": true, "in_flight": 0, "watched": 0, "manual": 0,
        "violations": [], "operator": "checked"});
    assert_eq!(clean, expected);
    assert!(world.bappy(&["audit"]).done().starts_with("Clean: 0 violations"));
    world.tamper("UPDATE wallets SET balance = balance + 1 WHERE version = 3").await;
    let report = violated(&world.bappy(&["audit", "--json"]));
    assert_eq!(rules(&report), ["balance"]);
    assert_eq!(report["violations"][0]["organization"], "acme");
    world.bappy(&["audit", "--org", "other"]).done();
    let told = world.bappy(&["audit", "--org", "acme"]);
    assert_eq!(told.code, 1);
    assert!(
        told.out.starts_with("acme  balance  ") && told.out.contains("Not clean: 1 violation;")
    );
}

pub async fn without_an_operator_the_database_is_judged_alone(world: World) {
    let alone = world.bappy_with(&[], &["audit", "--json"]);
    assert!(alone.err.contains("not configured"), "{alone:?}");
    assert_eq!(alone.json()["operator"], "not configured");
    let away = [
        ("BAPPY_OPERATOR__URL", "http://127.0.0.1:9"),
        ("BAPPY_OPERATOR__USERNAME", "u"),
        ("BAPPY_OPERATOR__PASSWORD", "p"),
    ];
    let away = world.bappy_with(&away, &["audit", "--json"]);
    assert!(away.err.contains("cannot be reached"), "{away:?}");
    assert_eq!(away.json()["operator"], "not reachable");
}

/// An organization with a Link, one that was refunded, and a top-up.
pub struct Sold {
    pub org: OrgId,
    pub refunded: OperationId,
    pub endpoint_id: String,
    link_operation: OperationId,
}

impl Sold {
    pub async fn new(world: &World) -> Self {
        world.org("acme", "USD");
        world.bappy(&["plan", "sync"]).done();
        world.bappy(&["plan", "enable", "--org", "acme", PLAN]).done();
        world.bappy(&["org", "credit", "acme", "100"]).done();
        let plans = world.bappy(&["plan", "list", "--org", "acme", "--json"]).json();
        let plan = PlanId(plans[0]["id"].as_str().unwrap().parse().unwrap());
        let running = world.serve().await;
        let db = world.database().await;
        let org = organizations::by_slug(&mut db.read().await.unwrap(), "acme").await;
        let org = org.unwrap().unwrap().id;
        let usd: Currency = "USD".parse().unwrap();
        let caller = || Caller { org, currency: usd, key: None };
        let operations = &running.core().operations;
        let create = || CreateLink { plan, name: None, iccid: None };
        let made = operations.create_link(caller(), create()).await;
        let Ok(Answer::LinkCreated { snapshot, .. }) = made.result else { panic!("{made:?}") };
        let link: LinkId = snapshot.link.id;
        let added =
            operations.add_plans(caller(), AddPlans { link, plans: vec![plan, plan] }).await;
        assert!(added.result.is_ok(), "{added:?}");
        control(world, "PUT", "faults", &json!({"error_rate": 1, "only": ["create_endpoint"]}))
            .await;
        let refunded = operations.create_link(caller(), create()).await;
        assert!(refunded.result.is_err(), "{refunded:?}");
        control(world, "PUT", "faults", &json!({})).await;
        running.stop().await;
        db.close().await;
        Self {
            org,
            refunded: refunded.operation_id.unwrap(),
            endpoint_id: snapshot.link.endpoint_id,
            link_operation: made.operation_id.unwrap(),
        }
    }
}

/// A call to the sandbox operator, past the service.
async fn control(world: &World, method: &str, control: &str, body: &Value) {
    let path = format!("/_control/{control}");
    operator(world, method, &path, body).await;
}

pub async fn operator(world: &World, method: &str, path: &str, body: &Value) -> Value {
    let client = reqwest::Client::builder().build().unwrap();
    let base = format!("http://{}", world.operator.addr());
    let login = json!({"username": "u", "password": "p"});
    let login: Value = client
        .post(format!("{base}/api/login"))
        .json(&login)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let answer = client
        .request(method.parse().unwrap(), format!("{base}{path}"))
        .bearer_auth(login["access_token"].as_str().unwrap())
        .json(body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{path}: {answer:?}");
    answer.json().await.unwrap_or_default()
}

pub async fn what_stands_at_the_operator_is_compared(world: World) {
    let sold = Sold::new(&world).await;
    let audit = || world.bappy(&["audit", "--json"]);
    world.tamper("UPDATE operations SET cleanup = 'done' WHERE state = 'refunded'").await;
    let clean = audit().json();
    assert_eq!((&clean["operator"], &clean["violations"]), (&json!("checked"), &json!([])));

    // A plan under nobody's reference is not ours; under a reference of ours, it is one too many.
    let endpoint = format!("/api/endpoints/{}", sold.endpoint_id);
    let plans = format!("{endpoint}/plans");
    let add = |reference: String| json!({"plan_id": PLAN, "reference": reference});
    operator(&world, "POST", &plans, &add("somebody".into())).await;
    audit().done();
    let twice = operator(&world, "POST", &plans, &add(sold.link_operation.to_string())).await;
    let report = violated(&audit());
    assert_eq!(rules(&report), ["instance"]);
    assert!(report["violations"][0]["detail"].as_str().unwrap().contains("2 plans"));
    let twice = format!("{plans}/{}", twice["instance_id"].as_str().unwrap());
    operator(&world, "DELETE", &twice, &json!({})).await;
    audit().done();

    // What was refunded stands: unless it is still watched.
    let landed = operator(&world, "POST", &plans, &add(sold.refunded.to_string())).await;
    assert_eq!(rules(&violated(&audit())), ["refunded"]);
    world.tamper("UPDATE operations SET cleanup = 'watching' WHERE state = 'refunded'").await;
    audit().done();
    world.tamper("UPDATE operations SET cleanup = 'done' WHERE state = 'refunded'").await;
    let landed = format!("{plans}/{}", landed["instance_id"].as_str().unwrap());
    operator(&world, "DELETE", &landed, &json!({})).await;

    // A refunded Link that stands on its card after all.
    let db = world.database().await;
    let refunded =
        bappy::store::audit::refunded_links(&mut db.read().await.unwrap(), Some(sold.org), 10)
            .await
            .unwrap();
    db.close().await;
    let body = json!({"iccid": refunded[0].iccid, "plan_id": PLAN, "name": "n",
        "reference": sold.refunded.to_string()});
    let stands = operator(&world, "POST", "/api/endpoints", &body).await;
    assert_eq!(rules(&violated(&audit())), ["refunded"]);
    let stands = format!("/api/endpoints/{}", stands["endpoint_id"].as_str().unwrap());
    operator(&world, "PATCH", &stands, &json!({"status": "terminated"})).await;
    audit().done();

    // One of ours is gone; then the whole endpoint.
    let before = operator(&world, "GET", &endpoint, &json!({})).await;
    let first = format!("{plans}/{}", before["plans"][0]["instance_id"].as_str().unwrap());
    operator(&world, "DELETE", &first, &json!({})).await;
    assert_eq!(rules(&violated(&audit())), ["instance"]);
    operator(&world, "PATCH", &endpoint, &json!({"status": "terminated"})).await;
    assert_eq!(rules(&violated(&audit())), ["endpoint"]);
    world.tamper("UPDATE links SET status = 'inactive'").await;
    audit().done();
}

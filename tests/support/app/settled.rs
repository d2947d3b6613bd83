//! The books after a test: the database against itself, and the operator against the database.

use super::{TestApp, eventually};
use bappy::store::audit::{audit, links_in_force};
use bappy_actors::model::LinkStatus;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Ends the faults, waits until nothing is pending or watched, and compares.
pub async fn assert_settled(app: &TestApp) {
    app.operator.faults(serde_json::json!({})).await;
    eventually("nothing is pending or watched", async || {
        let found = audit(&app.database, None).await.unwrap();
        found.in_flight == 0 && found.watched == 0
    })
    .await;
    let found = audit(&app.database, None).await.unwrap();
    assert!(found.is_clean(), "{:#?}", found.violations);

    let journal = app.operator.journal(None).await;
    let mut operations = app.acme.walk("/operations", 100).await;
    operations.extend(app.globex.walk("/operations", 100).await);
    each_success_took_effect_once(&operations, &journal);
    let (paid, there) = (paid_for(app).await, standing(app, &journal).await);
    assert_eq!(paid, there, "paid for, and standing at the operator");
}

/// Of each charged operation that succeeded exactly one effect is in the journal.
fn each_success_took_effect_once(operations: &[Value], journal: &[Value]) {
    let mut effects: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in journal {
        if ["create_endpoint", "add_plan"].contains(&entry["operation"].as_str().unwrap()) {
            *effects.entry(entry["reference"].as_str().unwrap()).or_default() += 1;
        }
    }
    for operation in operations {
        let kind = operation["kind"].as_str().unwrap();
        if ["create_link", "topup"].contains(&kind) {
            let count = effects.remove(operation["id"].as_str().unwrap()).unwrap_or(0);
            match operation["state"].as_str().unwrap() {
                "succeeded" => assert_eq!(count, 1, "effects of {operation}"),
                "refunded" => assert!(count <= 1, "effects of {operation}"),
                _ => panic!("not settled: {operation}"),
            }
        }
    }
    assert!(effects.is_empty(), "effects without an operation: {effects:?}");
}

/// Operations whose activation stands in the database, with the operator's id of it.
async fn paid_for(app: &TestApp) -> BTreeSet<(String, String)> {
    let mut tx = app.database.read().await.unwrap();
    let links = links_in_force(&mut tx, None, None, 1_000).await.unwrap();
    let serving = links.into_iter().filter(|link| link.status != LinkStatus::Inactive);
    let activations = serving.flat_map(|link| link.activations);
    activations.map(|a| (a.operation_id.to_string(), a.instance_id)).collect()
}

/// References of the plans that stand at the operator, with their ids.
async fn standing(app: &TestApp, journal: &[Value]) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ids: BTreeSet<String> = journal.iter().map(|entry| text(&entry["endpoint_id"])).collect();
    let mut standing = BTreeSet::new();
    for id in ids {
        let endpoint = app.operator.endpoint_by_id(&id).await;
        if endpoint["status"] == "terminated" {
            continue;
        }
        for plan in endpoint["plans"].as_array().unwrap() {
            if plan["state"] != "removed" {
                standing.insert((text(&plan["reference"]), text(&plan["instance_id"])));
            }
        }
    }
    standing
}

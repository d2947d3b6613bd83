//! Usage and journal.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sim, path_of};

#[tokio::test]
async fn usage_is_what_was_set_spread_over_the_plans_oldest_first() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.add_plan(&endpoint, "op-2").await;
    let iccid = &endpoint["iccid"];
    sim.usage(&json!({"iccid": iccid, "used_mb": 1_250, "profile_state": "enabled"})).await;
    sim.add_plan(&endpoint, "op-3").await;
    let (_, endpoint) = sim.get(&path_of(&endpoint)).await;
    let shown: Vec<_> = endpoint["plans"].as_array().unwrap().iter().collect();
    let used: Vec<_> = shown.iter().map(|plan| plan["data_used_mb"].as_u64().unwrap()).collect();
    assert_eq!(used, [1_000, 250, 0]);
    let states: Vec<_> = shown.iter().map(|plan| plan["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["depleted", "active", "active"]);
    assert!(shown[1]["first_used_at"].is_string() && shown[2]["first_used_at"].is_null());
    let (_, card) = sim.get(&format!("/api/sims/{}", iccid.as_str().unwrap())).await;
    assert_eq!(card["profile_state"], "enabled");
}

#[tokio::test]
async fn a_card_in_use_uses_data_by_itself() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let path = path_of(&endpoint);
    assert!(sim.get(&path).await.1["plans"][0]["first_used_at"].is_null());
    sim.usage(&json!({"iccid": endpoint["iccid"], "profile_state": "installed"})).await;
    while sim.get(&path).await.1["plans"][0]["first_used_at"].is_null() {}
}

#[tokio::test]
async fn connectivity_follows_the_profile_unless_it_is_set() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let (iccid, path) = (&endpoint["iccid"], format!("{}/connectivity", path_of(&endpoint)));
    let nowhere = json!({"state": "offline", "network": null, "ip_address": null, "imei": null,
        "last_seen_at": null});
    assert_eq!(sim.get(&path).await, (StatusCode::OK, nowhere));

    sim.usage(&json!({"iccid": iccid, "profile_state": "enabled"})).await;
    let (_, online) = sim.get(&path).await;
    assert_eq!(online["state"], "online");
    assert!(online["network"]["mcc"].is_string() && online["imei"].is_string(), "{online}");

    sim.usage(&json!({"iccid": iccid, "connectivity": "attached"})).await;
    assert_eq!(sim.get(&path).await.1["state"], "attached");

    let network = json!({"name": "N", "country": "FR", "mcc": "208", "mnc": "01",
        "technology": "5G"});
    let set = json!({"state": "online", "network": network, "ip_address": null});
    sim.usage(&json!({"iccid": iccid, "connectivity": set})).await;
    let (_, shown) = sim.get(&path).await;
    assert_eq!((&shown["network"], &shown["ip_address"]), (&network, &Value::Null));
}

#[tokio::test]
async fn a_usage_control_that_does_not_fit_is_refused() {
    let sim = Sim::start().await;
    let iccid = sim.free_iccid().await;
    let cases = [
        (json!({"iccid": "123"}), 422, "iccid"),
        (json!({"iccid": iccid, "used_mb": -1}), 422, "used_mb"),
        (json!({"iccid": iccid, "profile_state": "lost"}), 422, "profile_state"),
        (json!({"iccid": iccid, "connectivity": {"state": "gone"}}), 422, "connectivity"),
        (json!({"iccid": iccid, "extra": 1}), 422, "extra"),
        (json!({"iccid": iccid, "used_mb": 1}), 404, "endpoint"),
        (json!({"iccid": "8900000000000000000"}), 404, "card"),
    ];
    for (body, status, word) in cases {
        let (answered, error) = sim.post("/_control/usage", &body).await;
        assert_eq!(answered.as_u16(), status, "{body}: {error}");
        assert!(error["message"].as_str().unwrap().contains(word), "{body}: {error}");
    }
}

#[tokio::test]
async fn the_journal_holds_every_mutation_in_order_and_by_reference() {
    let mut sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let path = path_of(&endpoint);
    let (_, added) = sim.add_plan(&endpoint, "op-2").await;
    let instance = added["instance_id"].as_str().unwrap();
    sim.delete(&format!("{path}/plans/{instance}")).await;
    let (_, sms) =
        sim.post(&format!("{path}/sms"), &json!({"text": "x", "reference": "op-3"})).await;
    sim.patch(&path, &json!({"status": "terminated"})).await;
    sim.add_plan(&endpoint, "op-4").await;

    let of_plan = sim.journal("op-2").await;
    let operations: Vec<_> = of_plan.iter().map(|entry| &entry["operation"]).collect();
    assert_eq!(operations, ["add_plan", "remove_plan"]);
    assert!(of_plan.iter().all(|entry| entry["instance_id"] == instance));
    assert!(of_plan.iter().all(|entry| entry["endpoint_id"] == endpoint["endpoint_id"]));
    assert_eq!(sim.journal("op-3").await[0]["sms_id"], sms["sms_id"]);
    assert!(sim.journal("op-4").await.is_empty(), "it was refused");

    sim.token.clear();
    let (_, all) = sim.get("/_control/journal").await;
    let all = all["items"].as_array().unwrap();
    let operations: Vec<_> = all.iter().map(|entry| entry["operation"].as_str().unwrap()).collect();
    assert_eq!(
        operations,
        ["create_endpoint", "add_plan", "remove_plan", "send_sms", "set_status"]
    );
    assert!(all.iter().all(|entry| entry["iccid"] == endpoint["iccid"]));
}

#[tokio::test]
async fn controls_need_no_token() {
    let mut sim = Sim::start().await;
    sim.token.clear();
    let put = sim.call(Method::PUT, "/_control/faults").json(&json!({})).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
}

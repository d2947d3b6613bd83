//! State that is kept in a file.

use std::{fs, io::Write};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Sim, path_of};

/// Everything that can be read of one operator with one endpoint and one message.
async fn shown(sim: &Sim, endpoint: &Value, sms_id: &str) -> Vec<Value> {
    let iccid = endpoint["iccid"].as_str().unwrap();
    let mut all = Vec::new();
    for path in [
        path_of(endpoint),
        format!("{}/connectivity", path_of(endpoint)),
        format!("/api/sims/{iccid}"),
        format!("/api/endpoints?iccid={iccid}"),
        format!("/api/sms/{sms_id}"),
        "/_control/journal".to_owned(),
    ] {
        let (status, body) = sim.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        all.push(body);
    }
    all
}

#[tokio::test]
async fn state_is_kept_over_restarts_and_tokens_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("operator.jsonl");
    let mut sim = Sim::with_state(Some(&file)).await;
    let endpoint = sim.endpoint("op-1").await;
    let (_, added) = sim.add_plan(&endpoint, "op-2").await;
    sim.add_plan(&endpoint, "op-3").await;
    let plan = format!("{}/plans/{}", path_of(&endpoint), added["instance_id"].as_str().unwrap());
    assert_eq!(sim.delete(&plan).await.0, StatusCode::NO_CONTENT);
    let sms = json!({"text": "x", "reference": "op-4"});
    let (_, sms) = sim.post(&format!("{}/sms", path_of(&endpoint)), &sms).await;
    let sms_id = sms["sms_id"].as_str().unwrap();
    while sim.get(&format!("/api/sms/{sms_id}")).await.1["state"] != "delivered" {}
    let gone = sim.endpoint("op-5").await;
    sim.patch(&path_of(&gone), &json!({"status": "terminated"})).await;
    for used_mb in [10, 1_300] {
        sim.usage(&json!({"iccid": endpoint["iccid"], "used_mb": used_mb,
            "profile_state": "enabled", "connectivity": {"state": "offline", "imei": "1"}}))
            .await;
    }
    sim.patch(&path_of(&endpoint), &json!({"status": "suspended"})).await;
    let before = shown(&sim, &endpoint, sms_id).await;
    assert_eq!(before[0]["plans"][2]["data_used_mb"], 300);

    // The second start reads what the first one compacted.
    for _ in 0..2 {
        let old_token = sim.token.clone();
        sim.running.stop().await;
        sim = Sim::with_state(Some(&file)).await;
        let new_token = std::mem::replace(&mut sim.token, old_token);
        assert_eq!(sim.get("/api/ping").await.0, StatusCode::UNAUTHORIZED);
        sim.token = new_token;
        assert_eq!(shown(&sim, &endpoint, sms_id).await, before);
        assert_eq!(json!(sim.free_iccid().await), gone["iccid"]);
    }
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches("card_set").count(), 0, "compacted");
}

#[tokio::test]
async fn new_ids_are_new_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("operator.jsonl");
    let sim = Sim::with_state(Some(&file)).await;
    let first = sim.endpoint("op-1").await;
    sim.running.stop().await;
    let sim = Sim::with_state(Some(&file)).await;
    let second = sim.endpoint("op-2").await;
    assert_ne!(first["iccid"], second["iccid"]);
    assert!(first["endpoint_id"].as_str() < second["endpoint_id"].as_str());
}

#[tokio::test]
async fn a_torn_last_line_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("operator.jsonl");
    let sim = Sim::with_state(Some(&file)).await;
    let endpoint = sim.endpoint("op-1").await;
    sim.running.stop().await;
    let mut torn = fs::OpenOptions::new().append(true).open(&file).unwrap();
    torn.write_all(b"{\"plan_added\":{\"at\":\"2026-").unwrap();

    let sim = Sim::with_state(Some(&file)).await;
    assert_eq!(sim.get(&path_of(&endpoint)).await.0, StatusCode::OK);
    assert_eq!(sim.add_plan(&endpoint, "op-2").await.0, StatusCode::CREATED);
    sim.running.stop().await;
    let sim = Sim::with_state(Some(&file)).await;
    assert_eq!(sim.get(&path_of(&endpoint)).await.1["plans"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn faults_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("operator.jsonl");
    let sim = Sim::with_state(Some(&file)).await;
    sim.faults(&json!({"error_rate": 1})).await;
    sim.running.stop().await;
    let sim = Sim::with_state(Some(&file)).await;
    assert_eq!(sim.get("/api/ping").await.0, StatusCode::NO_CONTENT);
}

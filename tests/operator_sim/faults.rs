//! Every kind of fault, and what it left done.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{PLAN, Sim, path_of};

/// Sends an `add_plan` whose answer does not come.
async fn add_plan_unanswered(sim: &Sim, endpoint: &Value, within: Duration) -> reqwest::Error {
    let body = json!({"plan_id": PLAN, "reference": "op-2"});
    let request = sim.call(Method::POST, &format!("{}/plans", path_of(endpoint))).json(&body);
    request.timeout(within).send().await.unwrap_err()
}

#[tokio::test]
async fn a_lost_response_did_the_work() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"lost_response_rate": 1, "only": ["add_plan"]})).await;
    let error = add_plan_unanswered(&sim, &endpoint, Duration::from_secs(20)).await;
    assert!(!error.is_timeout() && error.status().is_none(), "{error:?}");
    assert_eq!(sim.journal("op-2").await.len(), 1);
    let (_, endpoint) = sim.get(&path_of(&endpoint)).await;
    assert_eq!(endpoint["plans"][1]["reference"], "op-2");
}

#[tokio::test]
async fn a_lost_response_has_no_byte() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let sim = Sim::start().await;
    sim.faults(&json!({"lost_response_rate": 1})).await;
    let mut socket = tokio::net::TcpStream::connect(sim.running.addr()).await.unwrap();
    let body = r#"{"username":"u","password":"p"}"#;
    let head =
        format!("POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty());
}

#[tokio::test]
async fn a_hang_did_the_work_and_keeps_nothing_else_from_going_on() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"hang_rate": 1, "only": ["add_plan"]})).await;
    let error = add_plan_unanswered(&sim, &endpoint, Duration::from_millis(200)).await;
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(sim.journal("op-2").await.len(), 1);

    let body = json!({"plan_id": PLAN, "reference": "op-3"});
    let path = format!("{}/plans", path_of(&endpoint));
    let hung: Vec<_> =
        (0..50).map(|_| tokio::spawn(sim.call(Method::POST, &path).json(&body).send())).collect();
    while sim.journal("op-3").await.len() < 50 {}
    let started = Instant::now();
    sim.running.stop().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    for call in hung {
        assert!(call.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn an_error_did_nothing() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"error_rate": 1})).await;
    let (status, body) = sim.add_plan(&endpoint, "op-2").await;
    assert_eq!((status, &body["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("INTERNAL")));
    assert!(sim.journal("op-2").await.is_empty());
}

#[tokio::test]
async fn a_wrapped_error_did_the_work() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"wrapped_error_rate": 1})).await;
    let (status, body) = sim.add_plan(&endpoint, "op-2").await;
    assert_eq!(status, StatusCode::OK);
    let code = body["error"]["code"].as_str().unwrap();
    assert!(
        !["SIM_IN_USE", "NO_PLAN", "NO_ENDPOINT", "NO_INSTANCE", "NOT_ALLOWED"].contains(&code)
    );
    assert_eq!(sim.journal("op-2").await.len(), 1);
}

#[tokio::test]
async fn faults_concern_only_the_operations_they_name() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"error_rate": 1, "only": ["ping", "get_sim"]})).await;
    assert_eq!(sim.get("/api/ping").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(sim.add_plan(&endpoint, "op-2").await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn setting_faults_replaces_all_of_them() {
    let sim = Sim::start().await;
    sim.faults(&json!({"error_rate": 1})).await;
    sim.faults(&json!({"latency_ms": {"p50": 1}})).await;
    assert_eq!(sim.get("/api/ping").await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_operator_that_is_down_answers_nobody_and_comes_back() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"down": true})).await;
    let error = add_plan_unanswered(&sim, &endpoint, Duration::from_secs(20)).await;
    assert!(!error.is_timeout(), "{error:?}");
    assert!(sim.journal("op-2").await.is_empty());
    sim.faults(&json!({})).await;
    assert_eq!(sim.add_plan(&endpoint, "op-2").await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn past_the_rate_limit_a_call_does_nothing_and_says_when_to_come_back() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"rate_limit_per_second": 0.01, "only": ["add_plan"]})).await;
    assert_eq!(sim.add_plan(&endpoint, "op-2").await.0, StatusCode::CREATED);
    let body = json!({"plan_id": PLAN, "reference": "op-3"});
    let call = sim.call(Method::POST, &format!("{}/plans", path_of(&endpoint))).json(&body);
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((90..=100).contains(&after), "{after}");
    assert!(sim.journal("op-3").await.is_empty());
}

#[tokio::test]
async fn a_call_takes_its_latency() {
    let sim = Sim::start().await;
    sim.faults(&json!({"latency_ms": {"p50": 60, "p99": 60}, "only": ["ping"]})).await;
    let started = Instant::now();
    assert_eq!(sim.get("/api/ping").await.0, StatusCode::NO_CONTENT);
    assert!(started.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_slow_call_lands_though_its_caller_has_gone() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    sim.faults(&json!({"latency_ms": {"p50": 400}, "only": ["add_plan"]})).await;
    let error = add_plan_unanswered(&sim, &endpoint, Duration::from_millis(50)).await;
    assert!(error.is_timeout());
    assert!(sim.journal("op-2").await.is_empty());
    while sim.journal("op-2").await.is_empty() {}
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let sim = Sim::start().await;
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        sim.faults(&json!({"error_rate": 0.5, "only": ["ping"], "seed": seed})).await;
        let mut run = Vec::new();
        for _ in 0..40 {
            run.push(sim.get("/api/ping").await.0);
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn faults_that_make_no_sense_are_refused_by_name() {
    let sim = Sim::start().await;
    let cases = [
        (json!({"error_rate": 1.5}), "error_rate"),
        (json!({"hang_rate": -0.1}), "hang_rate"),
        (json!({"error_rate": 0.6, "hang_rate": 0.6}), "error_rate"),
        (json!({"latency_ms": {"p50": 10, "p99": 5}}), "latency_ms.p99"),
        (json!({"latency_ms": {"p75": 10}}), "p75"),
        (json!({"rate_limit_per_second": -1}), "rate_limit_per_second"),
        (json!({"only": ["fly"]}), "only"),
        (json!({"seed": "x"}), "seed"),
        (json!({"tempo": 1}), "tempo"),
    ];
    for (body, field) in cases {
        let put = sim.call(Method::PUT, "/_control/faults").json(&body).send().await.unwrap();
        assert_eq!(put.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let error: Value = put.json().await.unwrap();
        assert!(error["message"].as_str().unwrap().contains(field), "{body}: {error}");
    }
}

//! `GET /health` and `GET /status`: public, at the root and under the base path.

use crate::app::TestApp;
use crate::on_both;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn look(app: &TestApp) -> (u16, Value) {
    let answer = app.nobody.get("/status").await;
    for word in ["sandbox", "keycloak", "operator", "postgres"] {
        assert!(!answer.data().to_string().to_lowercase().contains(word), "{word}");
    }
    (answer.status, answer.body["data"].clone())
}

async fn both_answer_without_a_token_at_the_root_and_below(app: &mut TestApp) {
    let mut root = app.nobody.clone();
    root.base = root.base.strip_suffix("/v1").unwrap().to_owned();
    for caller in [&app.nobody, &root] {
        caller.get("/health").await.ok();
        let status = caller.get("/status").await.ok();
        assert_eq!(status["status"], "operational", "{status:#}");
        assert!(status["version"].is_string() && status["uptime_seconds"].is_u64());
        for name in ["database", "provider", "identity"] {
            let dependency = &status["dependencies"][name];
            assert_eq!(dependency["status"], "operational");
            assert!(dependency["latency_ms"].is_u64() && dependency["checked_at"].is_string());
        }
    }
    root.get("/organization").await.fails(404, "NOT_FOUND");
}

async fn a_provider_that_is_down_degrades_it(app: &mut TestApp) {
    app.operator.faults(json!({"down": true})).await;
    let (code, status) = look(app).await;
    assert_eq!((code, &status["status"]), (200, &json!("degraded")));
    assert_eq!(status["dependencies"]["provider"]["status"], "down");
    assert!(status["dependencies"]["provider"]["latency_ms"].is_null());
    assert_eq!(status["dependencies"]["database"]["status"], "operational");
    app.nobody.get("/health").await.ok();
    app.operator.faults(json!({})).await;
    crate::app::eventually("operational again", async || {
        look(app).await.1["status"] == "operational"
    })
    .await;
}

async fn it_answers_within_two_seconds_whatever_hangs(app: &mut TestApp) {
    for only in [json!(["ping"]), json!(["login"])] {
        app.restart(|_| {}).await;
        app.operator.faults(json!({"hang_rate": 1, "only": only})).await;
        let started = Instant::now();
        let (code, status) = look(app).await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!((code, &status["status"]), (200, &json!("degraded")));
    }
}

on_both! {
    AMPLE:
    both_answer_without_a_token_at_the_root_and_below,
    a_provider_that_is_down_degrades_it,
    it_answers_within_two_seconds_whatever_hangs,
}

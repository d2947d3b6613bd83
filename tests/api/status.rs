//! `GET /health` and `GET /status`: public, at the root and under the base path.

use crate::app::{AMPLE, DatabaseKind, Gate, TestApp};
use crate::on_both;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use url::Url;

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

async fn an_identity_that_is_down_degrades_it(app: &mut TestApp) {
    let real = app.config.identity.issuer.clone();
    let nowhere = Some("http://127.0.0.1:1/realms/none".to_owned());
    app.restart(|config| config.identity.issuer = nowhere).await;
    let (code, status) = look(app).await;
    assert_eq!((code, &status["status"]), (200, &json!("degraded")));
    let identity = &status["dependencies"]["identity"];
    assert_eq!(identity["status"], "down");
    assert!(identity["latency_ms"].is_null() && identity["checked_at"].is_string());
    app.restart(|config| config.identity.issuer = real).await;
}

/// On PostgreSQL alone: nobody can cut the way to a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_is_a_503_that_says_when_to_ask_again() {
    let app = TestApp::start(DatabaseKind::Postgres, AMPLE).await;
    let Some(mut app) = app else { return };
    let mut url = Url::parse(app.config.database.url.expose_secret()).unwrap();
    let gate = Gate::open(SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()))).await;
    url.set_port(Some(gate.addr().port())).unwrap();
    app.restart(|config| config.database.url = SecretString::from(url.to_string())).await;
    gate.close().await;
    let answer = app.nobody.get("/status").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.data()["status"], "down");
    let database = &answer.data()["dependencies"]["database"];
    assert_eq!(database["status"], "down");
    assert!(database["latency_ms"].is_null() && database["checked_at"].is_string());
    app.stop().await;
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
    an_identity_that_is_down_degrades_it,
    it_answers_within_two_seconds_whatever_hangs,
}

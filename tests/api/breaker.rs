//! The circuit breaker, as partners see it.

use crate::app::{TestApp, eventually};
use crate::on_both;
use serde_json::json;
use std::time::Duration;

async fn an_open_breaker_refuses_before_any_charge(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let link = app.acme.link(&plan).await;
    let topup = app.acme.topups(&link).await[0].clone();
    app.restart(|config| {
        config.operator.breaker.calls_min = 4;
        config.operator.breaker.window_calls = 4;
        config.operator.breaker.open = Duration::from_secs(4);
    })
    .await;
    app.acme.show(&link).await;
    app.operator.faults(json!({"error_rate": 1, "only": ["get_endpoint"]})).await;
    let (balance, operations) = (app.acme.balance().await, app.acme.total("/operations").await);
    for _ in 0..6 {
        assert_eq!(app.acme.show(&link).await["usage"]["live"], false);
    }
    let status = app.nobody.get("/status").await.ok();
    assert_eq!(status["dependencies"]["provider"]["status"], "down");
    // What is wrong with a request is told whether the breaker is open or not.
    let unknown = json!({"plan_id": "0195c5d4-1111-7000-8000-000000000000"});
    app.acme.post("/links", unknown).await.fails(404, "PLAN_NOT_FOUND");
    let path = format!("/links/{}", link["iccid"].as_str().unwrap());
    for answer in [
        app.acme.keyed_post("/links", json!({"plan_id": plan["id"]}), "k").await,
        app.acme.add(&link, &[&topup]).await,
        app.acme.put(&path, json!({"status": "suspended"})).await,
    ] {
        answer.fails(503, "PROVIDER_UNAVAILABLE");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=4).contains(&wait), "{wait}");
        assert!(answer.header("operation-id").is_none());
    }
    assert_eq!(app.acme.balance().await, balance);
    assert_eq!(app.acme.total("/operations").await, operations);
    app.operator.faults(json!({})).await;
    eventually("it closes again", async || {
        let body = json!({"plan_id": plan["id"]});
        app.acme.keyed_post("/links", body, "k").await.status == 201
    })
    .await;
}

on_both! { AMPLE: an_open_breaker_refuses_before_any_charge }

//! Calls that charge nothing, on an operator that fails.

use crate::app::{TestApp, eventually, id};
use crate::on_both;
use serde_json::{Value, json};
use std::time::Duration;

async fn a_link(app: &TestApp) -> Value {
    app.acme.link(&app.plan("France 1 GB, 7 days").await).await
}

async fn a_status_that_the_operator_does_not_take_is_an_error(app: &mut TestApp) {
    let link = a_link(app).await;
    let path = format!("/links/{}", id(&link));
    app.operator.faults(json!({"error_rate": 1, "only": ["set_status"]})).await;
    let answer = app.acme.put(&path, json!({"status": "suspended"})).await;
    answer.fails(502, "PROVIDER_ERROR");
    assert_eq!(answer.details(), &json!({"operation_id": answer.operation_id()}));
    assert_eq!(app.acme.show(&link).await["status"], "active");
    assert_eq!(app.acme.balance().await, "998.82");
}

async fn a_lost_answer_to_a_status_is_sent_again(app: &mut TestApp) {
    let link = a_link(app).await;
    let path = format!("/links/{}", id(&link));
    let only = json!(["set_status", "remove_plan"]);
    app.operator.faults(json!({"lost_response_rate": 0.5, "only": only, "seed": 3})).await;
    for status in ["suspended", "active", "suspended", "active"] {
        let shown = app.acme.put(&path, json!({"status": status})).await.ok();
        assert_eq!(shown["status"], status);
        let endpoint = app.operator.endpoint(link["iccid"].as_str().unwrap()).await;
        assert_eq!(endpoint["status"], status);
    }
    let remove = json!({"remove": [link["activations"][0]["id"]]});
    let removed = app.acme.put(&format!("{path}/plans"), remove).await.ok();
    assert_eq!(removed["removed"][0]["status"], "cancelled");
}

async fn a_removal_that_stops_half_way_says_how_far_it_came(app: &mut TestApp) {
    let link = a_link(app).await;
    let topup = app.acme.topups(&link).await[0].clone();
    let added = app.acme.add(&link, &[&topup, &topup]).await.ok();
    let ids: Vec<_> = (0..2).map(|n| added["added"][n]["id"].clone()).collect();
    let balance = app.acme.balance().await;
    let path = format!("/links/{}/plans", id(&link));
    // Slow enough for the fault to be set between the two, and not for the call to be given up.
    app.restart(|config| {
        config.operator.call_timeout = Duration::from_secs(2);
        config.operator.deadline = Duration::from_millis(2_500);
    })
    .await;
    let slow = json!({"latency_ms": {"p50": 1_200, "p99": 1_200}, "only": ["remove_plan"]});
    app.operator.faults(slow).await;
    let remove = app.acme.put(&path, json!({"remove": ids}));
    let fail_after_the_first = async {
        eventually("the first is removed", async || {
            let journal = app.operator.journal(None).await;
            journal.iter().any(|entry| entry["operation"] == "remove_plan")
        })
        .await;
        app.operator.faults(json!({"error_rate": 1, "only": ["remove_plan"]})).await;
    };
    let (answer, ()) = tokio::join!(remove, fail_after_the_first);
    answer.fails(502, "PROVIDER_ERROR");
    assert_eq!(answer.details()["removed"], json!([ids[0]]));
    assert_eq!(app.acme.balance().await, balance);
    let shown = app.acme.show(&link).await;
    let status = |wanted: &Value| {
        let all = shown["activations"].as_array().unwrap();
        all.iter().find(|a| a["id"] == *wanted).unwrap()["status"].clone()
    };
    assert_eq!(status(&ids[0]), "cancelled");
}

async fn only_a_recorded_removal_says_that_it_removed_nothing(app: &mut TestApp) {
    let link = a_link(app).await;
    let path = format!("/links/{}/plans", id(&link));
    let remove = json!({"remove": [link["activations"][0]["id"]]});
    let topup = app.acme.topups(&link).await[0].clone();
    app.operator.faults(json!({"error_rate": 1, "only": ["remove_plan"]})).await;
    let answer = app.acme.put(&path, remove.clone()).await;
    answer.fails(502, "PROVIDER_ERROR");
    assert_eq!(answer.details()["removed"], json!([]));
    app.operator.faults(json!({"down": true})).await;
    app.restart(|_| {}).await;
    let answer = app.acme.put(&path, remove).await;
    answer.fails(503, "PROVIDER_UNAVAILABLE");
    assert_eq!((answer.header("operation-id"), answer.details()), (None, &json!({})));
    let answer = app.acme.add(&link, &[&topup]).await;
    answer.fails(503, "PROVIDER_UNAVAILABLE");
    assert_eq!(answer.details(), &json!({}));
}

async fn a_topup_that_fails_says_nothing_of_removals(app: &mut TestApp) {
    let link = a_link(app).await;
    let topup = app.acme.topups(&link).await[0].clone();
    app.operator.faults(json!({"error_rate": 1, "only": ["add_plan"]})).await;
    let answer = app.acme.add(&link, &[&topup]).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.details(), &json!({"operation_id": answer.operation_id()}));
}

on_both! {
    SHORT:
    a_status_that_the_operator_does_not_take_is_an_error,
    a_lost_answer_to_a_status_is_sent_again,
    a_removal_that_stops_half_way_says_how_far_it_came,
    only_a_recorded_removal_says_that_it_removed_nothing,
    a_topup_that_fails_says_nothing_of_removals,
}

//! An operator that fails: what is charged is done, and what is not done is refunded.

use crate::app::{Answer, TestApp, id};
use crate::on_both;
use serde_json::{Value, json};
use std::time::Instant;

/// A Link whose plans may be bought again, made before anything fails.
async fn a_link(app: &TestApp) -> (Value, Value) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let link = app.acme.link(&plan).await;
    let topup = app.acme.topups(&link).await[0].clone();
    (link, topup)
}

/// Both charged calls under the same faults.
async fn both_calls(app: &TestApp, link: &Value, topup: &Value) -> [Answer; 2] {
    let plan = app.plan("France 1 GB, 7 days").await;
    let made = app.acme.post("/links", json!({"plan_id": plan["id"]})).await;
    [made, app.acme.add(link, &[topup]).await]
}

/// An answer to an attempt that was refunded: told, recorded, and nothing charged.
async fn is_refunded(app: &TestApp, answer: &Answer, status: u16, code: &str, balance: &str) {
    answer.fails(status, code);
    assert_eq!(answer.details()["operation_id"], answer.operation_id());
    assert_eq!(app.acme.balance().await, balance);
    let operation = app.acme.get(&format!("/operations/{}", answer.operation_id())).await.ok();
    assert_eq!(
        (&operation["state"], &operation["error"]["code"]),
        (&json!("refunded"), &json!(code))
    );
    assert_eq!(operation["error"]["message"], answer.body["error"]["message"]);
    assert!(operation["settled_at"].is_string());
}

async fn an_error_answer_is_refunded(app: &mut TestApp) {
    let (link, topup) = a_link(app).await;
    let balance = app.acme.balance().await;
    app.operator.faults(json!({"error_rate": 1, "only": ["create_endpoint", "add_plan"]})).await;
    for answer in both_calls(app, &link, &topup).await {
        is_refunded(app, &answer, 502, "PROVISIONING_ERROR", &balance).await;
    }
    assert_eq!(app.acme.total("/links").await, 1);
    assert_eq!(app.acme.show(&link).await["activations"].as_array().unwrap().len(), 1);
    let history = app.acme.get(&format!("/links/{}/history", id(&link))).await.ok();
    let rows = history["data"].as_array().unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["refund", "topup", "activation"]);
    assert_eq!(rows[0]["refund_of"], rows[1]["id"]);
    assert_eq!(rows[0]["balance_after"], balance);
}

async fn an_answer_that_was_lost_is_read_back(app: &mut TestApp) {
    let (link, topup) = a_link(app).await;
    let only = json!(["create_endpoint", "add_plan"]);
    for faults in [
        json!({"lost_response_rate": 1, "only": only}),
        json!({"wrapped_error_rate": 1, "only": only}),
        json!({"hang_rate": 1, "only": only}),
    ] {
        app.operator.faults(faults).await;
        let [made, added] = both_calls(app, &link, &topup).await;
        let made = made.expect(201);
        assert!(made["msisdn"].is_string() && made["lpa_profile"].is_string());
        assert_eq!(added.ok()["added"][0]["status"], "active");
    }
    assert_eq!(app.acme.total("/links").await, 4);
    assert_eq!(app.acme.show(&link).await["activations"].as_array().unwrap().len(), 4);
}

async fn what_is_never_answered_is_refunded_in_time_and_undone(app: &mut TestApp) {
    let (link, topup) = a_link(app).await;
    let balance = app.acme.balance().await;
    let only = json!(["create_endpoint", "add_plan", "find_endpoint", "get_endpoint"]);
    for faults in
        [json!({"hang_rate": 1, "only": only}), json!({"lost_response_rate": 1, "only": only})]
    {
        app.operator.faults(faults).await;
        let plan = app.plan("France 1 GB, 7 days").await;
        let started = Instant::now();
        let made = app.acme.post("/links", json!({"plan_id": plan["id"]})).await;
        assert!(started.elapsed() < app.config.operator.deadline.mul_f32(1.5));
        is_refunded(app, &made, 502, "PROVISIONING_FAILED", &balance).await;
        let added = app.acme.add(&link, &[&topup, &topup]).await;
        is_refunded(app, &added, 502, "PROVISIONING_FAILED", &balance).await;
    }
    app.operator.faults(json!({})).await;
    assert_eq!(app.acme.total("/links").await, 1);
    assert_eq!(app.acme.show(&link).await["activations"].as_array().unwrap().len(), 1);
}

async fn of_three_plans_all_are_added_or_none(app: &mut TestApp) {
    let (link, topup) = a_link(app).await;
    let topups = app.acme.topups(&link).await;
    let unsellable = topups.iter().find(|plan| plan["id"] != topup["id"]).unwrap();
    // The operator knows no such plan.
    let sql = format!(
        "UPDATE plans SET operator_plan_id = 'gone' WHERE name = '{}' AND sponsor_id = '{}'",
        unsellable["name"].as_str().unwrap(),
        unsellable["sponsor_profiles"][0]["id"].as_str().unwrap()
    );
    app.sql(sql).await;
    let balance = app.acme.balance().await;
    let answer = app.acme.add(&link, &[&topup, unsellable, &topup]).await;
    is_refunded(app, &answer, 502, "PROVISIONING_ERROR", &balance).await;
    let history = format!("/links/{}/history", id(&link));
    assert_eq!(app.acme.total(&format!("{history}?type=topup")).await, 3);
    assert_eq!(app.acme.total(&format!("{history}?type=refund")).await, 3);
    crate::app::eventually("the one that landed is undone", async || {
        let endpoint = app.operator.endpoint(link["iccid"].as_str().unwrap()).await;
        let plans = endpoint["plans"].as_array().unwrap().clone();
        plans.len() == 2 && plans.iter().filter(|plan| plan["state"] == "removed").count() == 1
    })
    .await;
    assert_eq!(app.acme.show(&link).await["activations"].as_array().unwrap().len(), 1);
}

async fn an_operator_that_is_down_charges_nothing(app: &mut TestApp) {
    let (link, topup) = a_link(app).await;
    let balance = app.acme.balance().await;
    app.operator.faults(json!({"down": true})).await;
    for answer in both_calls(app, &link, &topup).await {
        is_refunded(app, &answer, 502, "PROVISIONING_FAILED", &balance).await;
    }
    // A service that never had a session does not even debit.
    app.restart(|_| {}).await;
    let operations = app.acme.total("/operations").await;
    for answer in both_calls(app, &link, &topup).await {
        answer.fails(503, "PROVIDER_UNAVAILABLE");
        assert!(answer.header("operation-id").is_none());
    }
    assert_eq!(app.acme.total("/operations").await, operations);
    assert_eq!(app.acme.balance().await, balance);
    // And has recovered with the operator.
    app.operator.faults(json!({})).await;
    crate::app::eventually("it sells again", async || {
        app.acme.add(&link, &[&topup]).await.status == 200
    })
    .await;
}

async fn a_throttled_call_is_sent_again(app: &mut TestApp) {
    let (link, topup) = a_link(app).await;
    app.operator.faults(json!({"rate_limit_per_second": 3, "only": ["add_plan"]})).await;
    let mut balance = app.acme.balance().await;
    let mut sold = 0;
    for _ in 0..5 {
        let answer = app.acme.add(&link, &[&topup]).await;
        if answer.status == 200 {
            sold += 1;
            balance = app.acme.balance().await;
        } else {
            is_refunded(app, &answer, 502, "PROVISIONING_ERROR", &balance).await;
        }
    }
    assert!(sold >= 3, "{sold}");
    let shown = app.acme.show(&link).await;
    assert_eq!(shown["activations"].as_array().unwrap().len(), sold + 1);
}

on_both! {
    SHORT:
    an_error_answer_is_refunded,
    an_answer_that_was_lost_is_read_back,
    what_is_never_answered_is_refunded_in_time_and_undone,
    of_three_plans_all_are_added_or_none,
    an_operator_that_is_down_charges_nothing,
    a_throttled_call_is_sent_again,
}

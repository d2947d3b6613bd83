//! What partners see of activations whose time is over.

use crate::app::{Answer, TestApp, eventually, id};
use crate::on_both;
use serde_json::{Value, json};

const PLAN: &str = "France 1 GB, 7 days";

/// A Link with a plan that has just ended, in the database's eyes, and a top-up that has not.
async fn a_link_whose_first_plan_is_over(app: &TestApp) -> (Value, Value) {
    let link = app.acme.link(&app.plan(PLAN).await).await;
    let topup = app.acme.topups(&link).await[0].clone();
    app.acme.add(&link, &[&topup]).await.ok();
    app.operator.usage(json!({"iccid": link["iccid"], "used_mb": 250})).await;
    assert_eq!(app.acme.show(&link).await["data_used_mb"], 250);
    let ended = "2026-01-31T00:00:00.000000Z";
    app.sql(format!("UPDATE activations SET expires_at = '{ended}' WHERE plan_name = '{PLAN}'"))
        .await;
    (link, topup)
}

fn statuses(link: &Value) -> Vec<&str> {
    let activations = link["activations"].as_array().unwrap();
    activations.iter().map(|a| a["status"].as_str().unwrap()).collect()
}

/// Nothing of it is left at the operator either, for the books.
async fn ended_upstream(app: &TestApp, link: &Value) {
    app.operator.end_oldest_plan(link["iccid"].as_str().unwrap()).await;
}

async fn what_is_over_shows_as_expired_at_once(app: &mut TestApp) {
    let (link, topup) = a_link_whose_first_plan_is_over(app).await;
    let shown = app.acme.show(&link).await;
    assert_eq!((statuses(&shown), &shown["status"]), (vec!["active", "expired"], &json!("active")));
    assert_eq!(shown["usage"]["data_total_mb"], topup["data_mb"]);
    assert_eq!(
        (&shown["data_used_mb"], &shown["data_remaining_mb"]),
        (&json!(0), &topup["data_mb"])
    );
    assert_eq!(shown["coverage"], topup["coverage"]);
    let named = app.acme.put(&format!("/links/{}", id(&link)), json!({"name": "n"})).await.ok();
    assert_eq!(statuses(&named), ["active", "expired"]);
    assert_eq!(named["data_remaining_mb"], topup["data_mb"]);
    // Its operator does not know yet, and that changes nothing.
    assert_eq!(
        app.operator.endpoint(link["iccid"].as_str().unwrap()).await["plans"][0]["state"],
        "active"
    );
    ended_upstream(app, &link).await;
    assert_eq!(statuses(&app.acme.show(&link).await), ["active", "expired"]);
}

async fn the_list_follows_though_nobody_reads_the_link(app: &mut TestApp) {
    let (link, topup) = a_link_whose_first_plan_is_over(app).await;
    eventually("the list counts only what is in force", async || {
        let listed = app.acme.get("/links").await.ok()["data"][0].clone();
        listed["data_remaining_mb"] == topup["data_mb"] && listed["data_used_mb"] == 0
    })
    .await;
    ended_upstream(app, &link).await;
}

async fn an_expired_activation_cannot_be_taken_off_and_its_link_can_be_topped_up(
    app: &mut TestApp,
) {
    let (link, topup) = a_link_whose_first_plan_is_over(app).await;
    let path = format!("/links/{}/plans", id(&link));
    let over = app.acme.show(&link).await["activations"][1]["id"].clone();
    let refused: Answer = app.acme.put(&path, json!({"remove": [over]})).await;
    refused.fails(422, "INVALID_STATE");
    app.acme.add(&link, &[&topup]).await.ok();
    let shown = app.acme.show(&link).await;
    assert_eq!(statuses(&shown), ["active", "active", "expired"]);
    ended_upstream(app, &link).await;
}

on_both! {
    AMPLE:
    what_is_over_shows_as_expired_at_once,
    the_list_follows_though_nobody_reads_the_link,
    an_expired_activation_cannot_be_taken_off_and_its_link_can_be_topped_up,
}

//! `PUT /links/{identifier}/plans`: adding and removing, and the order of what is checked.

use crate::app::{Answer, TestApp, id};
use crate::on_both;
use serde_json::{Value, json};

const UNKNOWN: &str = "0195c5d4-1111-7000-8000-000000000000";

async fn remove(app: &TestApp, link: &Value, activations: &[&str]) -> Answer {
    app.acme.put(&format!("/links/{}/plans", id(link)), json!({"remove": activations})).await
}

/// A Link, two plans for it, and one for other cards.
async fn a_link(app: &TestApp) -> (Value, Vec<Value>, Value) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let topups = app.acme.topups(&link).await;
    let others = app.acme.walk("/plans?coverage_type=global", 100).await;
    let sponsor = &link["sponsor_profile"];
    assert!(topups.iter().all(|plan| plan["sponsor_profiles"][0] == *sponsor));
    let other = others.into_iter().find(|plan| plan["sponsor_profiles"][0] != *sponsor).unwrap();
    (link, topups, other)
}

async fn what_is_no_change_of_plans_is_refused_by_field(app: &mut TestApp) {
    let (link, topups, _) = a_link(app).await;
    let plan = id(&topups[0]);
    let path = format!("/links/{}/plans", link["iccid"].as_str().unwrap());
    for (body, field) in [
        (json!({}), "body"),
        (json!({"add": null}), "body"),
        (json!({"add": null, "remove": null}), "body"),
        (json!({"add": [plan], "remove": [plan]}), "body"),
        (json!({"add": []}), "add"),
        (json!({"remove": []}), "remove"),
        (json!({"add": vec![plan; 11]}), "add"),
        (
            json!({"remove": (0..11).map(|n| format!("0195c5d4-1111-7000-8000-0000000000{n:02}")).collect::<Vec<_>>()}),
            "remove",
        ),
        (json!({"remove": [plan, plan.to_uppercase()]}), "remove"),
        (json!({"add": plan}), "add"),
        (json!({"add": ["no-uuid"]}), "add[0]"),
        (json!({"add": [plan, null]}), "add[1]"),
        (json!({"add": [plan], "force": true}), "force"),
    ] {
        app.acme.put(&path, body).await.names_field(field);
    }
    assert_eq!(app.acme.total("/operations").await, 1);
}

async fn one_plan_may_be_added_several_times_at_once(app: &mut TestApp) {
    let (link, topups, _) = a_link(app).await;
    let plan = &topups[0];
    let added = app.acme.add(&link, &[plan, plan, &topups[1]]).await;
    let operation = added.operation_id().to_owned();
    let added = added.ok();
    let rows = added["added"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["plan_id"], topups[1]["id"]);
    let price = |plan: &Value| plan["retail_price"].as_str().unwrap().parse::<f64>().unwrap();
    let sum = 2.0 * price(plan) + price(&topups[1]);
    assert_eq!(added["amount_charged"], format!("{sum:.2}"));
    let shown = app.acme.show(&link).await;
    assert_eq!(shown["activations"].as_array().unwrap().len(), 4);
    let operation = app.acme.get(&format!("/operations/{operation}")).await.ok();
    assert_eq!((&operation["state"], &operation["kind"]), (&json!("succeeded"), &json!("topup")));
}

async fn the_link_is_checked_before_the_plan_and_the_plan_before_the_balance(app: &mut TestApp) {
    let (link, topups, other) = a_link(app).await;
    let path = format!("/links/{}/plans", id(&link));
    let add = async |plans: Value| app.acme.put(&path, json!({"add": plans})).await;
    add(json!([UNKNOWN])).await.fails(404, "PLAN_NOT_FOUND");
    add(json!([topups[0]["id"], UNKNOWN])).await.fails(404, "PLAN_NOT_FOUND");
    add(json!([other["id"]])).await.fails(422, "INVALID_PLAN");
    add(json!([topups[0]["id"], other["id"]])).await.fails(422, "INVALID_PLAN");
    // The plan before the balance.
    app.sql("UPDATE organization_plans SET price = 999000000".to_owned()).await;
    crate::app::eventually("the new prices are known", async || {
        app.acme.get(&format!("/plans/{}", id(&other))).await.ok()["retail_price"] == "999.00"
    })
    .await;
    add(json!([other["id"]])).await.fails(422, "INVALID_PLAN");
    crate::app::eventually("the new prices are charged", async || {
        add(json!([topups[0]["id"]])).await.status == 402
    })
    .await;
    // The Link before all else.
    app.acme.put(&format!("/links/{}", id(&link)), json!({"status": "suspended"})).await.ok();
    let answer = add(json!([UNKNOWN])).await;
    answer.fails(422, "INVALID_STATE");
    assert_eq!(answer.details()["status"], "suspended");
    remove(app, &link, &[UNKNOWN]).await.fails(422, "INVALID_STATE");
}

async fn a_removed_activation_is_cancelled_and_refunds_nothing(app: &mut TestApp) {
    let (link, topups, _) = a_link(app).await;
    let added = app.acme.add(&link, &[&topups[0], &topups[1]]).await.ok();
    let balance = app.acme.balance().await;
    let first = id(&added["added"][0]);
    let answer = remove(app, &link, &[first]).await;
    let operation = answer.operation_id().to_owned();
    let removed = answer.ok();
    assert_eq!(removed["removed"][0]["status"], "cancelled");
    assert_eq!(removed["removed"][0]["id"], first);
    assert_eq!((&removed["added"], &removed["amount_charged"]), (&json!([]), &json!("0.00")));
    assert_eq!((&removed["link_id"], &removed["iccid"]), (&link["id"], &link["iccid"]));
    assert_eq!(app.acme.balance().await, balance);
    let operation = app.acme.get(&format!("/operations/{operation}")).await.ok();
    assert_eq!(operation["kind"], "remove_plan");
    assert_eq!((&operation["state"], &operation["amount"]), (&json!("succeeded"), &json!("0.00")));
    let shown = app.acme.show(&link).await;
    let statuses: Vec<_> =
        shown["activations"].as_array().unwrap().iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, ["active", "cancelled", "active"]);
    let left = &topups[1]["data_mb"].as_u64().unwrap() + 1000;
    assert_eq!(shown["data_remaining_mb"], left);
    assert_eq!(shown["usage"]["data_total_mb"], left);

    remove(app, &link, &[first]).await.fails(422, "INVALID_STATE");
    remove(app, &link, &[UNKNOWN]).await.fails(404, "NOT_FOUND");
    // Nothing goes where one of them cannot.
    let second = id(&added["added"][1]);
    remove(app, &link, &[second, first]).await.fails(422, "INVALID_STATE");
    remove(app, &link, &[second, UNKNOWN]).await.fails(404, "NOT_FOUND");
    let other = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    remove(app, &other, &[second]).await.fails(404, "NOT_FOUND");
    assert_eq!(app.acme.show(&link).await["activations"][0]["status"], "active");
    // The last ones too: a Link without plans is active and can be topped up.
    let rest = [second, id(&link["activations"][0])];
    remove(app, &link, &rest).await.ok();
    let shown = app.acme.show(&link).await;
    assert_eq!(
        (&shown["status"], &shown["coverage"]["total_countries"]),
        (&json!("active"), &json!(0))
    );
    assert_eq!(shown["data_remaining_mb"], 0);
    app.acme.add(&link, &[&topups[0]]).await.ok();
}

async fn top_ups_of_one_link_run_side_by_side(app: &mut TestApp) {
    let (link, topups, _) = a_link(app).await;
    app.operator
        .faults(json!({"latency_ms": {"p50": 800, "p99": 800}, "only": ["add_plan"]}))
        .await;
    let started = std::time::Instant::now();
    let plan = [&topups[0]];
    let calls = (0..6).map(|_| app.acme.add(&link, &plan));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:#?}");
    assert!(started.elapsed().as_millis() < 3_000, "one after the other");
    assert_eq!(app.acme.show(&link).await["activations"].as_array().unwrap().len(), 7);
}

async fn all_in_force_are_shown_and_the_newest_hundred_others(app: &mut TestApp) {
    let (link, topups, _) = a_link(app).await;
    let mut last = Value::Null;
    for _ in 0..11 {
        let added = app.acme.add(&link, &[&topups[0]; 10]).await.ok();
        let ids: Vec<_> = added["added"].as_array().unwrap().iter().map(id).collect();
        remove(app, &link, &ids).await.ok();
        last = added;
    }
    let shown = app.acme.show(&link).await;
    let activations = shown["activations"].as_array().unwrap();
    assert_eq!(activations.len(), 101);
    assert_eq!(activations[0]["id"], last["added"][9]["id"]);
    assert_eq!(activations[100]["id"], link["activations"][0]["id"]);
    assert_eq!(activations[100]["status"], "active");
}

on_both! {
    AMPLE:
    all_in_force_are_shown_and_the_newest_hundred_others,
    what_is_no_change_of_plans_is_refused_by_field,
    one_plan_may_be_added_several_times_at_once,
    the_link_is_checked_before_the_plan_and_the_plan_before_the_balance,
    a_removed_activation_is_cancelled_and_refunds_nothing,
    top_ups_of_one_link_run_side_by_side,
}

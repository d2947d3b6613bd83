//! `PUT /links/{identifier}`: status and name.

use crate::app::{Answer, TestApp, id};
use crate::on_both;
use serde_json::{Value, json};
use std::time::Duration;

async fn put(app: &TestApp, link: &Value, body: Value) -> Answer {
    app.acme.put(&format!("/links/{}", id(link)), body).await
}

async fn a_link(app: &TestApp) -> Value {
    app.acme.link(&app.plan("France 1 GB, 7 days").await).await
}

async fn a_link_is_suspended_and_reactivated_with_the_operator(app: &mut TestApp) {
    let link = a_link(app).await;
    let iccid = link["iccid"].as_str().unwrap();
    let answer = put(app, &link, json!({"status": "suspended"})).await;
    let operation = answer.operation_id().to_owned();
    let suspended = answer.ok();
    assert_eq!(suspended["status"], "suspended");
    assert_eq!(suspended["activations"][0]["id"], link["activations"][0]["id"]);
    assert_eq!(app.operator.endpoint(iccid).await["status"], "suspended");
    let shown = app.acme.show(&link).await;
    assert_eq!(shown["status"], "suspended");
    assert_eq!(shown["updated_at"], suspended["updated_at"]);
    let operation = app.acme.get(&format!("/operations/{operation}")).await.ok();
    assert_eq!(
        (&operation["kind"], &operation["state"]),
        (&json!("update_link"), &json!("succeeded"))
    );

    let answer = put(app, &link, json!({"status": "suspended"})).await;
    answer.fails(422, "INVALID_STATUS_CHANGE");
    let topup = app.acme.topups(&link).await[0].clone();
    app.acme.add(&link, &[&topup]).await.fails(422, "INVALID_STATE");

    let active = put(app, &link, json!({"status": "active"})).await.ok();
    assert_eq!(active["status"], "active");
    assert_eq!(app.operator.endpoint(iccid).await["status"], "active");
    put(app, &link, json!({"status": "active"})).await.fails(422, "INVALID_STATUS_CHANGE");
    app.acme.add(&link, &[&topup]).await.ok();
}

async fn a_link_is_renamed_without_the_operator(app: &mut TestApp) {
    app.restart(|config| config.cache.usage_ttl = Duration::from_mins(10)).await;
    let link = a_link(app).await;
    app.operator.faults(json!({"down": true})).await;
    let renamed = put(app, &link, json!({"name": "Grace"})).await.ok();
    assert_eq!((&renamed["name"], &renamed["status"]), (&json!("Grace"), &json!("active")));
    assert!(renamed["updated_at"].as_str() > link["updated_at"].as_str());
    assert_eq!(renamed["usage"]["live"], true, "it was read when the Link was made");
    assert_eq!(renamed["usage"]["updated_at"], link["usage"]["updated_at"]);
    assert_eq!(app.acme.show(&link).await["name"], "Grace");
    app.restart(|config| config.cache.usage_ttl = Duration::ZERO).await;
    let renamed = put(app, &link, json!({"name": "Grace"})).await.ok();
    assert_eq!(renamed["usage"]["live"], false, "it is older");
    app.operator.faults(json!({})).await;
    let both = put(app, &link, json!({"name": "Ada", "status": "suspended"})).await.ok();
    assert_eq!((&both["name"], &both["status"]), (&json!("Ada"), &json!("suspended")));
    let kept = put(app, &link, json!({"status": "active"})).await.ok();
    assert_eq!(kept["name"], "Ada");
}

async fn null_clears_a_name_and_again_under_its_key(app: &mut TestApp) {
    let link = a_link(app).await;
    put(app, &link, json!({"name": "Grace"})).await.ok();
    let (path, clear) = (format!("/links/{}", id(&link)), json!({"name": null}));
    let cleared = app.acme.keyed_put(&path, clear.clone(), "clear").await.ok();
    assert_eq!(cleared["name"], Value::Null);
    assert_eq!(app.acme.show(&link).await["name"], Value::Null);
    put(app, &link, json!({"name": "Ada"})).await.ok();
    let replayed = app.acme.keyed_put(&path, clear, "clear").await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(replayed.ok(), cleared, "told again, not done again");
    assert_eq!(app.acme.show(&link).await["name"], "Ada");
    let status = json!({"status": "suspended"});
    app.acme.keyed_put(&path, status, "clear").await.fails(422, "IDEMPOTENCY_MISMATCH");
    let both = put(app, &link, json!({"name": null, "status": "suspended"})).await.ok();
    assert_eq!((&both["name"], &both["status"]), (&Value::Null, &json!("suspended")));
    // A status has no null.
    let kept = put(app, &link, json!({"name": "Ada", "status": null})).await.ok();
    assert_eq!((&kept["name"], &kept["status"]), (&json!("Ada"), &json!("suspended")));
}

async fn what_is_no_change_is_refused_by_field(app: &mut TestApp) {
    let link = a_link(app).await;
    for (body, field) in [
        (json!({}), "body"),
        (json!({"status": null}), "body"),
        (json!({"name": 7}), "name"),
        (json!({"status": "paused"}), "status"),
        (json!({"status": 1}), "status"),
        (json!({"status": "ACTIVE"}), "status"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "a\u{7}"}), "name"),
        (json!({"iccid": "8900000000000000001"}), "iccid"),
    ] {
        put(app, &link, body).await.names_field(field);
    }
    let answer = put(app, &link, json!({"status": "inactive"})).await;
    answer.fails(422, "INVALID_STATUS_CHANGE");
    assert_eq!(answer.details(), &json!({"from": "active", "to": "inactive"}));
    assert_eq!(app.acme.total("/operations").await, 1);
}

async fn a_link_that_is_terminated_upstream_is_inactive_for_good(app: &mut TestApp) {
    let link = a_link(app).await;
    let topup = app.acme.topups(&link).await[0].clone();
    app.operator.set_status(link["iccid"].as_str().unwrap(), "terminated").await;
    let shown = app.acme.show(&link).await;
    assert_eq!(shown["status"], "inactive", "on the reading that shows it");
    assert_eq!(app.acme.show(&link).await["updated_at"], shown["updated_at"]);
    let listed = app.acme.get("/links?status=inactive").await.ok();
    assert_eq!(listed["data"][0]["id"], link["id"]);
    for status in ["active", "suspended", "inactive"] {
        let answer = put(app, &link, json!({"status": status})).await;
        answer.fails(422, "INVALID_STATUS_CHANGE");
    }
    app.acme.add(&link, &[&topup]).await.fails(422, "INVALID_STATE");
    assert_eq!(put(app, &link, json!({"name": "gone"})).await.ok()["status"], "inactive");
}

async fn changes_of_one_link_wait_for_each_other(app: &mut TestApp) {
    let link = a_link(app).await;
    let only = json!(["set_status"]);
    app.operator.faults(json!({"latency_ms": {"p50": 200, "p99": 200}, "only": only})).await;
    let names = ["a", "b", "c", "d"].map(|name| put(app, &link, json!({"name": name})));
    let suspend = put(app, &link, json!({"status": "suspended"}));
    let (names, suspended) = tokio::join!(futures_util::future::join_all(names), suspend);
    assert!(names.iter().all(|answer| answer.status == 200), "{names:#?}");
    assert_eq!(suspended.ok()["status"], "suspended");
    assert_eq!(app.acme.show(&link).await["status"], "suspended");
}

on_both! {
    AMPLE:
    a_link_is_suspended_and_reactivated_with_the_operator,
    a_link_is_renamed_without_the_operator,
    null_clears_a_name_and_again_under_its_key,
    what_is_no_change_is_refused_by_field,
    a_link_that_is_terminated_upstream_is_inactive_for_good,
    changes_of_one_link_wait_for_each_other,
}

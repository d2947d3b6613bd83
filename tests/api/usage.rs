//! What the operator says of a Link's use, live or last known.

use crate::app::TestApp;
use crate::on_both;
use serde_json::{Value, json};
use std::time::Duration;

async fn a_link(app: &TestApp) -> (Value, String) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let iccid = link["iccid"].as_str().unwrap().to_owned();
    (link, iccid)
}

async fn use_is_read_from_the_operator(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    app.operator.usage(json!({"iccid": iccid, "used_mb": 250})).await;
    let shown = app.acme.show(&link).await;
    let usage = &shown["usage"];
    assert_eq!((&usage["data_used_mb"], &usage["data_remaining_mb"]), (&json!(250), &json!(750)));
    assert_eq!((&usage["live"], &shown["data_used_mb"]), (&json!(true), &json!(250)));
    let activation = &shown["activations"][0];
    assert_eq!(
        (&activation["status"], &activation["data_used_mb"]),
        (&json!("active"), &json!(250))
    );
    assert!(activation["first_used_at"].is_string());
    let listed = app.acme.get("/links").await.ok();
    assert_eq!(listed["data"][0]["data_remaining_mb"], 750);
}

async fn a_depleted_link_is_active_and_can_be_topped_up(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    app.operator.usage(json!({"iccid": iccid, "used_mb": 1000})).await;
    let shown = app.acme.show(&link).await;
    assert_eq!((&shown["status"], &shown["data_remaining_mb"]), (&json!("active"), &json!(0)));
    assert_eq!(shown["activations"][0]["status"], "depleted");
    let listed = app.acme.get("/links?status=active").await.ok();
    assert_eq!(listed["data"][0]["data_remaining_mb"], 0);

    let topup = app.acme.topups(&link).await[0].clone();
    let added = app.acme.add(&link, &[&topup]).await.ok();
    assert_eq!(added["added"][0]["status"], "active");
    let shown = app.acme.show(&link).await;
    let statuses: Vec<_> =
        shown["activations"].as_array().unwrap().iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, ["active", "depleted"]);
    assert_eq!(shown["data_remaining_mb"], topup["data_mb"]);
    assert_eq!(shown["activations"][0]["data_used_mb"], 0);
    // A depleted one can be taken off.
    let path = format!("/links/{iccid}/plans");
    app.acme.put(&path, json!({"remove": [link["activations"][0]["id"]]})).await.ok();
    assert_eq!(app.acme.show(&link).await["activations"][1]["status"], "cancelled");
}

async fn a_plan_that_is_active_again_is_shown_so_at_once(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    for (used, status) in [(1000, "depleted"), (400, "active"), (1000, "depleted")] {
        app.operator.usage(json!({"iccid": iccid, "used_mb": used})).await;
        for time in ["first", "second"] {
            let shown = app.acme.show(&link).await;
            let activation = &shown["activations"][0];
            assert_eq!(activation["status"], status, "{time}");
            assert_eq!(activation["data_used_mb"], used, "{time}");
            assert_eq!(shown["data_used_mb"], used, "{time}");
        }
    }
}

async fn the_profile_s_state_is_the_operator_s(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    for state in ["downloaded", "installed", "enabled", "disabled", "deleted"] {
        app.operator.usage(json!({"iccid": iccid, "profile_state": state})).await;
        assert_eq!(app.acme.show(&link).await["esim_profile"]["state"], state);
    }
}

async fn without_the_operator_the_last_known_figures_are_told(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    let used = json!({"iccid": iccid, "used_mb": 400, "profile_state": "downloaded"});
    app.operator.usage(used).await;
    let live = app.acme.show(&link).await;
    app.operator.usage(json!({"iccid": iccid, "used_mb": 500})).await;
    for faults in
        [json!({"down": true}), json!({"error_rate": 1}), json!({"wrapped_error_rate": 1})]
    {
        app.operator.faults(faults).await;
        let known = app.acme.show(&link).await;
        assert_eq!(known["usage"]["live"], false);
        assert_eq!(known["usage"]["data_used_mb"], 400);
        assert_eq!(known["usage"]["updated_at"], live["usage"]["updated_at"]);
        assert_eq!(known["esim_profile"], live["esim_profile"]);
        assert_eq!(known["activations"], live["activations"]);
    }
    // Only the profile's state cannot be had.
    app.operator.faults(json!({"error_rate": 1, "only": ["get_sim"]})).await;
    let shown = app.acme.show(&link).await;
    assert_eq!(
        (&shown["usage"]["data_used_mb"], &shown["usage"]["live"]),
        (&json!(500), &json!(true))
    );
    assert_eq!(shown["esim_profile"]["state"], "downloaded");
}

async fn a_figure_is_live_for_as_long_as_it_is_cached(app: &mut TestApp) {
    app.restart(|config| config.cache.usage_ttl = Duration::from_mins(1)).await;
    let (link, iccid) = a_link(app).await;
    let first = app.acme.show(&link).await;
    app.operator.usage(json!({"iccid": iccid, "used_mb": 600})).await;
    let again = app.acme.show(&link).await;
    assert_eq!(again["usage"], first["usage"]);
    assert_eq!(again["usage"]["live"], true);
    // What the service itself knows is never cached.
    let topup = app.acme.topups(&link).await[0].clone();
    app.acme.add(&link, &[&topup]).await.ok();
    let shown = app.acme.show(&link).await;
    assert_eq!(shown["activations"][0]["status"], "active");
    assert_eq!(shown["activations"].as_array().unwrap().len(), 2);
    app.acme.put(&format!("/links/{iccid}"), json!({"status": "suspended"})).await.ok();
    assert_eq!(app.acme.show(&link).await["status"], "suspended");
}

on_both! {
    AMPLE:
    use_is_read_from_the_operator,
    a_depleted_link_is_active_and_can_be_topped_up,
    a_plan_that_is_active_again_is_shown_so_at_once,
    the_profile_s_state_is_the_operator_s,
    without_the_operator_the_last_known_figures_are_told,
    a_figure_is_live_for_as_long_as_it_is_cached,
}

//! `GET /links/{identifier}/network-status`.

use crate::app::{Answer, TestApp, eventually, id};
use crate::on_both;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

async fn a_link(app: &TestApp) -> (Value, String) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let iccid = link["iccid"].as_str().unwrap().to_owned();
    (link, iccid)
}

async fn status(app: &TestApp, identifier: &str, query: &str) -> Answer {
    app.acme.get(&format!("/links/{identifier}/network-status{query}")).await
}

/// Sets what the operator says of a card.
async fn connectivity(app: &TestApp, iccid: &str, connectivity: Value) {
    app.operator.usage(json!({"iccid": iccid, "connectivity": connectivity})).await;
}

async fn it_tells_where_the_card_is(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    let network = json!({
        "name": "Behind Us Ltd", "country": "Nowhere", "mcc": "208", "mnc": "01",
        "technology": "5G"
    });
    let seen = "2026-11-23T05:23:00.123Z";
    let told = json!({
        "state": "online", "network": network, "ip_address": "10.1.2.3",
        "imei": "359000000000008", "last_seen_at": seen
    });
    connectivity(app, &iccid, told).await;
    for identifier in [id(&link), &iccid] {
        for query in ["", "?live=true", "?live=false", "?unknown=1"] {
            let mut shown = status(app, identifier, query).await.ok();
            assert!(shown["checked_at"].as_str().unwrap().ends_with('Z'));
            shown["checked_at"].take();
            let expected = json!({
                "link_id": link["id"], "iccid": iccid, "status": "online",
                "network": {
                    "name": "Orange", "country": "FR", "mcc": "208", "mnc": "01",
                    "technology": "5G"
                },
                "ip_address": "10.1.2.3", "imei": "359000000000008", "last_seen_at": seen,
                "checked_at": null, "live": true
            });
            assert_eq!(shown, expected, "{identifier}{query}");
        }
    }
    connectivity(app, &iccid, json!("offline")).await;
    let shown = status(app, &iccid, "?live=true").await.ok();
    assert_eq!((&shown["status"], &shown["network"]), (&json!("offline"), &Value::Null));
    connectivity(app, &iccid, json!("attached")).await;
    let shown = status(app, &iccid, "?live=true").await.ok();
    assert_eq!((&shown["status"], &shown["ip_address"]), (&json!("attached"), &Value::Null));
}

async fn a_network_that_we_do_not_know_is_told_by_its_codes(app: &mut TestApp) {
    let (_, iccid) = a_link(app).await;
    for (mcc, mnc, country) in
        [("208", "999", json!("FR")), ("340", "01", Value::Null), ("999", "99", Value::Null)]
    {
        let network = json!({"name": "Behind Us Ltd", "country": "DE", "mcc": mcc, "mnc": mnc});
        connectivity(app, &iccid, json!({"state": "online", "network": network})).await;
        let shown = status(app, &iccid, "?live=true").await.ok()["network"].clone();
        assert_eq!((&shown["mcc"], &shown["mnc"]), (&json!(mcc), &json!(mnc)));
        assert_eq!(shown["country"], country, "{mcc} {mnc}");
        assert_ne!(shown["name"], "Behind Us Ltd");
        assert_eq!(shown["name"].is_null(), mcc != "340", "{mcc} {mnc}");
    }
}

async fn many_readers_of_one_link_share_one_look(app: &mut TestApp) {
    app.restart(|config| config.cache.status_ttl = Duration::from_mins(1)).await;
    let (_, iccid) = a_link(app).await;
    connectivity(app, &iccid, json!("online")).await;
    let slow = json!({"latency_ms": {"p50": 200, "p99": 200}, "only": ["connectivity"]});
    app.operator.faults(slow).await;
    let read = join_all((0..64).map(|_| status(app, &iccid, ""))).await;
    let checked = read[0].data()["checked_at"].clone();
    assert!(checked.is_string());
    for answer in read {
        assert_eq!(answer.ok()["checked_at"], checked);
    }
    connectivity(app, &iccid, json!("offline")).await;
    let cached = status(app, &iccid, "").await.ok();
    assert_eq!((&cached["status"], &cached["live"]), (&json!("online"), &json!(true)));
    let live = status(app, &iccid, "?live=true").await.ok();
    assert_eq!(live["status"], "offline");
    assert_eq!(status(app, &iccid, "").await.ok(), live, "what was read live is remembered");
}

async fn without_the_operator_the_last_known_figures_are_told(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    let unknown = json!({
        "link_id": link["id"], "iccid": iccid, "status": "unknown", "network": null,
        "ip_address": null, "imei": null, "last_seen_at": null, "checked_at": null, "live": false
    });
    app.operator.faults(json!({"error_rate": 1, "only": ["connectivity"]})).await;
    assert_eq!(status(app, &iccid, "").await.ok(), unknown, "there are none yet");
    app.operator.faults(json!({})).await;
    connectivity(app, &iccid, json!("online")).await;
    let mut known = status(app, &iccid, "").await.ok();
    assert_eq!((&known["status"], &known["live"]), (&json!("online"), &json!(true)));
    known["live"] = json!(false);
    connectivity(app, &iccid, json!("offline")).await;
    for faults in
        [json!({"down": true}), json!({"error_rate": 1}), json!({"wrapped_error_rate": 1})]
    {
        app.operator.faults(faults).await;
        eventually("what was cached is too old", async || {
            status(app, &iccid, "").await.ok()["live"] == false
        })
        .await;
        assert_eq!(status(app, &iccid, "").await.ok(), known);
        status(app, &iccid, "?live=true").await.fails(502, "PROVIDER_ERROR");
    }
    // Another process, which never asked, and cannot.
    app.restart(|config| config.operator.url = Some("http://127.0.0.1:1".parse().unwrap())).await;
    assert_eq!(status(app, &iccid, "").await.ok(), known);
    let refused = status(app, &iccid, "?live=true").await;
    refused.fails(503, "PROVIDER_UNAVAILABLE");
    assert!(refused.header("retry-after").is_some());
    let url = app.operator.url().parse().unwrap();
    app.restart(|config| config.operator.url = Some(url)).await;
    app.operator.faults(json!({})).await;
    assert_eq!(status(app, &iccid, "?live=true").await.ok()["status"], "offline");
}

async fn a_link_that_is_gone_upstream_is_offline_for_good(app: &mut TestApp) {
    let (link, iccid) = a_link(app).await;
    connectivity(app, &iccid, json!("online")).await;
    let online = status(app, &iccid, "").await.ok();
    app.operator.set_status(&iccid, "terminated").await;
    eventually("it is inactive", async || app.acme.show(&link).await["status"] == "inactive").await;
    app.operator.faults(json!({"down": true})).await;
    for query in ["", "?live=true"] {
        let shown = status(app, &iccid, query).await.ok();
        assert_eq!((&shown["status"], &shown["network"]), (&json!("offline"), &Value::Null));
        assert_eq!((&shown["imei"], &shown["live"]), (&online["imei"], &json!(true)));
        assert_eq!(shown["last_seen_at"], online["last_seen_at"]);
    }
    app.operator.faults(json!({})).await;
}

async fn what_live_is_must_be_said_plainly(app: &mut TestApp) {
    let (_, iccid) = a_link(app).await;
    for query in ["?live=1", "?live=", "?live=yes", "?live=true&live=true", "?live=%ff"] {
        status(app, &iccid, query).await.names_field("live");
    }
}

on_both! {
    AMPLE:
    it_tells_where_the_card_is,
    a_network_that_we_do_not_know_is_told_by_its_codes,
    many_readers_of_one_link_share_one_look,
    without_the_operator_the_last_known_figures_are_told,
    a_link_that_is_gone_upstream_is_offline_for_good,
    what_live_is_must_be_said_plainly,
}

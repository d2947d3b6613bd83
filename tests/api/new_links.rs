//! `POST /links`: what it takes, what it refuses, and what a refusal leaves behind.

use crate::app::{TestApp, id};
use crate::on_both;
use serde_json::{Value, json};

async fn an_esim_comes_with_all_that_installs_it(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let lpa = link["lpa_profile"].as_str().unwrap();
    let parts: Vec<_> = lpa.split('$').collect();
    assert!(
        parts.len() == 3 && parts[0] == "LPA:1" && !parts[1].is_empty() && !parts[2].is_empty()
    );
    let encoded = lpa.replace(':', "%3A").replace('$', "%24");
    for (field, host) in [("apple_activation_url", "apple"), ("android_activation_url", "android")]
    {
        let url =
            format!("https://esimsetup.{host}.com/esim_qrcode_provisioning?carddata={encoded}");
        assert_eq!(link[field], url);
    }
    assert_eq!(link["activation_url"], link["apple_activation_url"]);
    assert!(
        link["qr_code_url"].as_str().unwrap().ends_with(&format!("/links/{}/qr-code", id(&link)))
    );
    assert_eq!(link["esim_profile"]["state"], "released");
    let iccid = link["iccid"].as_str().unwrap();
    assert!((19..=20).contains(&iccid.len()) && iccid.bytes().all(|byte| byte.is_ascii_digit()));
    let other = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    assert_ne!(other["iccid"], link["iccid"]);
    let usage = &link["usage"];
    assert_eq!((&usage["data_total_mb"], &usage["data_used_mb"]), (&json!(1000), &json!(0)));
    assert_eq!(usage["live"], true);
}

async fn names_are_any_text_of_a_hundred_characters_or_none(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let longest = "é🛰".repeat(50);
    for name in [json!(longest), json!("a\u{202e}b '\"%_\\ <b>"), Value::Null] {
        let link = app.acme.post("/links", json!({"plan_id": plan["id"], "name": name})).await;
        let link = link.expect(201);
        assert_eq!(link["name"], name);
        assert_eq!(app.acme.show(&link).await["name"], name);
    }
}

async fn what_is_no_new_link_is_refused_by_field(app: &mut TestApp) {
    let plan = id(&app.plan("France 1 GB, 7 days").await).to_owned();
    let too_long = "x".repeat(101);
    for (body, field) in [
        (json!({}), "plan_id"),
        (json!({"plan_id": null}), "plan_id"),
        (json!({"plan_id": 7}), "plan_id"),
        (json!({"plan_id": "no-uuid"}), "plan_id"),
        (json!({"plan_id": plan, "name": 7}), "name"),
        (json!({"plan_id": plan, "name": too_long}), "name"),
        (json!({"plan_id": plan, "name": "a\u{0}b"}), "name"),
        (json!({"plan_id": plan, "name": "a\nb"}), "name"),
        (json!({"plan_id": plan, "colour": "red"}), "colour"),
        (json!([plan]), "body"),
    ] {
        let answer = app.acme.post("/links", body.clone()).await;
        answer.names_field(field);
        assert!(answer.header("operation-id").is_none(), "{body}");
    }
    assert_eq!(app.acme.balance().await, "1000.00");
    assert_eq!(app.acme.total("/operations").await, 0);
}

async fn a_plan_that_is_unknown_or_not_enabled_is_not_found(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let link = app.acme.link(&plan).await;
    let foreign = app.acme.topups(&link).await[0].clone();
    app.sql("UPDATE organization_plans SET enabled = FALSE".to_owned()).await;
    for unknown in ["0195c5d4-1111-7000-8000-000000000000", id(&foreign)] {
        let answer = app.acme.post("/links", json!({"plan_id": unknown})).await;
        // What an organization may buy is known anew within a second.
        if answer.status == 201 {
            continue;
        }
        answer.fails(404, "PLAN_NOT_FOUND");
    }
    crate::app::eventually("the plan is no longer sold", async || {
        app.acme.get(&format!("/plans/{}", id(&foreign))).await.status == 404
    })
    .await;
    app.acme.get(&format!("/plans/{}", id(&foreign))).await.fails(404, "PLAN_NOT_FOUND");
    app.acme.get("/plans/no-uuid").await.fails(404, "PLAN_NOT_FOUND");
}

async fn a_charge_that_the_balance_does_not_cover_changes_nothing(app: &mut TestApp) {
    let globex = &app.globex;
    let mut plans = globex.walk("/plans?coverage_type=global", 100).await;
    let price = |plan: &Value| plan["retail_price"].as_str().unwrap().parse::<f64>().unwrap();
    plans.sort_by(|a, b| price(a).total_cmp(&price(b)));
    // One fits, ten more of it do not.
    let cheap = plans.iter().find(|plan| price(plan) > 5.0).unwrap();
    let dear = plans.last().unwrap();
    assert_eq!(dear["currency"], "EUR");
    let body = json!({"plan_id": dear["id"]});
    let answer = globex.keyed_post("/links", body.clone(), "dear").await;
    answer.fails(402, "INSUFFICIENT_BALANCE");
    assert_eq!(answer.details()["balance"], "50.00");
    assert_eq!(answer.details()["required"], dear["retail_price"]);
    assert!(answer.header("operation-id").is_none());
    assert_eq!(globex.balance().await, "50.00");
    assert_eq!((globex.total("/links").await, globex.total("/operations").await), (0, 0));
    assert!(app.operator.journal(None).await.is_empty());

    // No trace, so the key is free for another intent.
    let body = json!({"plan_id": cheap["id"]});
    let link = globex.keyed_post("/links", body, "dear").await.expect(201);
    let (kept, cost) = (globex.balance().await, price(cheap));
    assert_eq!(kept, format!("{:.2}", 50.0 - cost));
    // All of several, or none.
    let many = vec![cheap; 10];
    globex.add(&link, &many).await.fails(402, "INSUFFICIENT_BALANCE");
    assert_eq!(globex.balance().await, kept);
    assert_eq!(globex.show(&link).await["activations"].as_array().unwrap().len(), 1);
}

on_both! {
    AMPLE:
    an_esim_comes_with_all_that_installs_it,
    names_are_any_text_of_a_hundred_characters_or_none,
    what_is_no_new_link_is_refused_by_field,
    a_plan_that_is_unknown_or_not_enabled_is_not_found,
    a_charge_that_the_balance_does_not_cover_changes_nothing,
}

//! `POST /links` with `iccid`: Links on the physical cards of an organization's stock.

use crate::app::{Answer, Caller, TestApp, eventually};
use crate::on_both;
use bappy::store::stock::{self, StockCard};
use serde_json::{Value, json};

/// The stock of an organization, by slug.
async fn stock(app: &TestApp, slug: &str) -> Vec<StockCard> {
    let mut tx = app.database.read().await.unwrap();
    let found = bappy::store::organizations::by_slug(&mut tx, slug).await.unwrap().unwrap();
    stock::list(&mut tx, found.id).await.unwrap()
}

async fn state(app: &TestApp, iccid: &str) -> String {
    let cards = stock(app, "acme").await;
    cards.into_iter().find(|card| card.iccid == iccid).unwrap().state
}

/// A plan that runs on a card.
async fn plan_for(caller: &Caller, card: &StockCard) -> Value {
    let plans = caller.get(&format!("/plans?sponsor_profile={}", card.sponsor)).await.ok();
    plans["data"][0].clone()
}

async fn create(caller: &Caller, plan: &Value, iccid: &str) -> Answer {
    caller.post("/links", json!({"plan_id": plan["id"], "iccid": iccid})).await
}

async fn a_card_of_the_stock_becomes_a_link(app: &mut TestApp) {
    let card = stock(app, "acme").await[0].clone();
    let plan = plan_for(&app.acme, &card).await;
    let body = json!({"plan_id": plan["id"], "iccid": card.iccid, "name": "van"});
    let made = app.acme.keyed_post("/links", body.clone(), "van").await;
    let operation = made.operation_id().to_owned();
    let link = made.expect(201);
    assert_eq!((&link["iccid"], &link["type"]), (&json!(card.iccid), &json!("physical")));
    assert_eq!(link["amount_charged"], plan["retail_price"]);
    for field in [
        "lpa_profile",
        "activation_url",
        "apple_activation_url",
        "android_activation_url",
        "qr_code_url",
        "esim_profile",
    ] {
        assert_eq!(link[field], Value::Null, "{field}");
        assert_eq!(app.acme.show(&link).await[field], Value::Null, "{field}");
    }
    assert_eq!(app.operator.endpoint(&card.iccid).await["reference"], operation);
    assert_eq!(state(app, &card.iccid).await, "used");
    let balance = app.acme.balance().await;

    let again = app.acme.keyed_post("/links", body, "van").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.expect(201), link);
    create(&app.acme, &plan, &card.iccid).await.fails(422, "INVALID_STATE");
    assert_eq!(app.acme.balance().await, balance);
    let listed = app.acme.get("/links?type=physical").await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    // It is a Link like another.
    let added = app.acme.add(&link, &[&plan]).await.ok();
    assert_eq!(added["added"][0]["status"], "active");
    let path = format!("/links/{}", card.iccid);
    assert_eq!(app.acme.put(&path, json!({"status": "suspended"})).await.ok()["id"], link["id"]);
}

async fn a_card_that_cannot_be_had_is_refused_before_any_charge(app: &mut TestApp) {
    let card = stock(app, "acme").await[0].clone();
    let foreign = stock(app, "globex").await[0].clone();
    let plan = plan_for(&app.acme, &card).await;
    let esim = app.acme.link(&plan).await;
    let balance = app.acme.balance().await;
    // Unknown, another organization's, an eSIM of our own.
    for iccid in ["8999999999999999999", &foreign.iccid, esim["iccid"].as_str().unwrap()] {
        create(&app.acme, &plan, iccid).await.fails(404, "NOT_FOUND");
    }
    for iccid in ["", "89", "891100000000000000000", "89110000000000000a1"] {
        create(&app.acme, &plan, iccid).await.names_field("iccid");
    }
    let body = json!({"plan_id": plan["id"], "iccid": 8_911_000_000_000_000_001_u64});
    app.acme.post("/links", body).await.names_field("iccid");
    let mut plans = app.acme.walk("/plans", 100).await.into_iter();
    let other = plans.find(|plan| plan["sponsor_profiles"][0]["id"] != card.sponsor).unwrap();
    create(&app.acme, &other, &card.iccid).await.fails(422, "INVALID_PLAN");
    let unknown = json!({"id": "0195c5d4-1111-7000-8000-000000000000"});
    create(&app.acme, &unknown, &card.iccid).await.fails(404, "PLAN_NOT_FOUND");
    assert_eq!(app.acme.balance().await, balance);
    assert_eq!(app.acme.total("/operations").await, 1);
    assert_eq!(state(app, &card.iccid).await, "free");
    // A balance that does not cover it leaves the card where it was.
    let foreign_plan = plan_for(&app.globex, &foreign).await;
    app.sql("UPDATE organization_plans SET price = 900000000".to_owned()).await;
    eventually("the price is known", async || {
        create(&app.globex, &foreign_plan, &foreign.iccid).await.status == 402
    })
    .await;
    assert_eq!(stock(app, "globex").await[0].state, "free");
    // Absent and null are the same.
    app.sql("UPDATE organization_plans SET price = 1000000".to_owned()).await;
    let body = json!({"plan_id": plan["id"], "iccid": null});
    assert_eq!(app.acme.post("/links", body).await.expect(201)["type"], "esim");
}

async fn of_many_creations_on_one_card_one_succeeds(app: &mut TestApp) {
    let (other, caller) = app.another().await;
    let cards = stock(app, "acme").await;
    let plan = plan_for(&app.acme, &cards[0]).await;
    for (card, key) in [(&cards[0], None), (&cards[1], Some("one"))] {
        let body = json!({"plan_id": plan["id"], "iccid": card.iccid});
        let calls = (0..12).map(|n| {
            let caller = if n % 2 == 0 { &app.acme } else { &caller };
            caller.send(reqwest::Method::POST, "/links", Some(body.clone()), key)
        });
        let answers = futures_util::future::join_all(calls).await;
        let mut charged = 0;
        for answer in &answers {
            match answer.status {
                201 if answer.header("idempotent-replayed").is_none() => charged += 1,
                // The same intent again is told the same.
                201 => assert!(key.is_some()),
                409 => answer.fails(409, "OPERATION_IN_PROGRESS"),
                _ => {
                    assert!(key.is_none());
                    answer.fails(422, "INVALID_STATE");
                }
            }
        }
        assert_eq!(charged, 1);
    }
    assert_eq!((app.acme.total("/links").await, app.acme.total("/operations").await), (2, 2));
    other.stop().await;
}

async fn a_refunded_card_goes_back_into_the_stock_once_nothing_is_left_of_it(app: &mut TestApp) {
    let card = stock(app, "acme").await[0].clone();
    let plan = plan_for(&app.acme, &card).await;
    let balance = app.acme.balance().await;
    let only = json!(["create_endpoint", "find_endpoint"]);
    // Nothing is done, or something is done and never told; nor can either be seen.
    for (faults, code) in [
        (json!({"error_rate": 1, "only": only}), "PROVISIONING_ERROR"),
        (json!({"hang_rate": 1, "only": only}), "PROVISIONING_FAILED"),
    ] {
        app.operator.faults(faults).await;
        create(&app.acme, &plan, &card.iccid).await.fails(502, code);
        assert_eq!(app.acme.balance().await, balance);
        assert_eq!(state(app, &card.iccid).await, "claimed");
        create(&app.acme, &plan, &card.iccid).await.fails(422, "INVALID_STATE");
        app.operator.faults(json!({})).await;
        eventually("the card is back in the stock", async || {
            state(app, &card.iccid).await == "free"
        })
        .await;
        assert_eq!(app.operator.endpoint(&card.iccid).await, Value::Null);
    }
    // A definite no needs no watch.
    app.sql("UPDATE plans SET operator_plan_id = 'gone-' || operator_plan_id".to_owned()).await;
    app.restart(|_| {}).await;
    create(&app.acme, &plan, &card.iccid).await.fails(502, "PROVISIONING_ERROR");
    assert_eq!(state(app, &card.iccid).await, "free");
    assert_eq!(app.acme.balance().await, balance);
    app.sql("UPDATE plans SET operator_plan_id = SUBSTR(operator_plan_id, 6)".to_owned()).await;
    app.restart(|_| {}).await;
    create(&app.acme, &plan, &card.iccid).await.expect(201);
}

on_both! {
    AMPLE:
    a_card_of_the_stock_becomes_a_link,
    a_card_that_cannot_be_had_is_refused_before_any_charge,
    of_many_creations_on_one_card_one_succeeds,
}

mod watched {
    use super::a_refunded_card_goes_back_into_the_stock_once_nothing_is_left_of_it;

    crate::on_both! {
        SHORT: a_refunded_card_goes_back_into_the_stock_once_nothing_is_left_of_it
    }
}

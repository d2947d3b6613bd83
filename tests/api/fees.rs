//! Monthly fees: charged once, suspended where they are not covered, paid to be reactivated.

use crate::app::{Answer, TestApp, eventually, id};
use crate::on_both;
use bappy::app::credit;
use bappy_actors::billing::Tally;
use bappy_actors::model::{EntryId, EntryKind, Money, Month};
use bappy_actors::wallet::{Command, Credit};
use serde_json::{Value, json};

/// The month after the one that Links of this test are created in.
fn first_month() -> Month {
    let now = std::time::SystemTime::now();
    Month::of(now.into()).next()
}

/// Runs the fees of acme's Links.
async fn run(app: &TestApp, month: Month) -> Tally {
    let fees = &app.core().fees;
    let found = {
        let mut tx = app.database.read().await.unwrap();
        bappy::store::organizations::by_slug(&mut tx, "acme").await.unwrap().unwrap()
    };
    let mut payers = fees.payers(None, None).await.unwrap();
    payers.retain(|payer| payer.org == found.id);
    let Some(payer) = payers.pop() else { return Tally::default() };
    let estimate = fees.estimate(payer, month, |_| {}).await.unwrap();
    let tally = fees.charge(payer, month, |_| {}).await.unwrap();
    assert_eq!(estimate, tally, "the dry run tells what is done");
    tally
}

async fn price(app: &TestApp, price: &str) {
    let micros = price.parse::<Money>().unwrap().micros();
    app.sql(format!("UPDATE organizations SET price_per_link = {micros}")).await;
}

/// Changes acme's balance by hand.
async fn adjust(app: &TestApp, amount: &str) {
    let parts = bappy::app::open(&app.config).await.unwrap();
    let mut tx = parts.database.read().await.unwrap();
    let acme = bappy::store::organizations::by_slug(&mut tx, "acme").await.unwrap().unwrap();
    drop(tx);
    let adjustment = Command::Credit(Credit {
        entry_id: EntryId(parts.ids.next()),
        kind: EntryKind::Adjustment,
        amount: amount.parse().unwrap(),
        reference: None,
        description: "for a test".to_owned(),
    });
    credit(&parts, acme.id, adjustment).await.unwrap();
    parts.database.close().await;
}

/// Takes all but this out of acme's wallet.
async fn leave(app: &TestApp, amount: &str) {
    let (left, balance): (Money, Money) =
        (amount.parse().unwrap(), app.acme.balance().await.parse().unwrap());
    adjust(app, &left.checked_sub(balance).unwrap().to_string()).await;
    assert_eq!(app.acme.balance().await, amount);
}

async fn set(app: &TestApp, link: &Value, status: &str) -> Answer {
    app.acme.put(&format!("/links/{}", id(link)), json!({"status": status})).await
}

/// The status of a Link, with us and at the operator.
async fn statuses(app: &TestApp, link: &Value) -> (Value, Value) {
    let endpoint = app.operator.endpoint(link["iccid"].as_str().unwrap()).await;
    (app.acme.show(link).await["status"].clone(), endpoint["status"].clone())
}

async fn is_everywhere(app: &TestApp, link: &Value, status: &str) {
    eventually(status, async || statuses(app, link).await == (json!(status), json!(status))).await;
}

/// The fees of a Link in its history, newest first.
async fn fees(app: &TestApp, link: &Value) -> Vec<Value> {
    app.acme.walk(&format!("/links/{}/history?type=link_fee", id(link)), 100).await
}

/// A Link that owes 0.50, suspended, and nothing in the wallet.
async fn owing(app: &TestApp) -> Value {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    price(app, "0.50").await;
    leave(app, "0.49").await;
    let tally = run(app, first_month()).await;
    assert_eq!((tally.charged, tally.suspended, tally.left), (0, 1, 0));
    is_everywhere(app, &link, "suspended").await;
    link
}

async fn each_link_costs_its_fee_once_a_month(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let (link, off, gone) =
        (app.acme.link(&plan).await, app.acme.link(&plan).await, app.acme.link(&plan).await);
    set(app, &off, "suspended").await.ok();
    app.operator.set_status(gone["iccid"].as_str().unwrap(), "terminated").await;
    eventually("the Link is inactive", async || app.acme.show(&gone).await["status"] == "inactive")
        .await;
    price(app, "0").await;
    assert_eq!(run(app, first_month()).await, Tally::default());
    price(app, "0.50").await;
    let before: Money = app.acme.balance().await.parse().unwrap();
    // The month of their creation is free.
    let created = Month::of(std::time::SystemTime::now().into());
    assert_eq!(run(app, created).await.charged, 0);
    let tally = run(app, first_month()).await;
    assert_eq!((tally.links, tally.charged, tally.amount.to_string().as_str()), (3, 2, "1.00"));
    for _ in 0..2 {
        let again = run(app, first_month()).await;
        assert_eq!((again.charged, again.decided, again.suspended), (0, 2, 0));
    }
    let charged = app.acme.balance().await.parse::<Money>().unwrap();
    assert_eq!(before.checked_sub(charged).unwrap().to_string(), "1.00");
    assert_eq!(run(app, first_month().next()).await.charged, 2);
    for link in [&link, &off] {
        let fees = fees(app, link).await;
        assert_eq!(fees.len(), 2);
        let fee = &fees[1];
        assert_eq!((&fee["type"], &fee["amount"]), (&json!("link_fee"), &json!("-0.50")));
        assert_eq!((&fee["link_id"], &fee["iccid"]), (&link["id"], &link["iccid"]));
        assert_eq!(fee["description"], format!("Link fee: {}", first_month()));
        assert!(fee["operation_id"].is_null() && fee["plan_id"].is_null());
    }
    assert!(fees(app, &gone).await.is_empty());
    // One that its partner has suspended owes nothing.
    let balance = app.acme.balance().await;
    set(app, &off, "active").await.ok();
    assert_eq!(app.acme.balance().await, balance);
}

async fn a_link_that_cannot_pay_is_suspended_until_it_does(app: &mut TestApp) {
    let link = owing(app).await;
    // No further fee falls due meanwhile.
    let later = run(app, first_month().next()).await;
    assert_eq!((later.charged, later.suspended, later.waived), (0, 0, 1));
    assert_eq!(run(app, first_month()).await.decided, 1);
    let operations = app.acme.total("/operations").await;
    let path = format!("/links/{}", id(&link));
    let on = json!({"status": "active", "name": "back"});
    let refused = app.acme.keyed_put(&path, on.clone(), "on").await;
    refused.fails(402, "INSUFFICIENT_BALANCE");
    assert_eq!(refused.details()["required"], "0.50");
    assert!(refused.header("operation-id").is_none());
    assert_eq!(app.acme.total("/operations").await, operations);
    assert_eq!(statuses(app, &link).await, (json!("suspended"), json!("suspended")));
    // Another name is no reactivation.
    app.acme.put(&path, json!({"name": "off"})).await.ok();

    adjust(app, "1.00").await;
    let told = app.acme.keyed_put(&path, on.clone(), "on").await;
    let operation = told.operation_id().to_owned();
    let told = told.ok();
    assert_eq!((&told["status"], &told["name"]), (&json!("active"), &json!("back")));
    assert_eq!(app.acme.balance().await, "0.99");
    assert_eq!(statuses(app, &link).await, (json!("active"), json!("active")));
    let again = app.acme.keyed_put(&path, on, "on").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.ok()["status"], "active");
    let fees = fees(app, &link).await;
    assert_eq!(fees.len(), 1);
    assert_eq!(fees[0]["description"], format!("Link fee: {}", first_month()));
    assert_eq!(
        (&fees[0]["amount"], &fees[0]["operation_id"]),
        (&json!("-0.50"), &json!(operation))
    );
    let shown = app.acme.get(&format!("/operations/{operation}")).await.ok();
    assert_eq!((&shown["kind"], &shown["amount"]), (&json!("update_link"), &json!("0.50")));
    assert_eq!(shown["state"], "succeeded");

    // What was paid is paid, and what did not fall due does not come back.
    set(app, &link, "suspended").await.ok();
    set(app, &link, "active").await.ok();
    assert_eq!(run(app, first_month()).await.decided, 1);
    assert_eq!(run(app, first_month().next()).await.decided, 1);
    assert_eq!(app.acme.balance().await, "0.99");
    assert_eq!(run(app, first_month().next().next()).await.charged, 1);
    assert_eq!(app.acme.balance().await, "0.49");
}

async fn of_many_reactivations_one_pays(app: &mut TestApp) {
    let link = owing(app).await;
    adjust(app, "10.00").await;
    let (other, caller) = app.another().await;
    let path = format!("/links/{}", id(&link));
    let calls = (0..8).map(|n| {
        let caller = if n % 2 == 0 { &app.acme } else { &caller };
        caller.put(&path, json!({"status": "active"}))
    });
    let answers = futures_util::future::join_all(calls).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    // Another instance may take the Link for suspended a second longer, and then does nothing.
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.fails(422, "INVALID_STATUS_CHANGE");
    }
    assert!((1..=2).contains(&done), "{done}");
    assert_eq!(app.acme.balance().await, "9.99");
    assert_eq!(fees(app, &link).await.len(), 1);
    assert_eq!(statuses(app, &link).await, (json!("active"), json!("active")));
    other.stop().await;
}

async fn of_several_links_those_are_suspended_that_the_balance_does_not_cover(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let mut links = Vec::new();
    for _ in 0..5 {
        links.push(app.acme.link(&plan).await);
    }
    set(app, &links[4], "suspended").await.ok();
    price(app, "0.50").await;
    leave(app, "1.20").await;
    let tally = run(app, first_month()).await;
    assert_eq!((tally.charged, tally.suspended, tally.left), (2, 3, 0));
    assert_eq!(app.acme.balance().await, "0.20");
    for (place, link) in links.iter().enumerate() {
        let status = if place < 2 { "active" } else { "suspended" };
        is_everywhere(app, link, status).await;
    }
    // The one that its partner had suspended owes its fee as well.
    eventually("nothing runs on it", async || set(app, &links[4], "active").await.status == 402)
        .await;
}

async fn a_reactivation_that_fails_is_given_back_and_undone(app: &mut TestApp) {
    let link = owing(app).await;
    adjust(app, "1.00").await;
    let only = json!(["set_status"]);
    for (faults, code) in [
        (json!({"error_rate": 1, "only": only}), "PROVISIONING_ERROR"),
        (json!({"lost_response_rate": 1, "only": only}), "PROVISIONING_FAILED"),
        (json!({"hang_rate": 1, "only": only}), "PROVISIONING_FAILED"),
    ] {
        app.operator.faults(faults).await;
        let answer = set(app, &link, "active").await;
        answer.fails(502, code);
        assert_eq!(app.acme.balance().await, "1.49");
        let shown = app.acme.get(&format!("/operations/{}", answer.operation_id())).await.ok();
        assert_eq!(shown["state"], "refunded");
        assert_eq!(app.acme.show(&link).await["status"], "suspended");
        app.operator.faults(json!({})).await;
        // A change of the Link waits for the one that suspends it again.
        eventually("nothing runs on the Link", async || {
            bappy::store::audit::audit(&app.database, None).await.unwrap().in_flight == 0
        })
        .await;
        is_everywhere(app, &link, "suspended").await;
        eventually("nothing runs on the Link", async || {
            bappy::store::audit::audit(&app.database, None).await.unwrap().in_flight == 0
        })
        .await;
    }
    let history = format!("/links/{}/history", id(&link));
    assert_eq!(app.acme.total(&format!("{history}?type=link_fee")).await, 3);
    // Another attempt is a new one, and nothing of the earlier ones undoes it.
    eventually("the Link is active", async || set(app, &link, "active").await.status == 200).await;
    assert_eq!(app.acme.balance().await, "0.99");
    eventually("nothing is watched any more", async || {
        let found = bappy::store::audit::audit(&app.database, None).await.unwrap();
        found.in_flight == 0 && found.watched == 0
    })
    .await;
    assert_eq!(statuses(app, &link).await, (json!("active"), json!("active")));
}

async fn an_operator_that_is_down_is_told_when_it_is_back(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    price(app, "0.50").await;
    leave(app, "0.49").await;
    app.operator.faults(json!({"down": true})).await;
    assert_eq!(run(app, first_month()).await.suspended, 1);
    // Nothing more falls due, whatever runs meanwhile.
    let fees = &app.core().fees;
    let payers = fees.payers(None, None).await.unwrap();
    for payer in payers {
        let tally = fees.charge(payer, first_month(), |_| {}).await.unwrap();
        assert_eq!((tally.charged, tally.suspended, tally.left), (0, 0, 0));
    }
    // Across a restart, too.
    app.restart(|_| {}).await;
    app.operator.faults(json!({})).await;
    is_everywhere(app, &link, "suspended").await;
    set(app, &link, "active").await.fails(402, "INSUFFICIENT_BALANCE");
}

on_both! {
    AMPLE:
    each_link_costs_its_fee_once_a_month,
    a_link_that_cannot_pay_is_suspended_until_it_does,
    of_many_reactivations_one_pays,
    of_several_links_those_are_suspended_that_the_balance_does_not_cover,
}

mod failing {
    use super::{
        a_reactivation_that_fails_is_given_back_and_undone,
        an_operator_that_is_down_is_told_when_it_is_back,
    };

    crate::on_both! {
        SHORT:
        a_reactivation_that_fails_is_given_back_and_undone,
        an_operator_that_is_down_is_told_when_it_is_back,
    }
}

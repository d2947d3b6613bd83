//! SMS: charged when queued, handed over once, given back where that fails.

use crate::app::{Answer, Caller, TestApp, eventually, id};
use crate::on_both;
use bappy_actors::model::Money;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

async fn link(app: &TestApp, caller: &Caller) -> Value {
    caller.link(&app.plan("France 1 GB, 7 days").await).await
}

fn to(link: &Value, message: &str) -> Value {
    json!({"link_id": link["id"], "message": message})
}

async fn send(caller: &Caller, link: &Value, message: &str) -> Value {
    caller.post("/sms", to(link, message)).await.expect(202)
}

/// What an SMS costs acme.
async fn price(caller: &Caller) -> Money {
    let pricing = caller.get("/organization").await.ok()["pricing"].clone();
    pricing["price_per_sms"].as_str().unwrap().parse().unwrap()
}

async fn balance(caller: &Caller) -> Money {
    caller.balance().await.parse().unwrap()
}

async fn until(caller: &Caller, sms: &Value, status: &str) {
    eventually(status, async || {
        let all = caller.walk("/sms", 100).await;
        all.iter().any(|row| row["id"] == sms["id"] && row["status"] == status)
    })
    .await;
}

/// The SMS that the operator took, by their references.
async fn handed_over(app: &TestApp) -> Vec<String> {
    let journal = app.operator.journal(None).await;
    let sent = journal.iter().filter(|entry| entry["operation"] == "send_sms");
    sent.map(|entry| entry["reference"].as_str().unwrap().to_owned()).collect()
}

async fn a_message_is_charged_queued_and_delivered(app: &mut TestApp) {
    let acme = &app.acme;
    let link = link(app, acme).await;
    let (before, price) = (balance(acme).await, price(acme).await);
    let answer = acme.post("/sms", to(&link, "Grüße\n🙂")).await;
    assert!(answer.header("idempotent-replayed").is_none());
    assert_eq!(answer.operation_id(), id(answer.data()));
    let sms = answer.expect(202);
    let fields: Vec<_> = sms.as_object().unwrap().keys().map(String::as_str).collect();
    let all =
        ["amount_charged", "created_at", "currency", "iccid", "id", "link_id", "message", "status"];
    assert_eq!(fields.into_iter().collect::<BTreeSet<_>>(), all.into_iter().collect());
    let expected = json!({
        "id": sms["id"], "link_id": link["id"], "iccid": link["iccid"], "message": "Grüße\n🙂",
        "status": "queued", "amount_charged": price.to_string(), "currency": "USD",
        "created_at": sms["created_at"],
    });
    assert_eq!(sms, expected);
    let after = before.checked_sub(price).unwrap();
    assert_eq!(balance(acme).await, after);

    let by_iccid = json!({"link_id": link["iccid"], "message": "second"});
    let second = acme.post("/sms", by_iccid).await.expect(202);
    assert_eq!(second["link_id"], link["id"]);
    until(acme, &sms, "delivered").await;
    until(acme, &second, "delivered").await;
    assert_eq!(balance(acme).await, after.checked_sub(price).unwrap());
    let sent: BTreeSet<_> = handed_over(app).await.into_iter().collect();
    assert_eq!(sent, [id(&sms).to_owned(), id(&second).to_owned()].into_iter().collect());
    assert_eq!(handed_over(app).await.len(), 2);

    let history = acme.get(&format!("/links/{}/history?type=sms", id(&link))).await.ok();
    assert_eq!(history["meta"]["total"], 2);
    let entry = &history["data"][1];
    assert_eq!(entry["amount"], price.negated().to_string());
    assert_eq!((&entry["operation_id"], &entry["iccid"]), (&sms["id"], &link["iccid"]));
    assert!(!history.to_string().contains("second"), "the ledger does not keep the text");
    let operations = acme.get("/operations?kind=send_sms").await.ok();
    assert_eq!(operations["meta"]["total"], 2);
    assert_eq!(operations["data"][1]["state"], "succeeded");
    assert_eq!(operations["data"][1]["link_id"], link["id"]);
}

async fn a_message_that_the_operator_refuses_is_given_back(app: &mut TestApp) {
    let acme = &app.acme;
    let link = link(app, acme).await;
    let before = balance(acme).await;
    app.operator.set_status(link["iccid"].as_str().unwrap(), "terminated").await;
    let sms = acme.keyed_post("/sms", to(&link, "x"), "k").await;
    until(acme, sms.data(), "failed").await;
    assert_eq!(balance(acme).await, before);
    let operation = acme.get(&format!("/operations/{}", sms.operation_id())).await.ok();
    assert_eq!(operation["state"], "refunded");
    assert_eq!(operation["error"]["code"], "PROVISIONING_ERROR");
    // The attempt was refunded: its key is free again, and the same request tries anew.
    let again = acme.keyed_post("/sms", to(&link, "x"), "k").await;
    assert!(again.status == 202 && again.header("idempotent-replayed").is_none());
    assert_ne!(again.data()["id"], sms.data()["id"]);
    until(acme, again.data(), "failed").await;
    assert!(handed_over(app).await.is_empty());
    // The Link learns of its end when it is looked at.
    assert_eq!(acme.show(&link).await["status"], "inactive");
}

async fn a_repetition_is_told_the_same_however_far_the_message_is(app: &mut TestApp) {
    let acme = &app.acme;
    let link = link(app, acme).await;
    let before = balance(acme).await;
    // Nothing is handed over while the first repetitions come.
    app.operator.faults(json!({"rate_limit_per_second": 1, "only": ["send_sms"]})).await;
    let others: Vec<_> = {
        let mut others = Vec::new();
        for n in 0..3 {
            others.push(send(acme, &link, &format!("other {n}")).await);
        }
        others
    };
    let is_replay = |again: &Answer, first: &Answer| {
        assert_eq!((again.status, again.data()), (202, first.data()));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.operation_id(), first.operation_id());
    };
    let first = acme.keyed_post("/sms", to(&link, "once"), "k").await;
    assert_eq!(first.status, 202);
    is_replay(&acme.keyed_post("/sms", to(&link, "once"), "k").await, &first);
    let other = acme.keyed_post("/sms", to(&link, "twice"), "k").await;
    other.fails(422, "IDEMPOTENCY_MISMATCH");
    app.operator.faults(json!({})).await;
    for sms in others.iter().chain([first.data()]) {
        until(acme, sms, "delivered").await;
    }
    is_replay(&acme.keyed_post("/sms", to(&link, "once"), "k").await, &first);
    assert_eq!(acme.total("/sms").await, 4);
    let price = price(acme).await;
    let spent = Money::checked_sum(std::iter::repeat_n(price, 4)).unwrap();
    assert_eq!(balance(acme).await, before.checked_sub(spent).unwrap());
    assert_eq!(handed_over(app).await.len(), 4);
}

async fn what_cannot_be_sent_is_refused_and_names_its_field(app: &mut TestApp) {
    let acme = &app.acme;
    let link = link(app, acme).await;
    let before = balance(acme).await;
    for message in ["", &"x".repeat(81), &"🙂".repeat(81), "nul\0", "bell\u{7}"] {
        acme.post("/sms", to(&link, message)).await.names_field("message");
    }
    for (body, field) in [
        (json!({"link_id": link["id"]}), "message"),
        (json!({"message": "x"}), "link_id"),
        (json!({"link_id": 7, "message": "x"}), "link_id"),
        (json!({"link_id": link["id"], "message": 7}), "message"),
        (json!({"link_id": link["id"], "message": "x", "from": "me"}), "from"),
    ] {
        acme.post("/sms", body).await.names_field(field);
    }
    let theirs = app.globex.link(&app.globex.plan("France 1 GB, 7 days").await).await;
    for unknown in [
        json!("550e8400-e29b-41d4-a716-446655440000"),
        json!("8901010000000000001"),
        json!("nonsense"),
        theirs["id"].clone(),
        theirs["iccid"].clone(),
    ] {
        let body = json!({"link_id": unknown, "message": "x"});
        acme.post("/sms", body).await.fails(404, "NOT_FOUND");
        let unknown = unknown.as_str().unwrap();
        acme.get(&format!("/sms?link_id={unknown}")).await.fails(404, "NOT_FOUND");
    }
    acme.get("/sms?status=lost").await.names_field("status");
    let path = format!("/links/{}", id(&link));
    acme.put(&path, json!({"status": "suspended"})).await.ok();
    acme.post("/sms", to(&link, "x")).await.fails(422, "INVALID_STATE");
    acme.put(&path, json!({"status": "active"})).await.ok();
    assert_eq!((balance(acme).await, acme.total("/sms").await), (before, 0));
    // As long as it may be, in scalar values and not in bytes.
    let sms = send(acme, &link, &"🙂".repeat(80)).await;
    until(acme, &sms, "delivered").await;
}

async fn the_price_is_the_organizations(app: &mut TestApp) {
    let set = |price: &str| {
        format!("UPDATE organizations SET price_per_sms = {price} WHERE slug = 'globex'")
    };
    app.sql(set("10000000000")).await;
    let globex = app.globex.clone();
    let link = globex.link(&globex.plan("France 1 GB, 7 days").await).await;
    let before = globex.balance().await;
    let refused = globex.post("/sms", to(&link, "x")).await;
    refused.fails(402, "INSUFFICIENT_BALANCE");
    assert_eq!(refused.details()["required"], "10000.00");
    assert!(refused.header("operation-id").is_none());
    // For nothing: there is no line in the ledger.
    app.sql(set("0")).await;
    eventually("the price is known", async || {
        globex.get("/organization").await.ok()["pricing"]["price_per_sms"] == "0.00"
    })
    .await;
    let sms = send(&globex, &link, "x").await;
    assert_eq!(sms["amount_charged"], "0.00");
    until(&globex, &sms, "delivered").await;
    assert_eq!(globex.balance().await, before);
    let history = format!("/links/{}/history?type=sms", id(&link));
    assert_eq!(globex.total(&history).await, 0);
}

async fn messages_are_listed_newest_first(app: &mut TestApp) {
    let acme = &app.acme;
    let (one, two) = (link(app, acme).await, link(app, acme).await);
    let mut sent = Vec::new();
    for n in 0..7 {
        let link = if n % 3 == 0 { &one } else { &two };
        sent.push(send(acme, link, &format!("message {n}")).await);
    }
    for sms in &sent {
        until(acme, sms, "delivered").await;
    }
    sent.reverse();
    let ids = |rows: &[Value]| rows.iter().map(|row| id(row).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&acme.walk("/sms", 2).await), ids(&sent));
    let of_one: Vec<_> = sent.iter().filter(|sms| sms["link_id"] == one["id"]).cloned().collect();
    for name in ["id", "iccid"] {
        let path = format!("/sms?link_id={}", one[name].as_str().unwrap());
        assert_eq!(ids(&acme.walk(&path, 2).await), ids(&of_one));
        assert_eq!(acme.total(&path).await, 3);
        assert_eq!(acme.total(&format!("{path}&status=delivered")).await, 3);
    }
    assert_eq!(acme.total("/sms").await, 7);
    assert_eq!(acme.total("/sms?status=delivered").await, 7);
    assert_eq!(ids(&acme.walk("/sms?status=delivered", 3).await), ids(&sent));
    assert_eq!(acme.total("/sms?status=queued").await, 0);
    let page = acme.get("/sms?page=2&per_page=3").await.ok();
    assert_eq!(ids(page["data"].as_array().unwrap()), ids(&sent[3..6]));
    assert_eq!(app.globex.total("/sms").await, 0, "another organization sees none");
}

async fn a_queue_survives_a_stop(app: &mut TestApp) {
    let patient = |config: &mut bappy::config::Config| {
        config.operator.horizon = Duration::from_mins(1);
    };
    app.restart(patient).await;
    let link = link(app, &app.acme).await;
    app.operator.faults(json!({"rate_limit_per_second": 1, "only": ["send_sms"]})).await;
    let mut queued = Vec::new();
    for n in 0..4 {
        queued.push(send(&app.acme, &link, &format!("message {n}")).await);
    }
    app.restart(|_| {}).await;
    assert!(handed_over(app).await.len() < 4);
    app.operator.faults(json!({})).await;
    for sms in &queued {
        until(&app.acme, sms, "delivered").await;
    }
    let sent: BTreeSet<_> = handed_over(app).await.into_iter().collect();
    assert_eq!((sent.len(), handed_over(app).await.len()), (4, 4));
}

async fn an_answer_that_was_lost_is_found_and_never_sent_again(app: &mut TestApp) {
    let acme = &app.acme;
    let link = link(app, acme).await;
    for fault in ["lost_response_rate", "wrapped_error_rate"] {
        app.operator.faults(json!({fault: 1, "only": ["send_sms"]})).await;
        let sms = send(acme, &link, fault).await;
        until(acme, &sms, "delivered").await;
        assert_eq!(app.operator.journal(Some(id(&sms))).await.len(), 1);
    }
    // One of which nothing was done is given back, once nothing of it can land any more.
    let before = balance(acme).await;
    app.operator.faults(json!({"error_rate": 1, "only": ["send_sms"]})).await;
    let sms = send(acme, &link, "lost").await;
    until(acme, &sms, "failed").await;
    assert_eq!(balance(acme).await, before);
    assert!(app.operator.journal(Some(id(&sms))).await.is_empty());
    let operation = acme.get(&format!("/operations/{}", id(&sms))).await.ok();
    assert_eq!(operation["error"]["code"], "PROVISIONING_FAILED");
}

on_both! { AMPLE:
    a_message_is_charged_queued_and_delivered,
    a_message_that_the_operator_refuses_is_given_back,
    what_cannot_be_sent_is_refused_and_names_its_field,
    the_price_is_the_organizations,
    messages_are_listed_newest_first,
    a_queue_survives_a_stop,
}

mod lost {
    use super::an_answer_that_was_lost_is_found_and_never_sent_again;

    crate::on_both! { MODERATE: an_answer_that_was_lost_is_found_and_never_sent_again }
}

/// With time enough for a queue that is throttled.
mod throttled {
    use crate::app::Timings;
    use std::time::Duration;

    pub const PATIENT: Timings = Timings {
        call_timeout: Duration::from_secs(10),
        deadline: Duration::from_secs(15),
        horizon: Duration::from_mins(1),
    };

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_repetition_is_told_the_same_however_far_the_message_is() {
        use crate::app::{DatabaseKind, TestApp};
        for kind in [DatabaseKind::Sqlite, DatabaseKind::Postgres] {
            let Some(mut app) = TestApp::start(kind, PATIENT).await else { return };
            super::a_repetition_is_told_the_same_however_far_the_message_is(&mut app).await;
            app.finish().await;
        }
    }
}

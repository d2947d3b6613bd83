//! `Idempotency-Key`: at most one success for one intent.

use crate::app::{Answer, TestApp, eventually, id};
use crate::on_both;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{Shutdown, TcpStream};

async fn new_link(app: &TestApp) -> Value {
    json!({"plan_id": app.plan("France 1 GB, 7 days").await["id"]})
}

#[track_caller]
fn is_replay(again: &Answer, first: &Answer) {
    assert_eq!(again.status, first.status);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("operation-id"), first.header("operation-id"));
    assert_eq!(again.data(), first.data());
}

async fn a_success_is_told_again_and_charged_once(app: &mut TestApp) {
    let acme = &app.acme;
    let body = new_link(app).await;
    let made = acme.keyed_post("/links", body.clone(), "make").await;
    assert_eq!(made.status, 201);
    assert!(made.header("idempotent-replayed").is_none());
    let path = format!("/links/{}", id(made.data()));
    let plans = format!("{path}/plans");
    let topup = acme.topups(made.data()).await[0].clone();
    let (add, rename) =
        (json!({"add": [topup["id"]]}), json!({"name": "Ada", "status": "suspended"}));
    let added = acme.keyed_put(&plans, add.clone(), "add").await;
    let remove = json!({"remove": [added.data()["added"][0]["id"]]});
    let removed = acme.keyed_put(&plans, remove.clone(), "remove").await;
    let renamed = acme.keyed_put(&path, rename.clone(), "rename").await;
    for answer in [&added, &removed, &renamed] {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // The Link has changed since, and what it uses too.
    acme.put(&path, json!({"status": "active"})).await.ok();
    let iccid = made.data()["iccid"].as_str().unwrap();
    app.operator.usage(json!({"iccid": iccid, "used_mb": 10})).await;
    acme.show(made.data()).await;
    let balance = acme.balance().await;
    let operations = acme.total("/operations").await;
    for _ in 0..2 {
        is_replay(&acme.keyed_post("/links", body.clone(), "make").await, &made);
        is_replay(&acme.keyed_put(&plans, add.clone(), "add").await, &added);
        is_replay(&acme.keyed_put(&plans, remove.clone(), "remove").await, &removed);
        is_replay(&acme.keyed_put(&path, rename.clone(), "rename").await, &renamed);
    }
    assert_eq!(acme.balance().await, balance);
    assert_eq!(acme.total("/operations").await, operations);
    assert_eq!(acme.show(made.data()).await["status"], "active");
}

async fn a_key_stands_for_one_request(app: &mut TestApp) {
    let acme = &app.acme;
    let body = new_link(app).await;
    let made = acme.keyed_post("/links", body.clone(), "k").await;
    let link = made.data();
    let mut other = body.clone();
    other["name"] = json!("other");
    acme.keyed_post("/links", other, "k").await.fails(422, "IDEMPOTENCY_MISMATCH");
    let rename = json!({"name": "x"});
    let path = format!("/links/{}", id(link));
    acme.keyed_put(&path, rename, "k").await.fails(422, "IDEMPOTENCY_MISMATCH");
    let topup = acme.topups(link).await[0].clone();
    let add = json!({"add": [topup["id"]]});
    let answer = acme.keyed_put(&format!("{path}/plans"), add, "k").await;
    answer.fails(422, "IDEMPOTENCY_MISMATCH");
    // Another organization's key of the same name is another key.
    let theirs = app.globex.keyed_post("/links", body.clone(), "k").await;
    assert!(theirs.status == 201 && theirs.header("idempotent-replayed").is_none());
    assert_ne!(theirs.data()["id"], link["id"]);
    assert_eq!(acme.total("/links").await, 1);
    for key in ["", "a b", "ä", "a/b", &"x".repeat(256)] {
        acme.keyed_post("/links", body.clone(), key).await.names_field("Idempotency-Key");
    }
    acme.keyed_post("/links", body, &"x".repeat(255)).await.expect(201);
}

async fn of_many_calls_under_one_key_one_succeeds(app: &mut TestApp) {
    let body = new_link(app).await;
    let first = app.acme.post("/links", body.clone()).await.expect(201);
    let topup = app.acme.topups(&first).await[0].clone();
    let slow = json!({"p50": 300, "p99": 300});
    app.operator.faults(json!({"latency_ms": slow, "only": ["create_endpoint", "add_plan"]})).await;
    let calls = (0..8).map(|_| app.acme.keyed_post("/links", body.clone(), "make"));
    let (path, add) = (format!("/links/{}/plans", id(&first)), json!({"add": [topup["id"]]}));
    let adds = (0..8).map(|_| app.acme.keyed_put(&path, add.clone(), "add"));
    let (made, added) =
        tokio::join!(futures_util::future::join_all(calls), futures_util::future::join_all(adds),);
    for answers in [made, added] {
        let (done, others): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status < 300);
        assert_eq!(done.len(), 1, "{done:#?}");
        for answer in others {
            answer.fails(409, "OPERATION_IN_PROGRESS");
            assert!(answer.header("retry-after").is_some());
        }
    }
    assert_eq!(app.acme.total("/links").await, 2);
    assert_eq!(app.acme.show(&first).await["activations"].as_array().unwrap().len(), 2);
}

async fn a_refunded_attempt_leaves_its_key_free(app: &mut TestApp) {
    let acme = &app.acme;
    let body = new_link(app).await;
    app.operator.faults(json!({"error_rate": 1, "only": ["create_endpoint"]})).await;
    let failed = acme.keyed_post("/links", body.clone(), "k").await;
    failed.fails(502, "PROVISIONING_ERROR");
    app.operator.faults(json!({})).await;
    let made = acme.keyed_post("/links", body.clone(), "k").await;
    assert_eq!(made.status, 201);
    assert!(made.header("idempotent-replayed").is_none());
    assert_ne!(made.operation_id(), failed.operation_id());
    is_replay(&acme.keyed_post("/links", body, "k").await, &made);
    assert_eq!(acme.total("/operations?idempotency_key=k").await, 2);
    let refunded = acme.get("/operations?idempotency_key=k&state=refunded").await.ok();
    assert_eq!(refunded["data"][0]["id"], failed.operation_id());
}

async fn a_key_stands_for_its_success_whichever_attempt_was_numbered_last(app: &mut TestApp) {
    let acme = &app.acme;
    let body = new_link(app).await;
    let made = acme.keyed_post("/links", body.clone(), "k").await;
    app.operator.faults(json!({"error_rate": 1, "only": ["create_endpoint"]})).await;
    acme.keyed_post("/links", body.clone(), "later").await.fails(502, "PROVISIONING_ERROR");
    // As if it had been numbered after the success, and recorded and refunded before it.
    let sql = "UPDATE operations SET idempotency_key = 'k' WHERE idempotency_key = 'later'";
    app.sql(sql.to_owned()).await;
    is_replay(&acme.keyed_post("/links", body, "k").await, &made);
}

async fn a_client_that_hangs_up_changes_nothing(app: &mut TestApp) {
    let body = new_link(app).await;
    app.acme.post("/links", body.clone()).await.expect(201);
    let slow = json!({"latency_ms": {"p50": 300, "p99": 300}, "only": ["create_endpoint"]});
    app.operator.faults(slow).await;
    let (text, addr, token) = (body.to_string(), app.addr(), app.acme.token.clone());
    let request = format!(
        "POST /v1/links HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: gone\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    eventually("it is debited", async || {
        app.acme.total("/operations?idempotency_key=gone&state=pending").await == 1
    })
    .await;
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    eventually("it has ended", async || {
        app.acme.total("/operations?idempotency_key=gone&state=succeeded").await == 1
    })
    .await;
    let again = app.acme.keyed_post("/links", body, "gone").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(app.acme.total("/links").await, 2);
}

async fn a_running_attempt_is_told_as_pending(app: &mut TestApp) {
    let body = new_link(app).await;
    app.acme.post("/links", body.clone()).await.expect(201);
    let slow = json!({"latency_ms": {"p50": 500, "p99": 500}, "only": ["create_endpoint"]});
    app.operator.faults(slow).await;
    let call = app.acme.keyed_post("/links", body.clone(), "slow");
    let look = async {
        let list = "/operations?idempotency_key=slow";
        eventually("it is debited", async || app.acme.total(list).await == 1).await;
        let operation = app.acme.get(list).await.ok()["data"][0].clone();
        assert_eq!(
            (&operation["state"], &operation["settled_at"]),
            (&json!("pending"), &Value::Null)
        );
        let answer = app.acme.keyed_post("/links", body.clone(), "slow").await;
        answer.fails(409, "OPERATION_IN_PROGRESS");
        assert_eq!(answer.operation_id(), id(&operation));
        operation
    };
    let (answer, operation) = tokio::join!(call, look);
    assert_eq!(answer.operation_id(), id(&operation));
    let done = app.acme.get(&format!("/operations/{}", id(&operation))).await.ok();
    assert_eq!(done["state"], "succeeded");
    assert!(done["settled_at"].is_string());
}

on_both! {
    AMPLE:
    a_success_is_told_again_and_charged_once,
    a_key_stands_for_one_request,
    of_many_calls_under_one_key_one_succeeds,
    a_client_that_hangs_up_changes_nothing,
    a_running_attempt_is_told_as_pending,
}

mod refunded {
    use super::{
        a_key_stands_for_its_success_whichever_attempt_was_numbered_last,
        a_refunded_attempt_leaves_its_key_free,
    };

    crate::on_both! {
        MODERATE:
        a_refunded_attempt_leaves_its_key_free,
        a_key_stands_for_its_success_whichever_attempt_was_numbered_last,
    }
}

//! JSON bodies: content types, syntax, types, fields; idempotency keys.

use serde_json::{Value, json};

use crate::server::{Answer, TestServer};

const PLAN: &str = "550e8400-e29b-41d4-a716-446655440000";

async fn post(server: &TestServer, body: impl Into<reqwest::Body>) -> Answer {
    Answer::to(server.post_json("/links", body)).await
}

#[tokio::test]
async fn a_good_body_is_read() {
    let server = TestServer::start();
    let body = json!({ "plan_id": PLAN, "name": "é", "kind": "esim", "add": [PLAN], "count": 255 });
    let data = post(&server, body.to_string()).await.data();
    assert_eq!(data["name"], "é");
    assert_eq!(data["address"], Value::Null);
}

#[tokio::test]
async fn only_json_in_utf8_is_taken() {
    let server = TestServer::start();
    let body = json!({ "plan_id": PLAN }).to_string();
    let send = |name: &'static str, value: &'static str| {
        let request = server.request(&actix_web::http::Method::POST, "/links");
        Answer::to(request.header(name, value).body(body.clone()))
    };
    for good in [
        "application/json",
        "Application/JSON;charset=utf-8",
        "application/json; charset=\"UTF-8\"",
        "application/json; profile=x",
    ] {
        assert_eq!(send("content-type", good).await.status, 201, "{good}");
    }
    for bad in [
        "",
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
        "application/json, text/plain",
    ] {
        send("content-type", bad).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    send("x-other", "no type at all").await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    let compressed = server.post_json("/links", body.clone()).header("content-encoding", "gzip");
    Answer::to(compressed).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn a_missing_body_is_named() {
    let server = TestServer::start();
    let request = server.request(&actix_web::http::Method::POST, "/links");
    Answer::to(request).await.invalid_fields(&["body"]);
    post(&server, "").await.invalid_fields(&["body"]);
}

#[tokio::test]
async fn malformed_json_is_named_body() {
    let server = TestServer::start();
    for body in ["{", "{\"plan_id\":}", "nul", "{} {}", "{'a':1}", "[1,]", "\"\\ud800\"", "1e999"] {
        post(&server, body).await.invalid_fields(&["body"]);
    }
    post(&server, b"{\"name\":\"\xff\"}".to_vec()).await.invalid_fields(&["body"]);
    post(&server, "[".repeat(60_000)).await.invalid_fields(&["body"]);
    let details = post(&server, "{\n \"plan_id\":}").await.invalid_fields(&["body"]);
    assert_eq!(details["body"][0], "body is not valid JSON at line 2, column 12.");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_named_body() {
    let server = TestServer::start();
    for body in ["null", "1", "\"a\"", &format!("[\"{PLAN}\",null,1,null,null,null]")] {
        let details = post(&server, body.to_owned()).await.invalid_fields(&["body"]);
        assert_eq!(details["body"], json!(["body must be an object."]));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_field_is_said_under_its_path() {
    let server = TestServer::start();
    for (change, field, sentence) in [
        (json!({ "plan_id": null }), "plan_id", "plan_id must be a UUID."),
        (json!({ "plan_id": 5 }), "plan_id", "plan_id must be a UUID."),
        (json!({ "plan_id": "x" }), "plan_id", "plan_id must be a UUID."),
        (json!({ "name": 5 }), "name", "name must be a string."),
        (json!({ "name": ["a"] }), "name", "name must be a string."),
        (json!({ "count": "5" }), "count", "count must be a whole number from 0 to 255."),
        (json!({ "count": 256 }), "count", "count must be a whole number from 0 to 255."),
        (json!({ "count": -1 }), "count", "count must be a whole number from 0 to 255."),
        (json!({ "count": 1.5 }), "count", "count must be a whole number from 0 to 255."),
        (json!({ "kind": "plastic" }), "kind", "kind must be one of esim, physical."),
        (json!({ "kind": {"esim": null} }), "kind", "kind must be one of esim, physical."),
        (json!({ "kind": 1 }), "kind", "kind must be one of esim, physical."),
        (json!({ "add": PLAN }), "add", "add must be a list."),
        (json!({ "add": [PLAN, 1] }), "add[1]", "add[1] must be a UUID."),
        (json!({ "address": [] }), "address", "address must be an object."),
        (json!({ "address": {} }), "address.city", "address.city is required."),
        (json!({ "address": {"city": 1} }), "address.city", "address.city must be a string."),
        (
            json!({ "address": {"city": "a", "zip": 1} }),
            "address.zip",
            "address.zip is not a known field.",
        ),
        (json!({ "colour": "red" }), "colour", "colour is not a known field."),
        (json!({ "count": 0 }), "count", "count must be at least 1."),
    ] {
        let mut body = json!({ "plan_id": PLAN });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let details = post(&server, body.to_string()).await.invalid_fields(&[field]);
        assert_eq!(details[field], json!([sentence]));
    }
    let details = post(&server, "{}").await.invalid_fields(&["plan_id"]);
    assert_eq!(details["plan_id"], json!(["plan_id is required."]));
}

#[tokio::test]
async fn a_repeated_field_is_named_at_any_depth() {
    let server = TestServer::start();
    let body = format!(r#"{{"plan_id":"{PLAN}","name":"a","n\u0061me":"b"}}"#);
    post(&server, body).await.invalid_fields(&["name"]);
    let body = format!(r#"{{"plan_id":"{PLAN}","address":{{"city":"a","city":"a"}}}}"#);
    post(&server, body).await.invalid_fields(&["address.city"]);
}

#[tokio::test]
async fn several_invalid_fields_are_reported_together() {
    let server = TestServer::start();
    let body = json!({ "plan_id": PLAN, "name": "x".repeat(101), "count": 0 });
    post(&server, body.to_string()).await.invalid_fields(&["count", "name"]);
}

#[tokio::test]
async fn a_well_formed_idempotency_key_is_taken_and_any_other_refused() {
    let server = TestServer::start();
    let body = json!({ "plan_id": PLAN }).to_string();
    let with_key = |key: &str| {
        Answer::to(server.post_json("/key", body.clone()).header("idempotency-key", key))
    };
    let none = Answer::to(server.post_json("/key", body.clone())).await;
    assert_eq!(none.data()["key"], Value::Null);
    for key in ["a", "Az09_:.-", &"k".repeat(255)] {
        assert_eq!(with_key(key).await.data()["key"], *key);
    }
    for key in ["", "a b", "a/b", "\"a\"", "a,b", &"k".repeat(256)] {
        with_key(key).await.invalid_fields(&["Idempotency-Key"]);
    }
    let twice = server.post_json("/key", body.clone()).header("idempotency-key", "a");
    let twice = Answer::to(twice.header("idempotency-key", "a")).await;
    twice.invalid_fields(&["Idempotency-Key"]);
}

#[tokio::test]
async fn the_same_request_written_differently_has_the_same_digest() {
    let server = TestServer::start();
    let digest = async |path: &str, body: String| {
        Answer::to(server.post_json(path, body)).await.data()["digest"].clone()
    };
    let plain = digest("/key", format!(r#"{{"plan_id":"{PLAN}","name":"a"}}"#)).await;
    let spaced = digest("/key?x=1", format!(r#"{{ "n\u0061me":"a", "plan_id":"{PLAN}"}}"#)).await;
    let other = digest("/key", format!(r#"{{"plan_id":"{PLAN}","name":"b"}}"#)).await;
    assert_eq!(plain, spaced);
    assert_ne!(plain, other);
    assert_eq!(plain.as_str().map(str::len), Some(64));
}

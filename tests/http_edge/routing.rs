//! Paths, methods, identifiers, request ids, the success envelope.

use actix_web::http::Method;
use serde_json::json;

use crate::server::{Answer, NOW, TestServer};

#[tokio::test]
async fn a_success_has_data_a_millisecond_timestamp_and_a_response_time() {
    let server = TestServer::start();
    let answer = Answer::to(server.get("/numbers/7")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut json = answer.json();
    assert!(json["meta"]["response_time_ms"].is_u64(), "{json}");
    json["meta"]["response_time_ms"] = json!(0);
    let meta = json!({ "timestamp": NOW, "response_time_ms": 0 });
    assert_eq!(json, json!({ "success": true, "data": 7, "meta": meta }));
}

#[tokio::test]
async fn a_success_carries_its_status_and_headers() {
    let server = TestServer::start();
    let body = r#"{"plan_id":"550e8400-e29b-41d4-a716-446655440000"}"#;
    let answer = Answer::to(server.post_json("/links", body)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("operation-id"), Some("op-1"));
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn an_unknown_path_is_an_enveloped_404() {
    let server = TestServer::start();
    for path in ["/nowhere", "/links/a/b", "/../links", "/%ff", "/links/"] {
        Answer::to(server.get(path)).await.error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_with_what_the_resource_allows() {
    let server = TestServer::start();
    for (method, path, allow) in [
        (Method::DELETE, "/links", "GET, HEAD, POST"),
        (Method::OPTIONS, "/filter", "GET, HEAD"),
        (Method::PATCH, "/filter", "GET, HEAD"),
        (Method::GET, "/key", "POST, PUT"),
        (Method::HEAD, "/key", "POST, PUT"),
    ] {
        let answer = Answer::to(server.request(&method, path)).await;
        assert_eq!(answer.header("allow"), Some(allow));
        if method == Method::HEAD {
            assert_eq!((answer.status, answer.text.as_str()), (405, ""));
        } else {
            answer.error(405, "METHOD_NOT_ALLOWED");
        }
    }
}

#[tokio::test]
async fn head_is_answered_where_get_is_with_the_same_head_and_no_body() {
    let server = TestServer::start();
    let get = Answer::to(server.get("/numbers/7")).await;
    let head = Answer::to(server.request(&Method::HEAD, "/numbers/7")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), get.header("content-type"));
}

#[tokio::test]
async fn what_is_neither_uuid_nor_iccid_is_not_found() {
    let server = TestServer::start();
    for identifier in ["8901010000000000001", "550E8400-e29b-41d4-a716-446655440000"] {
        assert_eq!(Answer::to(server.get(&format!("/links/{identifier}"))).await.status, 200);
    }
    for identifier in ["1", "890101000000000000x", "%00", "550e8400e29b41d4a716446655440000"] {
        let answer = Answer::to(server.get(&format!("/links/{identifier}"))).await;
        answer.error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_fit_request_id_is_echoed() {
    let server = TestServer::start();
    for id in ["x", "a~!\"b", &"y".repeat(128)] {
        for path in ["/numbers/7", "/nowhere"] {
            let answer = Answer::to(server.get(path).header("x-request-id", id)).await;
            assert_eq!(answer.header("x-request-id"), Some(id));
        }
    }
}

#[tokio::test]
async fn an_unfit_request_id_is_replaced() {
    let server = TestServer::start();
    for id in ["", "a b", "a\tb", &"y".repeat(129)] {
        let answer = Answer::to(server.get("/numbers/7").header("x-request-id", id)).await;
        assert!(answer.header("x-request-id").unwrap().starts_with("made-"), "{id}");
    }
    let twice = server.get("/numbers/7").header("x-request-id", "a").header("x-request-id", "b");
    let first = Answer::to(twice).await;
    let second = Answer::to(server.get("/numbers/7")).await;
    assert!(first.header("x-request-id").unwrap().starts_with("made-"));
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

//! Query parameters.

use serde_json::json;

use crate::raw::exchange;
use crate::server::{Answer, TestServer};

#[tokio::test]
async fn good_parameters_are_read_and_unknown_ones_ignored() {
    let server = TestServer::start();
    let query = "kind=esim&limit=5&offset=-3&live=true&search=a%20b+c%C3%A9&utm=1&utm=2&&flag";
    let data = Answer::to(server.get(&format!("/filter?{query}"))).await.data();
    let expected = json!({
        "kind": "esim", "limit": 5, "offset": -3, "live": true, "search": "a b cé", "plan": null,
    });
    assert_eq!(data, expected);
    assert_eq!(Answer::to(server.get("/filter?search=")).await.data()["search"], "");
}

#[tokio::test]
async fn a_malformed_value_is_named() {
    let server = TestServer::start();
    for (query, field, sentence) in [
        ("kind=plastic", "kind", "kind must be one of esim, physical."),
        ("kind=", "kind", "kind must be one of esim, physical."),
        ("limit=x", "limit", "limit must be a whole number from 0 to 255."),
        ("limit=", "limit", "limit must be a whole number from 0 to 255."),
        ("limit=256", "limit", "limit must be a whole number from 0 to 255."),
        ("limit=%2B5", "limit", "limit must be a whole number from 0 to 255."),
        ("offset=1.5", "offset", "offset must be a whole number."),
        ("live=yes", "live", "live must be true or false."),
        ("plan=x", "plan", "plan must be a UUID."),
        ("limit=1&limit=2", "limit", "limit must be given only once."),
        ("limit=0", "limit", "limit must be at least 1."),
        ("search=%zz", "search", "search is not percent-encoded UTF-8."),
        ("search=%", "search", "search is not percent-encoded UTF-8."),
        ("search=%ff", "search", "search is not percent-encoded UTF-8."),
        ("%ff=1", "query", "query is not percent-encoded UTF-8."),
    ] {
        // As bytes: a client library would repair some of these.
        let request =
            format!("GET /v1/filter?{query} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let received = exchange(&server, request.as_bytes()).await;
        assert!(received.starts_with("HTTP/1.1 422 "), "{query}: {received}");
        let details = json!({ field: [sentence] }).to_string();
        assert!(received.contains(&details), "{query}: {received}");
    }
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let server = TestServer::start();
    let details = Answer::to(server.get("/links")).await.invalid_fields(&["rows"]);
    assert_eq!(details["rows"], json!(["rows is required."]));
}

//! Who may do what: tokens and suspended organizations. The wall between organizations has a file of
//! its own, `tenants.rs`.

use crate::app::TestApp;
use crate::on_both;
use reqwest::Method;
use serde_json::{Value, json};

const UNKNOWN: &str = "0195c5d4-1111-7000-8000-000000000000";

/// Every endpoint of one Link, with a body that it would take.
fn endpoints() -> Vec<(Method, &'static str, Option<Value>)> {
    let (get, put) = (Method::GET, Method::PUT);
    vec![
        (get.clone(), "/links/{}", None),
        (put.clone(), "/links/{}", Some(json!({"name": "x"}))),
        (put, "/links/{}/plans", Some(json!({"add": [UNKNOWN]}))),
        (get.clone(), "/links/{}/topup-plans", None),
        (get.clone(), "/links/{}/history", None),
        (get.clone(), "/links/{}/network-status", None),
        (get.clone(), "/links/{}/network-status?live=true", None),
        (get, "/links/{}/qr-code", None),
    ]
}

async fn a_spoiled_token_is_refused(app: &mut TestApp) {
    let mut forger = app.acme.clone();
    forger.token.push('x');
    let answer = forger.get("/organization").await;
    answer.fails(401, "UNAUTHORIZED");
    assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
}

async fn a_token_that_leads_to_no_organization_is_refused(app: &mut TestApp) {
    let mut stranger = app.acme.clone();
    stranger.token = crate::app::token("stranger").await;
    stranger.get("/organization").await.fails(401, "UNAUTHORIZED");
    stranger.get("/links").await.fails(401, "UNAUTHORIZED");
}

async fn a_suspended_organization_reads_its_profile_and_balance(app: &mut TestApp) {
    let profile = app.initech.get("/organization").await.ok();
    assert_eq!((&profile["slug"], &profile["status"]), (&json!("initech"), &json!("suspended")));
    assert_eq!(app.initech.balance().await, "0.00");
}

async fn what_is_no_identifier_is_not_found_like_an_unknown_link(app: &mut TestApp) {
    let none = ["8900000000000000001", "no-identifier", "123", "%00", "8900000000000000001234"];
    for (method, path, body) in endpoints() {
        let mut unknown = None;
        for identifier in [UNKNOWN].into_iter().chain(none) {
            let called = path.replace("{}", identifier);
            let answer = app.acme.send(method.clone(), &called, body.clone(), None).await;
            answer.fails(404, "NOT_FOUND");
            let error = answer.body["error"].clone();
            assert_eq!(&error, unknown.get_or_insert_with(|| error.clone()), "{identifier}");
            assert!(answer.header("operation-id").is_none());
        }
    }
}

on_both! {
    AMPLE:
    a_spoiled_token_is_refused,
    a_token_that_leads_to_no_organization_is_refused,
    a_suspended_organization_reads_its_profile_and_balance,
    what_is_no_identifier_is_not_found_like_an_unknown_link,
}

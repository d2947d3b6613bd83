//! Who may do what: tokens, suspended organizations, and the Links of others.

use crate::app::{Answer, Caller, TestApp};
use crate::on_both;
use reqwest::Method;
use serde_json::{Value, json};

const UNKNOWN: &str = "0195c5d4-1111-7000-8000-000000000000";

/// Every endpoint that needs a token, with a body that it would take.
fn endpoints(link: &str) -> Vec<(Method, String, Option<Value>)> {
    let (get, put) = (Method::GET, Method::PUT);
    vec![
        (Method::POST, "/links".to_owned(), Some(json!({"plan_id": UNKNOWN}))),
        (get.clone(), "/links".to_owned(), None),
        (get.clone(), format!("/links/{link}"), None),
        (put.clone(), format!("/links/{link}"), Some(json!({"name": "x"}))),
        (put, format!("/links/{link}/plans"), Some(json!({"add": [UNKNOWN]}))),
        (get.clone(), format!("/links/{link}/topup-plans"), None),
        (get.clone(), format!("/links/{link}/history"), None),
        (get.clone(), format!("/links/{link}/network-status"), None),
        (get.clone(), format!("/links/{link}/network-status?live=true"), None),
        (get.clone(), format!("/links/{link}/qr-code"), None),
        (get.clone(), "/plans".to_owned(), None),
        (get.clone(), "/plans/regions".to_owned(), None),
        (get.clone(), format!("/plans/{UNKNOWN}/coverage"), None),
        (get.clone(), "/info/instructions".to_owned(), None),
        (get.clone(), "/info/operators?search=fr".to_owned(), None),
        (get.clone(), format!("/plans/{UNKNOWN}"), None),
        (get.clone(), "/transactions".to_owned(), None),
        (get.clone(), "/transactions/stats".to_owned(), None),
        (get.clone(), "/transactions/analytics".to_owned(), None),
        (get.clone(), "/operations".to_owned(), None),
        (get, format!("/operations/{UNKNOWN}"), None),
    ]
}

async fn send(caller: &Caller, (method, path, body): (Method, String, Option<Value>)) -> Answer {
    caller.send(method, &path, body, None).await
}

async fn without_a_good_token_nothing_is_answered(app: &mut TestApp) {
    for endpoint in endpoints(UNKNOWN) {
        let answer = send(&app.nobody, endpoint).await;
        answer.fails(401, "UNAUTHORIZED");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
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

async fn a_suspended_organization_reads_its_profile_and_balance_only(app: &mut TestApp) {
    for endpoint in endpoints(UNKNOWN).into_iter().chain(endpoints("no-identifier")) {
        send(&app.initech, endpoint).await.fails(403, "ORG_SUSPENDED");
    }
    let profile = app.initech.get("/organization").await.ok();
    assert_eq!((&profile["slug"], &profile["status"]), (&json!("initech"), &json!("suspended")));
    assert_eq!(app.initech.balance().await, "0.00");
}

async fn what_is_no_link_of_ones_own_is_not_found_alike(app: &mut TestApp) {
    let foreign = app.globex.link(&app.globex.plan("France 1 GB, 7 days").await).await;
    let (id, iccid) = (foreign["id"].as_str().unwrap(), foreign["iccid"].as_str().unwrap());
    let none = ["8900000000000000001", "no-identifier", "123", "%00", "8900000000000000001234"];
    for endpoint in endpoints("{}").into_iter().filter(|(_, path, _)| path.contains("{}")) {
        let mut unknown = None;
        for identifier in [UNKNOWN, id, iccid].into_iter().chain(none) {
            let (method, path, body) = endpoint.clone();
            let answer = send(&app.acme, (method, path.replace("{}", identifier), body)).await;
            answer.fails(404, "NOT_FOUND");
            let error = answer.body["error"].clone();
            assert_eq!(&error, unknown.get_or_insert_with(|| error.clone()), "{identifier}");
            assert!(answer.header("operation-id").is_none());
        }
    }
    assert_eq!(app.globex.show(&foreign).await["status"], "active");
}

async fn operations_of_others_are_not_found(app: &mut TestApp) {
    app.globex.link(&app.globex.plan("France 1 GB, 7 days").await).await;
    let operation = app.globex.walk("/operations", 10).await[0].clone();
    for id in [operation["id"].as_str().unwrap(), UNKNOWN, "no-id"] {
        app.acme.get(&format!("/operations/{id}")).await.fails(404, "NOT_FOUND");
    }
    assert!(app.acme.walk("/operations", 10).await.is_empty());
    assert!(app.acme.walk("/links", 10).await.is_empty());
}

on_both! {
    AMPLE:
    without_a_good_token_nothing_is_answered,
    a_token_that_leads_to_no_organization_is_refused,
    a_suspended_organization_reads_its_profile_and_balance_only,
    what_is_no_link_of_ones_own_is_not_found_alike,
    operations_of_others_are_not_found,
}

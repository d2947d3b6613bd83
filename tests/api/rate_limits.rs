//! How many requests an organization may send, and what its answers say of it.

use crate::app::{Answer, Caller, TestApp, eventually, id};
use crate::on_both;
use bappy::config::{Config, Limit};
use reqwest::Method;
use serde_json::json;
use std::num::NonZeroU32;

/// A burst that no test uses up.
const AMPLE_BURST: u32 = 1_000;

fn limited(config: &mut Config, burst: u32) {
    config.rate_limit.enabled = true;
    config.rate_limit.requests =
        Limit { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(burst).unwrap() };
}

/// The requests that are left, as the answer says.
fn left(answer: &Answer) -> u32 {
    let standing = answer.header("ratelimit").unwrap_or_default();
    let rest = standing.strip_prefix("\"default\";r=").unwrap_or_else(|| panic!("{standing:?}"));
    rest.strip_suffix(";t=1").unwrap().parse().unwrap()
}

/// Asks until it is refused.
async fn until_refused(caller: &Caller) -> Answer {
    loop {
        let answer = caller.get("/organization/balance").await;
        if answer.status != 200 {
            return answer;
        }
    }
}

async fn every_authenticated_answer_says_what_is_left(app: &mut TestApp) {
    app.restart(|config| limited(config, AMPLE_BURST)).await;
    let nowhere = format!("/links/{}", uuid::Uuid::nil());
    for (method, path, status) in [
        (Method::GET, "/organization/balance", 200),
        (Method::GET, "/links", 200),
        (Method::GET, nowhere.as_str(), 404),
        (Method::GET, "/no/such/path", 404),
        (Method::DELETE, "/links", 405),
        (Method::GET, "/links?page=0", 422),
        (Method::POST, "/links", 422),
    ] {
        let body = (method == Method::POST).then(|| json!({"plan": 1}));
        let answer = app.acme.send(method, path, body, None).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("ratelimit-policy"), Some(r#""default";q=1000;w=1000"#), "{path}");
        assert!(left(&answer) < AMPLE_BURST, "{path}");
    }
    let suspended = app.initech.get("/links").await;
    assert_eq!((suspended.status, left(&suspended)), (403, AMPLE_BURST - 1));
}

async fn a_request_too_many_is_refused_until_there_is_room(app: &mut TestApp) {
    app.restart(|config| limited(config, 2)).await;
    let refused = until_refused(&app.acme).await;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMITED"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit-policy"), Some(r#""default";q=2;w=2"#));
    assert_eq!(left(&refused), 0);
    assert_eq!(refused.body["error"]["details"]["policy"], "default");
    // Another organization has a budget of its own.
    assert_eq!(left(&app.globex.get("/organization").await), 1);
    eventually("there is room again", async || {
        app.acme.get("/organization/balance").await.status == 200
    })
    .await;
    app.restart(|config| config.rate_limit.enabled = false).await;
}

async fn a_refused_request_leaves_no_trace(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    app.restart(|config| limited(config, 1)).await;
    // More at a time than the seconds that they can possibly take.
    let attempts = (0..30).map(async |n| {
        let key = format!("attempt-{n}");
        let answer = app.acme.keyed_post("/links", json!({"plan_id": plan["id"]}), &key).await;
        (key, answer)
    });
    let answers = futures_util::future::join_all(attempts).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, a)| a.status == 201);
    for (_, answer) in &refused {
        answer.fails(429, "RATE_LIMITED");
        assert_eq!(answer.header("operation-id"), None);
    }
    let refused = &refused.first().unwrap().0;
    app.restart(|config| config.rate_limit.enabled = false).await;
    assert_eq!(app.acme.total("/links").await, made.len() as u64);
    assert_eq!(app.acme.total(&format!("/operations?idempotency_key={refused}")).await, 0);
    // Its key is free, for another request too.
    let other = json!({"plan_id": plan["id"], "name": "another"});
    app.acme.keyed_post("/links", other, refused).await.expect(201);
}

async fn a_bad_token_takes_nothing_and_is_told_nothing(app: &mut TestApp) {
    app.restart(|config| limited(config, AMPLE_BURST)).await;
    // acme's own token but for the end of its signature.
    let mut forger = app.acme.clone();
    let last = if forger.token.ends_with("AA") { "BB" } else { "AA" };
    forger.token.replace_range(forger.token.len() - 2.., last);
    for caller in [&forger, &app.nobody] {
        let answer = caller.get("/organization/balance").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("ratelimit"), None);
        assert_eq!(answer.header("ratelimit-policy"), None);
    }
    assert_eq!(left(&app.acme.get("/organization/balance").await), AMPLE_BURST - 1);
    let health = app.nobody.get("/status").await;
    assert_eq!(health.header("ratelimit"), None);
}

async fn live_reads_have_a_limit_of_their_own(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    app.restart(|config| {
        limited(config, AMPLE_BURST);
        config.rate_limit.live_reads =
            Limit { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() };
    })
    .await;
    let path = format!("/links/{}/network-status", id(&link));
    let live = format!("{path}?live=true");
    let first = app.acme.get(&live).await;
    assert_eq!(first.status, 200);
    let policies = r#""default";q=1000;w=1000, "live-reads";q=2;w=2"#;
    assert_eq!(first.header("ratelimit-policy"), Some(policies));
    let standing = first.header("ratelimit").unwrap();
    assert!(standing.ends_with(r#", "live-reads";r=1;t=1"#), "{standing}");
    let refused = loop {
        let answer = app.acme.get(&live).await;
        if answer.status != 200 {
            break answer;
        }
    };
    refused.fails(429, "RATE_LIMITED");
    assert_eq!(refused.details()["policy"], "live-reads");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let standing = refused.header("ratelimit").unwrap();
    assert!(standing.ends_with(r#", "live-reads";r=0;t=1"#), "{standing}");
    // What is read through the cache is not counted, nor is what finds no Link.
    let cached = app.acme.get(&path).await;
    assert_eq!((cached.status, left(&cached) > 0), (200, true));
    let nowhere = format!("/links/{}/network-status?live=true", uuid::Uuid::nil());
    app.acme.get(&nowhere).await.fails(404, "NOT_FOUND");
}

async fn without_limits_nothing_is_said_of_them(app: &mut TestApp) {
    let answer = app.acme.get("/organization/balance").await;
    assert_eq!(answer.header("ratelimit-policy"), None);
    assert_eq!(answer.header("ratelimit"), None);
}

on_both! {
    AMPLE:
    every_authenticated_answer_says_what_is_left,
    a_request_too_many_is_refused_until_there_is_room,
    a_refused_request_leaves_no_trace,
    a_bad_token_takes_nothing_and_is_told_nothing,
    live_reads_have_a_limit_of_their_own,
    without_limits_nothing_is_said_of_them,
}

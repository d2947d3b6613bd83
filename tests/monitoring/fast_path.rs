//! A Link that is answered from memory, before it is routed, is answered, counted, limited and logged
//! like one that is routed. By its ICCID it always is.

use crate::sandbox::Sandbox;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Reads of each: among so many some are from memory, on any machine.
const READS: usize = 100;

/// What differs from one answer to the next.
const OF_THE_REQUEST: [&str; 3] = ["x-request-id", "date", "ratelimit"];

/// An answer without what is of its request alone.
async fn told(answer: Response) -> (BTreeMap<String, String>, BTreeSet<String>, Value) {
    assert_eq!(answer.status(), 200);
    let headers = answer.headers().iter().map(|(name, value)| {
        let value = value.to_str().unwrap();
        let value = if OF_THE_REQUEST.contains(&name.as_str()) { "" } else { value };
        (name.to_string(), value.to_owned())
    });
    let headers = headers.collect();
    let body: Value = answer.json().await.unwrap();
    let meta = body["meta"].as_object().unwrap().keys().cloned().collect();
    (headers, meta, body["data"].clone())
}

/// The log lines of answered reads of a Link, without what is of one request alone.
fn logged(sandbox: &Sandbox) -> Vec<Value> {
    let log = std::fs::read_to_string(sandbox.folder.path().join("log")).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reads = lines.filter(|line| {
        line["message"] == "request done"
            && line["span"]["route"] == "/links/{identifier}"
            && line["span"]["method"] == "GET"
    });
    let says = reads.map(|mut line| {
        for (part, name) in [("", "timestamp"), ("", "duration_ms"), ("/span", "request_id")] {
            let taken = line.pointer_mut(part).unwrap().as_object_mut().unwrap().remove(name);
            assert!(taken.is_some_and(|value| value.is_string() || value.is_u64()), "{name}");
        }
        line
    });
    says.collect()
}

#[tokio::test]
async fn what_is_answered_from_memory_is_answered_counted_and_logged_like_all_else() {
    let settings = [("BAPPY_LOG__FORMAT", "json"), ("BAPPY_RATE_LIMIT__ENABLED", "true")];
    let settings = settings.map(|(name, value)| (name, value.to_owned()));
    let sandbox = Sandbox::start_with(|_| settings.to_vec()).await;
    let token = sandbox.token("acme").await;
    let plan = sandbox.get("/v1/plans?per_page=1", &token).await["data"]["data"][0]["id"].clone();
    let made = sandbox.call(Method::POST, "/v1/links", &token, Some(json!({"plan_id": plan})));
    let link: Value = made.await.json().await.unwrap();
    let path = |of: &str| format!("/v1/links/{}", link["data"][of].as_str().unwrap());
    let (by_id, by_iccid) = (path("id"), path("iccid"));
    // What the operator says of its use has been read.
    sandbox.get(&by_id, &token).await;

    let before = sandbox.scrape().await;
    for _ in 0..READS {
        let one = told(sandbox.call(Method::GET, &by_id, &token, None).await).await;
        let other = told(sandbox.call(Method::GET, &by_iccid, &token, None).await).await;
        assert_eq!(one, other);
    }
    let after = sandbox.scrape().await;

    let more = |series: &str| after.value(series) - before.value(series);
    let cache = |name: &str| {
        let of = |outcome: &str| {
            more(&format!(r#"bappy_cache_requests_total{{cache="{name}",outcome="{outcome}"}}"#))
        };
        of("hit") + of("miss")
    };
    let route = r#"route="/links/{identifier}",method="GET""#;
    for (counted, what) in [
        (more(&format!("bappy_http_requests_total{{{route},status=\"200\"}}")), "requests"),
        (more(&format!("bappy_http_request_duration_seconds_count{{{route}}}")), "durations"),
        (more(r#"bappy_tokens_total{outcome="verified"}"#), "tokens"),
        (cache("tokens"), "look-ups of tokens"),
        (cache("organizations"), "look-ups of organizations"),
        (cache("link_answers"), "look-ups of answers"),
    ] {
        let reads = 2.0 * f64::from(u32::try_from(READS).unwrap());
        assert!((counted - reads).abs() < 0.5, "{what}: {counted}");
    }
    // Lines of what is answered from memory are gathered; a service that stops writes the last of them.
    sandbox.stop().await;
    let lines = logged(&sandbox);
    assert_eq!(lines.len(), 1 + 2 * READS);
    assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
}

//! The series of a real service: there from the start, bounded, and counting what they say.

use crate::files::is_as_made;
use crate::sandbox::Sandbox;
use crate::scrape::Scrape;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

/// What partners, scanners and mistaken clients send: every route, ids that exist and that do not,
/// paths and methods and tokens that nobody has heard of.
async fn anything(sandbox: &Sandbox) {
    let token = sandbox.token("acme").await;
    let plan = sandbox.get("/v1/plans?per_page=1", &token).await["data"]["data"][0]["id"].clone();
    let link = sandbox.call(Method::POST, "/v1/links", &token, Some(json!({"plan_id": plan})));
    let link: serde_json::Value = link.await.json().await.unwrap();
    let link = link["data"]["id"].as_str().unwrap();
    let add = Some(json!({"add": [plan]}));
    sandbox.call(Method::PUT, &format!("/v1/links/{link}/plans"), &token, add).await;
    let sms = Some(json!({"link_id": link, "message": "hello"}));
    sandbox.call(Method::POST, "/v1/sms", &token, sms).await;
    for part in ["", "/topup-plans", "/history", "/network-status?live=true", "/qr-code"] {
        sandbox.call(Method::GET, &format!("/v1/links/{link}{part}"), &token, None).await;
        let unknown = uuid_like(part.len());
        sandbox.call(Method::GET, &format!("/v1/links/{unknown}{part}"), &token, None).await;
    }
    for path in ["/health", "/status", "/openapi.json", "/docs", "/docs/scalar.js", "/v1/plans"] {
        sandbox.call(Method::GET, path, &token, None).await;
    }
    for odd in 0..20 {
        let path = format!("/v1/nothing-{odd}?a={odd}");
        sandbox.call(Method::GET, &path, &token, None).await;
        let method = Method::from_bytes(format!("ODD{odd}").as_bytes()).unwrap();
        sandbox.call(method.clone(), &path, "", None).await;
        sandbox.call(method, "/v1/links", &token, None).await;
        sandbox.call(Method::GET, "/v1/links", &format!("not.a.token{odd}"), None).await;
    }
    sandbox.call(Method::HEAD, "/v1/organization", &token, None).await;
    sandbox.call(Method::GET, "/v1/organization", &sandbox.token("initech").await, None).await;
}

fn uuid_like(salt: usize) -> String {
    format!("00000000-0000-7000-8000-{salt:012}")
}

/// A counter's increase between two scrapes.
fn more(before: &Scrape, after: &Scrape, series: &str) -> f64 {
    after.value(series) - before.value(series)
}

#[tokio::test]
async fn every_series_is_there_from_the_start_and_nothing_that_is_sent_adds_one() {
    // As Prometheus reads it where it is installed; what it says of the names is `promtool`'s.
    let sandbox = Sandbox::start().await;
    // The first look at the database, which knows the sponsors, has its turn.
    let looked = r#"bappy_job_last_success_timestamp_seconds{job_name="sampler"}"#;
    while sandbox.scrape().await.value(looked) <= 0.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // A scrape reads counters before gauges: the one that saw it may have begun before it.
    let before = sandbox.scrape().await;
    is_as_made("docs/metrics.md", &documentation(&before));
    lint(&before.text);
    anything(&sandbox).await;
    let after = sandbox.scrape().await;

    let names = |scrape: &Scrape| scrape.series.keys().cloned().collect::<BTreeSet<_>>();
    let (known, now) = (names(&before), names(&after));
    assert_eq!(known.difference(&now).collect::<Vec<_>>(), Vec::<&String>::new(), "gone");
    assert_eq!(now.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "added");
    assert!(now.len() < 2_500, "{} series", now.len());

    // And they count what they say.
    let counted = |series: &str| more(&before, &after, series);
    for (series, count) in [
        (r#"bappy_http_requests_total{route="/links",method="POST",status="201"}"#, 1.0),
        (
            r#"bappy_http_requests_total{route="/links/{identifier}",method="GET",status="200"}"#,
            1.0,
        ),
        (
            r#"bappy_http_requests_total{route="/links/{identifier}",method="GET",status="404"}"#,
            1.0,
        ),
        (r#"bappy_http_requests_total{route="/organization",method="GET",status="200"}"#, 2.0),
        (r#"bappy_http_requests_total{route="none",method="none",status="404"}"#, 20.0),
        (r#"bappy_http_requests_total{route="none",method="none",status="405"}"#, 20.0),
        (r#"bappy_http_requests_total{route="none",method="none",status="401"}"#, 40.0),
        (r#"bappy_http_errors_total{code="METHOD_NOT_ALLOWED"}"#, 20.0),
        (r#"bappy_tokens_total{outcome="malformed"}"#, 20.0),
        (r#"bappy_operation_calls_total{kind="create_link",outcome="done"}"#, 1.0),
        (r#"bappy_operations_ended_total{kind="topup",end="succeeded"}"#, 1.0),
        (r#"bappy_ledger_entries_total{kind="activation"}"#, 1.0),
        (r#"bappy_ledger_entries_total{kind="sms"}"#, 1.0),
        (r#"bappy_wallet_commands_total{command="debit",outcome="done"}"#, 3.0),
        (r#"bappy_operator_calls_total{call="create_endpoint",outcome="done"}"#, 1.0),
        (r#"bappy_operator_call_duration_seconds_count{call="add_plan"}"#, 1.0),
        ("bappy_panics_total", 0.0),
    ] {
        assert!((counted(series) - count).abs() < 0.5, "{series}: {}", counted(series));
    }
    for gauge in ["bappy_http_requests_in_flight", "bappy_wallet_queue_commands"] {
        assert!(after.value(gauge).abs() < 0.5, "{gauge}: {}", after.value(gauge));
    }
}

/// `promtool check metrics`, where it is installed.
fn lint(text: &str) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        eprintln!("skipped: promtool is not installed (Debian: prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && out.is_empty() && err.is_empty(), "{out}{err}");
}

fn documentation(scrape: &Scrape) -> String {
    format!("{}{}", HEAD, scrape.table())
}

const HEAD: &str = "\
# Metrics

Made by tests/monitoring from what the service tells (`BAPPY_UPDATE=1 cargo test --test monitoring`).

`/metrics` is served on an address of its own (`metrics.listen`), never on the public one. Every
series is there from the start, at zero, and what is sent to the service adds none: labels hold no
ids. Gauges that say *on all instances* are read from the database and are the same on each instance:
take the `max` of them, not the sum. Requests that are refused before their route is known (a bad
token, too many requests, an unknown path) have the route `none`.

";

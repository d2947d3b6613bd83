//! Traces as a collector receives them: one from a caller's request through actors, database and
//! operator, and on to the operator.

use crate::collector::{self, Received};
use crate::sandbox::Sandbox;
use opentelemetry_proto::tonic::trace::v1::Span;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A caller's trace, sampled.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The spans of a trace, once its request has ended and was sent.
async fn trace(received: &Received, id: &str, root: &str) -> Vec<Span> {
    let wait = async {
        loop {
            let spans = received.spans.lock().unwrap().clone();
            let ours: Vec<_> = spans.into_iter().filter(|span| hex(&span.trace_id) == id).collect();
            if ours.iter().any(|span| span.name == root) {
                return ours;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
    waited.unwrap_or_else(|_| {
        let names: BTreeSet<_> =
            received.spans.lock().unwrap().iter().map(|span| span.name.clone()).collect();
        panic!("no `{root}` in the trace; received: {names:?}")
    })
}

async fn traced() -> (Sandbox, Arc<Received>, String, Value, String) {
    let mut receives = None;
    let sandbox = Sandbox::start_with(|operator| {
        let (addr, received) = collector::start(operator);
        receives = Some(received);
        let address = format!("http://{addr}");
        vec![("BAPPY_OTLP__ENDPOINT", address.clone()), ("BAPPY_OPERATOR__URL", address)]
    })
    .await;
    let token = sandbox.token("acme").await;
    let plans = sandbox.get("/v1/plans?search=France&per_page=1", &token).await;
    let plan = plans["data"]["data"][0]["id"].clone();
    let link = sandbox.call(Method::POST, "/v1/links", &token, Some(json!({"plan_id": plan})));
    let link: Value = link.await.json().await.unwrap();
    let link = link["data"]["id"].as_str().unwrap().to_owned();
    (sandbox, receives.unwrap(), token, plan, link)
}

fn attribute<'s>(
    span: &'s Span,
    key: &str,
) -> Option<&'s opentelemetry_proto::tonic::common::v1::AnyValue> {
    span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_one_trace_from_its_caller_through_all_that_it_does_to_the_operator() {
    let (sandbox, received, token, plan, link) = traced().await;
    let url = format!("http://{}/v1/links/{link}/plans", sandbox.api);
    let request = sandbox.client.put(url).bearer_auth(&token).json(&json!({"add": [plan]}));
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    assert!(request.send().await.unwrap().status().is_success());

    let root = "PUT /links/{identifier}/plans";
    let spans = trace(&received, TRACE, root).await;
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.span_id.clone(), span)).collect();
    let of = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let path = |span: &Span| {
        let (mut names, mut at) = (vec![span.name.clone()], span);
        while let Some(parent) = by_id.get(&at.parent_span_id) {
            names.push(parent.name.clone());
            at = parent;
        }
        // Whatever it is, it hangs on the request, and the request on the caller's span.
        assert_eq!((at.name.as_str(), hex(&at.parent_span_id).as_str()), (root, PARENT));
        names.reverse();
        names.join(" > ")
    };
    let paths: BTreeSet<String> = spans.iter().map(path).collect();
    for expected in [
        "operation > room at the operator",
        "operation > operator",
        "operation > wallet > commit > ledger > db",
    ] {
        assert!(paths.contains(&format!("{root} > {expected}")), "{expected}: {paths:#?}");
    }
    assert_eq!(of("wallet").len(), 2, "a debit and a settlement");
    let answered = attribute(of(root)[0], "http.response.status_code");
    assert!(format!("{answered:?}").contains("IntValue(200)"), "{answered:?}");

    // The operator hears of the same trace, as a child of the call's own span.
    let operator = hex(&of("operator")[0].span_id);
    let carried = received.carried.lock().unwrap().clone();
    let told: Vec<_> = carried.iter().filter(|(_, parent)| parent.contains(TRACE)).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0.starts_with("POST /api/endpoints/"));
    assert_eq!(told[0].1, format!("00-{TRACE}-{operator}-01"));

    // And the log names the trace beside the request.
    let log = std::fs::read_to_string(sandbox.folder.path().join("log")).unwrap();
    assert!(log.contains(TRACE), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_does_not_sample_is_followed_and_idle_jobs_are_no_traces() {
    let (sandbox, received, token, _, link) = traced().await;
    let url = format!("http://{}/v1/links/{link}", sandbox.api);
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    let request = sandbox.client.get(&url).bearer_auth(&token).header("traceparent", unsampled);
    assert!(request.send().await.unwrap().status().is_success());
    // One that is sampled, behind it, so that there is something to wait for.
    let sampled = "4bf92f3577b34da6a3ce929d0e0e0000";
    let request = sandbox.client.get(&url).bearer_auth(&token);
    let request = request.header("traceparent", format!("00-{sampled}-{PARENT}-01"));
    assert!(request.send().await.unwrap().status().is_success());
    let seen = trace(&received, sampled, "GET /links/{identifier}").await;
    assert!(seen.iter().any(|span| span.name == "db"), "{seen:?}");

    let spans = received.spans.lock().unwrap().clone();
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE));
    // What has no parent is a request; a job that found nothing to do is nothing.
    for span in spans.iter().filter(|span| span.parent_span_id.is_empty()) {
        assert!(span.name.contains(" /"), "{}", span.name);
    }
}

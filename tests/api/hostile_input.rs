//! Input that is meant to break something, in every parameter and body field of every operation
//! that the document has: each is answered as the contract says, and never with a 500.

use crate::app::{Document, TestApp, id};
use crate::on_both;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

/// What is written into a path, a query or a header. Percent-encoded where it must be.
fn hostile_texts() -> Vec<String> {
    let texts = [
        "",
        "%00",
        "a%00b",
        "%ff",
        "%c0%af",
        "%ed%a0%80",
        "%F0%9F%92%A9",
        "%",
        "%25",
        "%zz",
        "_",
        "%27",
        "x'%20OR%20'1'='1",
        "%22%3B--",
        "%5C",
        "..",
        "%2e%2e%2f",
        "%2Fetc%2Fpasswd",
        "null",
        "true",
        "NaN",
        "-1",
        "0",
        "1.5",
        "1e400",
        "+1",
        "0x10",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "%EF%BC%91",
        "%E2%80%AE",
        "%0d%0aX-Injected:1",
        "[]",
        "{}",
        "$ne",
        "2026-02-30",
        "9999-12-31T23:59:59.999999Z",
        "-262144-01-01",
        "%2B00:00",
        "00000000-0000-0000-0000-000000000000",
        "8900000000000000000",
        "89000000000000000000",
    ];
    let long = ["x".repeat(4_000), "9".repeat(4_000), "%F0%9F%92%A9".repeat(500)];
    texts.map(str::to_owned).into_iter().chain(long).collect()
}

/// What is written into a field of a body, as JSON.
fn hostile_values() -> Vec<String> {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let many = format!("[{}\"x\"]", "\"x\",".repeat(10_000));
    let texts = [
        "null",
        "true",
        "0",
        "-1",
        "-0",
        "1e400",
        "-1e400",
        "1e-400",
        "0.1",
        "[]",
        "{}",
        "\"\"",
        "[null]",
        "[[]]",
        "[{}]",
        r#"{"$ne": 1}"#,
        r#""\u0000""#,
        r#""a\u0000b""#,
        r#""\ud800""#,
        r#""\udfff\ud800""#,
        r#""\u202e""#,
        "\"\u{feff}\"",
        "\"💩\"",
        r#""x' OR '1'='1""#,
        "18446744073709551616",
        "99999999999999999999999999999999999999",
        "\"active\"",
        "\"00000000-0000-0000-0000-000000000000\"",
        "\"8900000000000000000\"",
        "[\"00000000-0000-0000-0000-000000000000\"]",
        "NaN",
        "Infinity",
        "'x'",
        "0x10",
        "01",
        "1.",
        "\"\t\"",
        "\"\u{7f}\"",
    ];
    let digits = "9".repeat(20_000);
    let long = [deep, many, digits.clone(), format!("0.{digits}"), format!("\"{digits}\"")];
    texts.map(str::to_owned).into_iter().chain(long).collect()
}

/// One request, as it is sent.
#[derive(Debug)]
struct Attempt {
    method: Method,
    path: String,
    key: Option<String>,
    body: Option<Vec<u8>>,
}

/// Every attempt on one operation. `link` is a Link that there is, for what is not attacked.
fn attempts(path: &str, method: &str, operation: &Value, link: &str) -> Vec<Attempt> {
    let unknown = "0195c5d4-1111-7000-8000-000000000000";
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let called = path.replace("{identifier}", link).replace("{plan_id}", unknown);
    let called = called.replace("{id}", unknown);
    let body = operation.pointer("/requestBody/content/application~1json");
    let example = body.map(|body| {
        let examples = body["examples"].as_object().unwrap();
        let mut example = examples.values().next().unwrap()["value"].clone();
        // What the document shows is there in the sandbox, and would be paid for.
        for name in ["plan_id", "link_id"] {
            if let Some(id) = example.get_mut(name) {
                *id = json!(unknown);
            }
        }
        example
    });
    let send = |path: String, key: Option<&str>, body: Option<Vec<u8>>| Attempt {
        method: method.clone(),
        path,
        key: key.map(str::to_owned),
        body: body.or_else(|| example.as_ref().map(|body| body.to_string().into_bytes())),
    };
    let mut all = Vec::new();
    for parameter in operation["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        for text in hostile_texts() {
            all.push(match parameter["in"].as_str().unwrap() {
                "path" => send(path.replace(&format!("{{{name}}}"), &text), None, None),
                "query" => send(format!("{called}?{name}={text}"), None, None),
                _ if name == "Idempotency-Key" => send(called.clone(), Some(&text), None),
                _ => continue,
            });
        }
        if parameter["in"] == "query" {
            all.push(send(format!("{called}?{name}=1&{name}=2"), None, None));
            all.push(send(format!("{called}?{name}[]=1"), None, None));
            all.push(send(format!("{called}?{name}"), None, None));
        }
    }
    if let Some(example) = &example {
        for name in example.as_object().unwrap().keys().map(String::as_str).chain(["", "a\0"]) {
            for value in hostile_values() {
                let mut spoiled = example.clone();
                spoiled[name] = json!("MARK");
                let text = spoiled.to_string().replace("\"MARK\"", &value);
                all.push(send(called.clone(), None, Some(text.into_bytes())));
            }
        }
        let bodies = hostile_values().into_iter().map(String::into_bytes);
        let broken = [b"{\"name\": \"\xff\"}".to_vec(), b"\xff\xfe{\0}\0".to_vec(), Vec::new()];
        let deep = b"[".repeat(60_000);
        all.extend(
            bodies.chain(broken).chain([deep]).map(|body| send(called.clone(), None, Some(body))),
        );
    }
    all
}

async fn send(app: &TestApp, attempt: &Attempt) -> (u16, String) {
    let url = format!("{}{}", app.acme.base, attempt.path);
    let mut request = app.acme.http.request(attempt.method.clone(), url);
    request = request.bearer_auth(&app.acme.token);
    if let Some(key) = &attempt.key {
        request = request.header("idempotency-key", key);
    }
    if let Some(body) = &attempt.body {
        request = request.header("content-type", "application/json").body(body.clone());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    assert!(answer.headers().get("x-injected").is_none(), "{attempt:?}");
    let json = answer.headers()["content-type"] == "application/json";
    let text = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
    assert!(status < 500, "{status} {text}: {attempt:?}");
    assert!(json || status == 200, "{status} {text}: {attempt:?}");
    if status >= 400 {
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["success"], false, "{attempt:?}");
        assert!(body["error"]["details"].is_object(), "{attempt:?}");
    }
    (status, text)
}

async fn no_input_to_any_operation_is_answered_with_a_500(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let link = app.acme.link(&plan).await;
    let balance = app.acme.balance().await;
    let all: Vec<Attempt> = Document::get()
        .operations()
        .flat_map(|(path, method, operation)| attempts(path, method, operation, id(&link)))
        .collect();
    let count = all.len();
    let app = &*app;
    let answers: Vec<_> = stream::iter(all)
        .map(async |attempt| send(app, &attempt).await.0)
        .buffer_unordered(8)
        .collect()
        .await;
    let refused = answers.iter().filter(|status| **status >= 400).count();
    println!("{count} hostile requests, {refused} refused, none with a 5xx");
    assert!(count > 3_000, "{count}");
    // Nothing of it was bought, for nothing of it was a whole request for something there is.
    assert_eq!(app.acme.balance().await, balance);
    assert_eq!(app.acme.total("/links").await, 1);
}

on_both! { AMPLE: no_input_to_any_operation_is_answered_with_a_500 }

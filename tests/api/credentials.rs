//! An operator that refuses our credentials, or connections altogether.

use crate::app::{TestApp, eventually};
use crate::on_both;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// An operator that answers one thing to whatever it is asked, and how often it was asked.
fn answering(status: &'static str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // It ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            read_request(&mut stream);
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    addr
}

/// Reads to the end of the body: a connection closed before that is reset.
fn read_request(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split_once('\r'));
    let length = length.and_then(|(digits, _)| digits.parse().ok()).unwrap_or(0);
    let _ = stream.read_exact(&mut vec![0; length]);
}

async fn refused_credentials_are_a_config_error_before_any_charge(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let link = app.acme.link(&plan).await;
    let topup = app.acme.topups(&link).await[0].clone();
    let (balance, operations) = (app.acme.balance().await, app.acme.total("/operations").await);
    let real = app.config.operator.url.clone();
    let body = r#"{"code": "UNAUTHORIZED", "message": "the operator refuses endpoint_id"}"#;
    let url = format!("http://{}", answering("401 Unauthorized", body));
    app.restart(|config| config.operator.url = Some(url.parse().unwrap())).await;
    let path = format!("/links/{}", link["iccid"].as_str().unwrap());
    let remove = json!({"remove": [link["activations"][0]["id"]]});
    for answer in [
        app.acme.keyed_post("/links", json!({"plan_id": plan["id"]}), "k").await,
        app.acme.add(&link, &[&topup]).await,
        app.acme.put(&path, json!({"status": "suspended"})).await,
        app.acme.put(&format!("{path}/plans"), remove).await,
    ] {
        answer.fails(500, "CONFIG_ERROR");
        assert!(answer.header("operation-id").is_none());
    }
    assert_eq!(app.acme.balance().await, balance);
    assert_eq!(app.acme.total("/operations").await, operations);
    assert_eq!(app.acme.show(&link).await["usage"]["live"], false);
    app.restart(|config| config.operator.url = real).await;
    app.acme.keyed_post("/links", json!({"plan_id": plan["id"]}), "k").await.expect(201);
}

async fn an_operator_that_refuses_connections_is_unavailable(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let link = app.acme.link(&plan).await;
    let topup = app.acme.topups(&link).await[0].clone();
    let balance = app.acme.balance().await;
    let real = app.config.operator.url.clone();
    let operator = app.operator.url().strip_prefix("http://").unwrap().parse().unwrap();
    let gate = crate::app::Gate::open(operator).await;
    let url = format!("http://{}", gate.addr());
    app.restart(|config| config.operator.url = Some(url.parse().unwrap())).await;
    app.acme.add(&link, &[&topup]).await.ok();
    let balance_open = app.acme.balance().await;
    assert_ne!(balance_open, balance);
    let operations = app.acme.total("/operations").await;
    gate.close().await;
    // There is a session, so it is debited, and refunded at once.
    for answer in [
        app.acme.post("/links", json!({"plan_id": plan["id"]})).await,
        app.acme.add(&link, &[&topup]).await,
    ] {
        answer.fails(503, "PROVIDER_UNAVAILABLE");
        let operation = app.acme.get(&format!("/operations/{}", answer.operation_id())).await.ok();
        assert_eq!(operation["state"], "refunded");
        assert_eq!(operation["error"]["code"], "PROVIDER_UNAVAILABLE");
    }
    let path = format!("/links/{}", link["iccid"].as_str().unwrap());
    let answer = app.acme.put(&path, json!({"status": "suspended"})).await;
    answer.fails(503, "PROVIDER_UNAVAILABLE");
    let operation = app.acme.get(&format!("/operations/{}", answer.operation_id())).await.ok();
    assert_eq!(operation["state"], "rejected");
    assert_eq!(app.acme.balance().await, balance_open);
    assert_eq!(app.acme.total("/operations").await, operations + 3);
    assert_eq!(app.acme.show(&link).await["status"], "active");
    app.restart(|config| config.operator.url = real).await;
    eventually("it sells again", async || app.acme.add(&link, &[&topup]).await.status == 200).await;
}

on_both! {
    AMPLE:
    refused_credentials_are_a_config_error_before_any_charge,
    an_operator_that_refuses_connections_is_unavailable,
}

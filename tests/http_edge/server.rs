//! A server of its own for each test, and the client that talks to it.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::Method;
use actix_web::{App, HttpServer, rt, web};
use bappy::http::edge::{Edge, EdgeSettings};
use bappy::http::fallback::not_found;
use bappy::http::limits::{RequestLimits, ServerLimits, apply_server_limits};
use chrono::DateTime;
use serde_json::Value;

/// The time on every test server's clock.
pub const NOW: &str = "2026-11-23T05:23:00.123Z";
const NOW_MS: i64 = 1_795_411_380_123;

pub struct TestServer {
    pub address: SocketAddr,
    handle: ServerHandle,
    client: reqwest::Client,
}

impl TestServer {
    pub fn start() -> Self {
        Self::with_limits(RequestLimits::default())
    }

    pub fn with_limits(limits: RequestLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let made = AtomicU64::new(0);
        let settings = EdgeSettings {
            new_id: Arc::new(move || format!("made-{}", made.fetch_add(1, Ordering::Relaxed))),
            now: Arc::new(|| DateTime::from_timestamp_millis(NOW_MS).unwrap()),
            limits,
            fast_path: None,
        };
        let server_limits = ServerLimits {
            // Not less: the server's clock for these ticks twice a second.
            head_timeout: Duration::from_secs(2),
            disconnect_timeout: Duration::from_secs(1),
            ..ServerLimits::default()
        };
        let (send_handle, handle) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new()
                        .wrap(Edge::new(settings.clone()))
                        .service(web::scope("/v1").configure(crate::app::configure))
                        .default_service(web::to(not_found))
                });
                let server = apply_server_limits!(server_limits, server)
                    .workers(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run();
                send_handle.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, handle: handle.recv().unwrap(), client }
    }

    pub fn request(&self, method: &Method, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_str().as_bytes()).unwrap();
        self.client.request(method, format!("http://{}/v1{path}", self.address))
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(&Method::GET, path)
    }

    pub fn post_json(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.request(&Method::POST, path).header("content-type", "application/json").body(body)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // The command is sent by the call; only its completion is awaited by the future.
        drop(self.handle.stop(false));
    }
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn data(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self.json()["data"].clone()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks status, code and the whole shape of the error envelope; gives the details.
    pub fn error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let json = self.json();
        assert_error_envelope(&json, code);
        assert_eq!(json["meta"]["request_id"].as_str(), self.header("x-request-id"));
        json["error"]["details"].clone()
    }

    /// Checks that this is a validation error about these fields and no other.
    pub fn invalid_fields(&self, fields: &[&str]) -> Value {
        let details = self.error(422, "VALIDATION_ERROR");
        let found: Vec<&String> = details.as_object().unwrap().keys().collect();
        assert_eq!(found, fields, "{}", self.text);
        for sentences in details.as_object().unwrap().values() {
            for sentence in sentences.as_array().unwrap() {
                let sentence = sentence.as_str().unwrap();
                for jargon in
                    ["struct", "enum", "variant", "u8", "u32", "usize", "serde", "expected"]
                {
                    assert!(!sentence.contains(jargon), "{sentence}");
                }
            }
        }
        details
    }
}

pub fn assert_error_envelope(json: &Value, code: &str) {
    assert_eq!(json["success"], false);
    assert_eq!(json["error"]["code"], code, "{json}");
    assert!(json["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(json["error"]["details"].is_object());
    assert_eq!(json["meta"]["timestamp"], NOW);
    let keys = |value: &Value| {
        Vec::from_iter(value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>())
    };
    assert_eq!(keys(json), ["error", "meta", "success"]);
    assert_eq!(keys(&json["error"]), ["code", "details", "message"]);
    assert_eq!(keys(&json["meta"]), ["request_id", "timestamp"]);
}

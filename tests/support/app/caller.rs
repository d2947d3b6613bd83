//! A partner's client. Every answer is held to what the contract says of all answers.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::time::Duration;

/// What must never leave the service: words and ids of the operator behind it.
const SECRETS: [&str; 8] = [
    "endpoint_id",
    "instance_id",
    "operator_plan_id",
    "wholesale",
    "gb-7d",
    "gb-30d",
    "127.0.0.1",
    "sqlite",
];

/// What the operator's ids of endpoints and plan instances begin with; 16 hexadecimal digits follow.
const ID_PREFIXES: [&str; 2] = ["ep-", "pi-"];

#[derive(Clone)]
pub struct Caller {
    pub base: String,
    pub http: reqwest::Client,
    pub token: String,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Caller {
    /// A caller of `base`, which ends with `/v1`; without a token where it is empty.
    pub fn new(base: &str, token: String) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { base: base.to_owned(), http, token }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body), None).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body), None).await
    }

    pub async fn keyed_post(&self, path: &str, body: Value, key: &str) -> Answer {
        self.send(Method::POST, path, Some(body), Some(key)).await
    }

    pub async fn keyed_put(&self, path: &str, body: Value, key: &str) -> Answer {
        self.send(Method::PUT, path, Some(body), Some(key)).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Answer {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
        let answer = Answer { status, headers, body };
        answer.check(&text);
        if self.base.ends_with("/v1") {
            super::documented::check(&method, path, &answer);
        }
        answer
    }

    /// One of the caller's plans by its name.
    pub async fn plan(&self, name: &str) -> Value {
        let name = name.replace(' ', "+").replace(',', "%2C");
        let plans = self.get(&format!("/plans?search={name}")).await.ok();
        plans["data"][0].clone()
    }

    /// The balance, as text.
    pub async fn balance(&self) -> String {
        let balance = self.get("/organization/balance").await.ok();
        balance["balance"].as_str().unwrap().to_owned()
    }

    /// A new Link with a plan.
    pub async fn link(&self, plan: &Value) -> Value {
        self.post("/links", json!({"plan_id": plan["id"]})).await.expect(201)
    }

    /// Adds plans to a Link.
    pub async fn add(&self, link: &Value, plans: &[&Value]) -> Answer {
        let ids: Vec<_> = plans.iter().map(|plan| plan["id"].clone()).collect();
        self.put(&format!("/links/{}/plans", id(link)), json!({"add": ids})).await
    }

    /// A Link as it stands.
    pub async fn show(&self, link: &Value) -> Value {
        self.get(&format!("/links/{}", id(link))).await.ok()
    }

    /// All rows of a list, walked by cursor.
    pub async fn walk(&self, path: &str, per_page: u32) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let part = self.get(&format!("{path}{separator}per_page={per_page}{cursor}")).await;
            let part = part.ok();
            rows.extend(part["data"].as_array().unwrap().iter().cloned());
            let Some(next) = part["meta"]["next_cursor"].as_str() else { return rows };
            cursor = format!("&cursor={next}");
        }
    }
}

/// The id of whatever has one.
pub fn id(row: &Value) -> &str {
    row["id"].as_str().unwrap()
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    pub fn details(&self) -> &Value {
        &self.body["error"]["details"]
    }

    /// The data of a 200.
    pub fn ok(self) -> Value {
        self.expect(200)
    }

    /// The data of a success of this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body["data"].clone()
    }

    /// Fails unless it is this error.
    #[track_caller]
    pub fn fails(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{:#}", self.body);
    }

    /// Fails unless it is a `VALIDATION_ERROR` that names this field, with sentences.
    #[track_caller]
    pub fn names_field(&self, field: &str) {
        self.fails(422, "VALIDATION_ERROR");
        let sentences = self.details()[field].as_array();
        let sentences = sentences.unwrap_or_else(|| panic!("{field}: {:#}", self.body));
        assert!(!sentences.is_empty() && sentences.iter().all(Value::is_string));
    }

    /// The operation behind it.
    pub fn operation_id(&self) -> &str {
        self.header("operation-id").unwrap_or_else(|| panic!("no Operation-Id: {self:?}"))
    }

    fn check(&self, text: &str) {
        let meta = &self.body["meta"];
        let request_id = self.header("x-request-id");
        assert!(request_id.is_some(), "no X-Request-Id");
        let time = meta["timestamp"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        if self.body["success"] == true {
            assert!(meta["response_time_ms"].is_u64(), "{text}");
            assert!(self.body.get("data").is_some() && self.body.get("error").is_none());
        } else {
            assert_eq!(self.body["success"], false);
            assert_eq!(meta["request_id"].as_str(), request_id);
            assert!(self.details().is_object(), "{text}");
            assert!(self.status >= 400 && self.body["error"]["message"].is_string());
            let retry = self.header("retry-after");
            assert!(self.status != 503 || retry.is_some(), "503 without Retry-After");
            assert!(retry.is_none_or(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 0)));
        }
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for prefix in ID_PREFIXES {
            let mut behind = text.match_indices(prefix).map(|(at, _)| &text[at + prefix.len()..]);
            let is_id = |rest: &str| {
                rest.len() >= 16 && rest.bytes().take(16).all(|byte| byte.is_ascii_hexdigit())
            };
            assert!(!behind.any(is_id), "an id of the operator's in {text}");
        }
    }
}

impl Caller {
    /// Plans for a Link's cards, cheap ones of a region.
    pub async fn topups(&self, link: &Value) -> Vec<Value> {
        let path = format!("/links/{}/topup-plans?region=EU&coverage_type=regional", id(link));
        self.get(&path).await.ok()["data"].as_array().unwrap().clone()
    }

    /// How many rows a list has.
    pub async fn total(&self, path: &str) -> u64 {
        self.get(path).await.ok()["meta"]["total"].as_u64().unwrap()
    }
}

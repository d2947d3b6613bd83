//! The sandbox operator as tests see it: its controls, and the calls of its own protocol by which
//! something happens upstream that the service did not ask for.

use bappy::identity::http_client;
use bappy::sandbox::operator::{OperatorSimConfig, RunningOperatorSim, start};
use reqwest::Method;
use serde_json::{Value, json};

pub struct SimulatedOperator {
    http: reqwest::Client,
    url: String,
    token: String,
    _running: RunningOperatorSim,
}

impl SimulatedOperator {
    pub async fn start() -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = OperatorSimConfig { listen, state_file: None, seed: 7, workers: 1 };
        let running = start(config).await.unwrap();
        let (http, url) = (http_client().unwrap(), format!("http://{}", running.addr()));
        let login = json!({"username": "test", "password": "test"});
        let answer = http.post(format!("{url}/api/login")).json(&login).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let token = body["access_token"].as_str().unwrap().to_owned();
        Self { http, url, token, _running: running }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets the faults; `{}` ends them all.
    pub async fn faults(&self, faults: Value) {
        self.call(Method::PUT, "/_control/faults", Some(faults)).await;
    }

    /// Sets what a card shows at its next read.
    pub async fn usage(&self, usage: Value) {
        self.call(Method::POST, "/_control/usage", Some(usage)).await;
    }

    /// Every change that took effect, or those under one reference.
    pub async fn journal(&self, reference: Option<&str>) -> Vec<Value> {
        let query = reference.map_or(String::new(), |text| format!("?reference={text}"));
        let journal = self.call(Method::GET, &format!("/_control/journal{query}"), None).await;
        journal["items"].as_array().unwrap().clone()
    }

    /// The endpoint of a card that is not terminated.
    pub async fn endpoint(&self, iccid: &str) -> Value {
        let found = self.call(Method::GET, &format!("/api/endpoints?iccid={iccid}"), None).await;
        let mut items = found["items"].as_array().unwrap().iter();
        items.find(|endpoint| endpoint["status"] != "terminated").cloned().unwrap_or_default()
    }

    pub async fn endpoint_by_id(&self, id: &str) -> Value {
        self.call(Method::GET, &format!("/api/endpoints/{id}"), None).await
    }

    /// Sets a card's status upstream.
    pub async fn set_status(&self, iccid: &str, status: &str) {
        let endpoint = self.endpoint(iccid).await;
        let path = format!("/api/endpoints/{}", endpoint["endpoint_id"].as_str().unwrap());
        self.call(Method::PATCH, &path, Some(json!({"status": status}))).await;
    }

    /// Takes the oldest plan off a card, as if its time were over.
    pub async fn end_oldest_plan(&self, iccid: &str) {
        let endpoint = self.endpoint(iccid).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, plan) =
            (text(&endpoint["endpoint_id"]), text(&endpoint["plans"][0]["instance_id"]));
        self.call(Method::DELETE, &format!("/api/endpoints/{id}/plans/{plan}"), None).await;
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

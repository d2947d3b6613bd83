//! A running operator, and a caller that is logged in.

use std::{net::SocketAddr, path::Path, time::Duration};

use bappy::sandbox::operator::{OperatorSimConfig, RunningOperatorSim, start};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// A plan of the sponsor whose cards `Sim::free_iccid` gives.
pub const PLAN: &str = "meridian-global-1gb-15d";

pub struct Sim {
    pub running: RunningOperatorSim,
    pub client: Client,
    pub token: String,
}

impl Sim {
    pub async fn start() -> Self {
        Self::with_state(None).await
    }

    pub async fn with_state(state_file: Option<&Path>) -> Self {
        let config = OperatorSimConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state_file: state_file.map(Path::to_owned),
            seed: 1,
            workers: 2,
        };
        let running = start(config).await.unwrap();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let mut sim = Self { running, client, token: String::new() };
        sim.log_in().await;
        sim
    }

    pub async fn log_in(&mut self) {
        let credentials = json!({"username": "u", "password": "p"});
        let login = self.call(Method::POST, "/api/login").json(&credentials).send().await.unwrap();
        assert_eq!(login.status(), StatusCode::OK);
        let body: Value = login.json().await.unwrap();
        assert_eq!(body["expires_in"], 3_600);
        body["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.running.addr());
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.call(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.call(Method::POST, path).json(body).send().await.unwrap()).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.call(Method::PATCH, path).json(body).send().await.unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        read(self.call(Method::DELETE, path).send().await.unwrap()).await
    }

    pub async fn faults(&self, faults: &Value) {
        let put = self.call(Method::PUT, "/_control/faults").json(faults).send().await.unwrap();
        assert_eq!(put.status(), StatusCode::OK, "{}", put.text().await.unwrap());
    }

    pub async fn usage(&self, usage: &Value) {
        let (status, body) = self.post("/_control/usage", usage).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    }

    pub async fn journal(&self, reference: &str) -> Vec<Value> {
        let (status, body) = self.get(&format!("/_control/journal?reference={reference}")).await;
        assert_eq!(status, StatusCode::OK);
        body["items"].as_array().unwrap().clone()
    }

    pub async fn free_iccid(&self) -> String {
        let (_, cards) =
            self.get("/api/sims?state=available&sponsor=meridian&kind=esim&limit=1").await;
        cards["items"][0]["iccid"].as_str().unwrap().to_owned()
    }

    /// An endpoint on the next free card.
    pub async fn endpoint(&self, reference: &str) -> Value {
        let iccid = self.free_iccid().await;
        let body = json!({"iccid": iccid, "plan_id": PLAN, "name": "n", "reference": reference});
        let (status, endpoint) = self.post("/api/endpoints", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{endpoint}");
        endpoint
    }

    pub async fn add_plan(&self, endpoint: &Value, reference: &str) -> (StatusCode, Value) {
        let body = json!({"plan_id": PLAN, "reference": reference});
        self.post(&format!("{}/plans", path_of(endpoint)), &body).await
    }
}

pub fn path_of(endpoint: &Value) -> String {
    format!("/api/endpoints/{}", endpoint["endpoint_id"].as_str().unwrap())
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.bytes().await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    (status, body)
}

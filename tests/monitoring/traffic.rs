//! Partners at work: a few of them, each doing one thing after the other, until they are stopped.

use crate::sandbox::Sandbox;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Partners at a time: enough that requests meet, on two cores.
const PARTNERS: usize = 4;

/// Between two requests of one of them: a steady load, and no measurement.
const PAUSE: Duration = Duration::from_millis(20);

/// What is going on.
pub struct Traffic {
    stopped: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    partners: JoinSet<()>,
}

impl Traffic {
    pub async fn start(sandbox: &Arc<Sandbox>) -> Self {
        let (stopped, requests) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let token = sandbox.token("acme").await;
        let plans = sandbox.get("/v1/plans?search=France&per_page=1", &token).await;
        let plan = plans["data"]["data"][0]["id"].clone();
        let mut partners = JoinSet::new();
        for _ in 0..PARTNERS {
            let partner = Partner {
                sandbox: Arc::clone(sandbox),
                plan: plan.clone(),
                token: token.clone(),
                requests: Arc::clone(&requests),
            };
            let stopped = Arc::clone(&stopped);
            partners.spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    partner.work().await;
                }
            });
        }
        Self { stopped, requests, partners }
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Lets everybody finish what they do.
    pub async fn stop(mut self) -> u64 {
        self.stopped.store(true, Ordering::Relaxed);
        while self.partners.join_next().await.is_some() {}
        self.requests()
    }
}

struct Partner {
    sandbox: Arc<Sandbox>,
    plan: Value,
    token: String,
    requests: Arc<AtomicU64>,
}

impl Partner {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        tokio::time::sleep(PAUSE).await;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = self.sandbox.call(method, path, &self.token, body).await;
        answer.json().await.unwrap_or_default()
    }

    async fn get(&self, path: &str) {
        self.ask(Method::GET, path, None).await;
    }

    /// A card's life, and what a shop does besides.
    async fn work(&self) {
        self.get("/v1/plans?per_page=5").await;
        self.get("/v1/organization/balance").await;
        let new = Some(json!({"plan_id": self.plan, "name": "traveller"}));
        let link = self.ask(Method::POST, "/v1/links", new).await;
        let Some(link) = link["data"]["id"].as_str() else { return };
        let of = |part: &str| format!("/v1/links/{link}{part}");
        for _ in 0..3 {
            self.get(&of("")).await;
            let add = Some(json!({"add": [self.plan]}));
            self.ask(Method::PUT, &of("/plans"), add).await;
        }
        let sms = Some(json!({"link_id": link, "message": "welcome"}));
        self.ask(Method::POST, "/v1/sms", sms).await;
        for part in ["/network-status", "/network-status?live=true", "/history", "/topup-plans"] {
            self.get(&of(part)).await;
        }
        for status in ["suspended", "active"] {
            self.ask(Method::PUT, &of(""), Some(json!({"status": status}))).await;
        }
        self.get("/v1/links").await;
        self.get("/v1/transactions").await;
        self.get("/v1/transactions/stats").await;
        self.get("/v1/links/8901010000000000001").await;
        let nobody = self.sandbox.call(Method::GET, "/v1/links", "not.a.token", None);
        self.requests.fetch_add(1, Ordering::Relaxed);
        nobody.await;
    }
}

//! Every endpoint, as it is called on a database of any size.

use super::history::{History, Org, Thing};
use crate::Failed;
use crate::world::World;
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Links of the service's own making that are changed.
const FRESH_LINKS: usize = 20;

/// A service over a history, called as its first organization.
pub struct Site {
    client: reqwest::Client,
    base: String,
    token: String,
    history: History,
    org: Org,
    plan: String,
    /// Links that the operator knows, and an activation of each to be removed.
    fresh: Vec<String>,
    activations: Vec<String>,
    /// How often each endpoint is called in a round.
    calls: u64,
    /// Which round it is.
    pub round: u64,
    cursor: String,
}

/// A request.
struct Request {
    method: Method,
    path: String,
    body: Option<Value>,
    csv: bool,
}

type Before = for<'a> fn(&'a mut Site) -> BoxFuture<'a, Result<(), Failed>>;

/// An endpoint, called in one way.
pub struct Call {
    pub name: &'static str,
    /// Prepares a site for it.
    pub before: Before,
    request: fn(&Site, u64) -> Request,
}

impl Site {
    pub async fn new(
        world: &World,
        at: SocketAddr,
        history: History,
        calls: u64,
    ) -> Result<Self, Failed> {
        let org = history.orgs[0];
        let mut site = Self {
            client: world.client.clone(),
            base: format!("http://{at}/v1"),
            token: world.first_token().await?,
            plan: history.plans[0].to_string(),
            history,
            org,
            fresh: Vec::new(),
            activations: Vec::new(),
            calls,
            round: 0,
            cursor: String::new(),
        };
        for _ in 0..FRESH_LINKS {
            let body = json!({ "plan_id": site.plan });
            let made = site.json(Method::POST, "/links", Some(body)).await?;
            site.fresh.push(made["data"]["id"].as_str().unwrap_or_default().to_owned());
        }
        Ok(site)
    }

    /// Calls once; gives the time until the whole answer was there, of CSV until its first byte.
    pub async fn call(&self, call: &Call, number: u64) -> Result<Duration, Failed> {
        let Request { method, path, body, csv } = (call.request)(self, number);
        let begin = Instant::now();
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        request = request.bearer_auth(&self.token);
        if csv {
            request = request.header("Accept", "text/csv");
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let mut answer = request.send().await?;
        let status = answer.status();
        if csv && status.is_success() {
            answer.chunk().await?;
            return Ok(begin.elapsed());
        }
        let text = answer.text().await?;
        let took = begin.elapsed();
        if status.is_success() {
            return Ok(took);
        }
        Err(Failed(format!("{}: {method} {path} is answered {status}: {text}", call.name)))
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failed> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            return Err(Failed(format!("{path} is answered {status}: {text}")));
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// A number below `of` that wanders.
    fn wander(number: u64, of: u64) -> u64 {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % of.max(1)
    }

    /// A Link of the history, one of all; in each round others.
    fn any(&self, number: u64) -> u64 {
        Self::wander(self.round * self.calls + number, self.org.links)
    }

    /// A Link of the history, one of a few: the cache holds them at any size.
    fn some(&self, number: u64) -> u64 {
        let few = self.org.links.min(40);
        (number % few) * (self.org.links / few)
    }

    fn id(&self, link: u64) -> String {
        self.history.link(&self.org, link).to_string()
    }

    fn fresh(&self, number: u64) -> &str {
        &self.fresh[usize::try_from(number).unwrap_or(0) % self.fresh.len()]
    }

    /// The page in the middle of so many rows; of many it is between two kept ranks, not at one.
    fn middle(rows: u64) -> u64 {
        (rows / 2 / 20).max(1) + if rows > 10_000 { 25 } else { 0 }
    }

    fn day(&self, part: f64) -> chrono::DateTime<chrono::Utc> {
        #[expect(clippy::cast_possible_truncation, reason = "days")]
        let days = (365.0 * part) as i64;
        self.history.begin + TimeDelta::days(days)
    }
}

fn get(path: impl Into<String>) -> Request {
    Request { method: Method::GET, path: path.into(), body: None, csv: false }
}

fn put(path: impl Into<String>, body: Value) -> Request {
    Request { method: Method::PUT, path: path.into(), body: Some(body), csv: false }
}

fn post(path: impl Into<String>, body: Value) -> Request {
    Request { method: Method::POST, path: path.into(), body: Some(body), csv: false }
}

fn nothing(_: &mut Site) -> BoxFuture<'_, Result<(), Failed>> {
    Box::pin(async { Ok(()) })
}

/// Walks to the page in the middle once, and takes its cursor.
macro_rules! deep_cursor {
    ($path:literal, $rows:expr) => {{
        fn before(site: &mut Site) -> BoxFuture<'_, Result<(), Failed>> {
            Box::pin(async move {
                let rows: fn(&Org) -> u64 = $rows;
                let page = Site::middle(rows(&site.org));
                let list = site.json(Method::GET, &format!("{}&page={page}", $path), None).await?;
                let next = list["data"]["meta"]["next_cursor"].as_str().unwrap_or_default();
                site.cursor = next.to_owned();
                Ok(())
            })
        }
        before
    }};
}

/// Tops the Links up first, so that there is something to remove.
fn topped_up(site: &mut Site) -> BoxFuture<'_, Result<(), Failed>> {
    Box::pin(async move {
        site.activations.clear();
        for number in 0..site.calls {
            let path = format!("/links/{}/plans", site.fresh(number));
            let body = json!({ "add": [site.plan] });
            let added = site.json(Method::PUT, &path, Some(body)).await?;
            let id = added["data"]["added"][0]["id"].as_str().unwrap_or_default();
            site.activations.push(id.to_owned());
        }
        Ok(())
    })
}

macro_rules! call {
    ($name:literal, $request:expr) => {
        Call { name: $name, before: nothing, request: $request }
    };
    ($name:literal, $before:expr, $request:expr) => {
        Call { name: $name, before: $before, request: $request }
    };
}

/// Those that change nothing.
pub fn reads() -> Vec<Call> {
    let mut calls = links();
    calls.extend(transactions());
    calls.extend(others());
    calls
}

fn links() -> Vec<Call> {
    vec![
        call!("GET /links", |_, _| get("/links")),
        call!("GET /links?page=middle", |s, _| get(format!(
            "/links?page={}",
            Site::middle(s.org.links)
        ))),
        call!("GET /links?page=last", |s, _| get(format!(
            "/links?page={}",
            s.org.links.div_ceil(20)
        ))),
        call!("GET /links?cursor=deep", deep_cursor!("/links?per_page=20", |o| o.links), |s, _| {
            get(format!("/links?cursor={}", s.cursor))
        }),
        call!("GET /links?status=active", |_, _| get("/links?status=active")),
        call!("GET /links?status=suspended", |_, _| get("/links?status=suspended")),
        call!(
            "GET /links?status=active&cursor=deep",
            deep_cursor!("/links?status=active", |o| o.links),
            |s, _| get(format!("/links?status=active&cursor={}", s.cursor))
        ),
        call!("GET /links?type=physical", |_, _| get("/links?type=physical")),
        call!("GET /links?search=ICCID", |s, n| get(format!(
            "/links?search={}",
            s.org.iccid(s.any(n))
        ))),
        call!("GET /links?search=part of an ICCID", |s, n| {
            get(format!("/links?search={:07}", s.any(n)))
        }),
        call!("GET /links?search=name", |s, n| get(format!(
            "/links?search=traveller%20{}",
            s.any(n)
        ))),
        call!("GET /links?search=nothing", |_, _| get("/links?search=nobody")),
        call!("GET /links/{id}", |s, n| get(format!("/links/{}", s.id(s.some(n))))),
        call!("GET /links/{iccid}", |s, n| get(format!("/links/{}", s.org.iccid(s.some(n))))),
        call!("GET /links/{id}/history", |s, n| get(format!("/links/{}/history", s.id(s.any(n))))),
        call!("GET /links/{id}/history?type=topup", |s, n| {
            get(format!("/links/{}/history?type=topup", s.id(s.any(n))))
        }),
        call!("GET /links/{id}/topup-plans", |s, n| {
            get(format!("/links/{}/topup-plans", s.id(s.some(n))))
        }),
        call!("GET /links/{id}/network-status", |s, n| {
            get(format!("/links/{}/network-status", s.fresh(n)))
        }),
        call!("GET /links/{id}/qr-code", |s, n| get(format!("/links/{}/qr-code", s.fresh(n)))),
    ]
}

fn transactions() -> Vec<Call> {
    vec![
        call!("GET /transactions", |_, _| get("/transactions")),
        call!("GET /transactions?page=middle", |s, _| {
            get(format!("/transactions?page={}", Site::middle(s.org.entries())))
        }),
        call!("GET /transactions?page=last", |s, _| {
            get(format!("/transactions?page={}", s.org.entries().div_ceil(20)))
        }),
        call!(
            "GET /transactions?cursor=deep",
            deep_cursor!("/transactions?per_page=20", Org::entries),
            |s, _| get(format!("/transactions?cursor={}", s.cursor))
        ),
        call!("GET /transactions?type=topup", |_, _| get("/transactions?type=topup")),
        call!("GET /transactions?type=credit", |_, _| get("/transactions?type=credit")),
        call!("GET /transactions?type=topup&page=middle", |s, _| {
            get(format!("/transactions?type=topup&page={}", Site::middle(s.org.links * 6)))
        }),
        call!(
            "GET /transactions?type=topup&cursor=deep",
            deep_cursor!("/transactions?type=topup", |o| o.links * 6),
            |s, _| get(format!("/transactions?type=topup&cursor={}", s.cursor))
        ),
        call!("GET /transactions?link_id=", |s, n| {
            get(format!("/transactions?link_id={}", s.id(s.any(n))))
        }),
        call!("GET /transactions?from=&to= (30 days)", |s, _| {
            get(format!(
                "/transactions?from={}&to={}",
                s.day(0.5).date_naive(),
                s.day(0.58).date_naive()
            ))
        }),
        call!("GET /transactions?from=&to= (cut days)", |s, _| {
            let from = s.day(0.5).format("%Y-%m-%dT10:00:00Z");
            let to = s.day(0.58).format("%Y-%m-%dT11:00:00Z");
            get(format!("/transactions?from={from}&to={to}"))
        }),
        // One a page: at the smallest size there is one in seventeen hours.
        call!("GET /transactions?from=&to= (one of an hour)", |s, _| {
            let at = s.history.at(&s.org, s.org.entries() / 2);
            let from = at.format("%Y-%m-%dT%H:00:00Z");
            let to = (at + TimeDelta::hours(1)).format("%Y-%m-%dT%H:00:00Z");
            get(format!("/transactions?from={from}&to={to}&per_page=1"))
        }),
        call!("GET /transactions as CSV, first byte", |_, _| {
            Request { csv: true, ..get("/transactions") }
        }),
        call!("GET /transactions/stats", |_, _| get("/transactions/stats")),
        call!("GET /transactions/stats?from=&to= (30 days)", |s, _| get(format!(
            "/transactions/stats?from={}&to={}",
            s.day(0.5).date_naive(),
            s.day(0.58).date_naive()
        ))),
        call!("GET /transactions/stats?from=&to= (cut days)", |s, _| {
            let from = s.day(0.5).format("%Y-%m-%dT10:00:00Z");
            let to = s.day(0.58).format("%Y-%m-%dT11:00:00Z");
            get(format!("/transactions/stats?from={from}&to={to}"))
        }),
        call!("GET /transactions/analytics", |_, _| get("/transactions/analytics")),
        call!("GET /transactions/analytics?period_days=365", |_, _| {
            get("/transactions/analytics?period_days=365")
        }),
    ]
}

fn others() -> Vec<Call> {
    vec![
        call!("GET /operations", |_, _| get("/operations")),
        call!("GET /operations?page=middle", |s, _| {
            get(format!("/operations?page={}", Site::middle(s.org.operations())))
        }),
        call!(
            "GET /operations?cursor=deep",
            deep_cursor!("/operations?per_page=20", Org::operations),
            |s, _| get(format!("/operations?cursor={}", s.cursor))
        ),
        call!("GET /operations?state=pending", |_, _| get("/operations?state=pending")),
        call!("GET /operations?state=succeeded", |_, _| get("/operations?state=succeeded")),
        call!("GET /operations?state=refunded", |_, _| get("/operations?state=refunded")),
        call!("GET /operations?kind=topup", |_, _| get("/operations?kind=topup")),
        call!("GET /operations?kind=create_link", |_, _| get("/operations?kind=create_link")),
        call!("GET /operations?idempotency_key=", |s, n| {
            get(format!("/operations?idempotency_key=key-{}", s.any(n) / 10 * 10))
        }),
        call!("GET /operations/{id}", |s, n| {
            let id = s.history.id(Thing::Operation, &s.org, n % 6, s.any(n));
            get(format!("/operations/{id}"))
        }),
        call!("GET /sms", |_, _| get("/sms")),
        call!("GET /sms?page=middle", |s, _| get(format!(
            "/sms?page={}",
            Site::middle(s.org.links)
        ))),
        call!("GET /sms?cursor=deep", deep_cursor!("/sms?per_page=20", |o| o.links), |s, _| {
            get(format!("/sms?cursor={}", s.cursor))
        }),
        call!("GET /sms?link_id=", |s, n| get(format!("/sms?link_id={}", s.id(s.any(n))))),
        call!("GET /sms?status=delivered", |_, _| get("/sms?status=delivered")),
        call!("GET /sms?status=failed", |_, _| get("/sms?status=failed")),
        call!("GET /plans", |_, _| get("/plans")),
        call!("GET /plans?search=", |_, _| get("/plans?search=europe")),
        call!("GET /plans/{id}", |s, _| get(format!("/plans/{}", s.plan))),
        call!("GET /plans/{id}/coverage", |s, _| get(format!("/plans/{}/coverage", s.plan))),
        call!("GET /plans/regions", |_, _| get("/plans/regions")),
        call!("GET /organization", |_, _| get("/organization")),
        call!("GET /organization/balance", |_, _| get("/organization/balance")),
        call!("GET /info/operators", |_, _| get("/info/operators?search=japan")),
        call!("GET /status", |_, _| get("/status")),
    ]
}

/// Those that change something.
pub fn changes() -> Vec<Call> {
    vec![
        call!("POST /links", |s, _| post("/links", json!({ "plan_id": s.plan }))),
        call!("PUT /links/{id} name", |s, n| {
            put(format!("/links/{}", s.fresh(n)), json!({ "name": format!("name {n}") }))
        }),
        call!("PUT /links/{id} status", |s, n| {
            let links = s.fresh.len() as u64;
            let status = if (n / links).is_multiple_of(2) { "suspended" } else { "active" };
            put(format!("/links/{}", s.fresh(n)), json!({ "status": status }))
        }),
        // An odd number of changes may have left them suspended.
        call!("PUT /links/{id}/plans add", activated, |s, n| {
            put(format!("/links/{}/plans", s.fresh(n)), json!({ "add": [s.plan] }))
        }),
        call!("PUT /links/{id}/plans remove", topped_up, |s, n| {
            let place = usize::try_from(n).unwrap_or(0);
            put(format!("/links/{}/plans", s.fresh(n)), json!({ "remove": [s.activations[place]] }))
        }),
        call!("POST /sms", |s, n| post(
            "/sms",
            json!({ "link_id": s.fresh(n), "message": "hello" })
        )),
    ]
}

/// All Links of the service's own making are active.
fn activated(site: &mut Site) -> BoxFuture<'_, Result<(), Failed>> {
    Box::pin(async move {
        for id in site.fresh.clone() {
            let path = format!("/links/{id}");
            let link = site.json(Method::GET, &path, None).await?;
            if link["data"]["status"] == "suspended" {
                let body = json!({ "status": "active" });
                site.json(Method::PUT, &path, Some(body)).await?;
            }
        }
        Ok(())
    })
}

//! The clients: each call under a key of its own, a bounded number in flight, every answer kept.

use crate::world::World;
use bappy_actors::model::Money;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A patient client comes back this often, and gives up after this long: every operation is final
/// by then, however often its service was killed.
const COME_BACK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(2);

/// What a client wants.
#[derive(Clone, Debug)]
pub enum Wish {
    Create,
    /// A Link on a card of the stock.
    CreateOn(String),
    /// So many plans, all or none, on a Link.
    Topup(String, usize),
    /// An activation taken off a Link.
    Remove(String, String),
    /// Several at once.
    RemoveAll(String, Vec<String>),
    /// A Link's status.
    Status(String, &'static str),
    /// A Link's name.
    Rename(String, &'static str),
    /// A message to a Link.
    Sms(String, String),
}

#[derive(Clone, Debug)]
pub struct Call {
    /// Empty: none is sent.
    pub key: String,
    pub wish: Wish,
}

/// The answer that a client took as final.
#[derive(Clone, Debug)]
pub struct Told {
    pub key: String,
    pub status: u16,
    /// The error's code; `OK` of a success.
    pub code: String,
    pub charged: Money,
    pub operation: Option<String>,
    /// Whether it says that it was given before.
    pub replayed: bool,
    /// Connections that broke before there was an answer.
    pub cut: usize,
    /// The longest that it waited for an answer.
    pub took: Duration,
    /// The same call was made before, and its answer not waited for: that one may come about after
    /// an error has made its key free.
    pub abandoned: bool,
    /// When the answer was there.
    pub at: Instant,
    /// When it may come back, in seconds.
    pub retry_after: Option<u64>,
    pub body: Value,
}

impl Told {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether coming back can end otherwise. A refusal that names no operation came before any
    /// charge: the breaker is open, which it soon is for a service that has just started.
    fn is_not_the_end(&self) -> bool {
        match &*self.code {
            "OPERATION_IN_PROGRESS" | "SERVICE_UNAVAILABLE" => true,
            "PROVIDER_UNAVAILABLE" => self.operation.is_none(),
            _ => false,
        }
    }
}

/// What a client does when it does not know how a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Takes whatever it is told for the end.
    Trusting,
    /// Comes back with the same key after a cut connection, a 409 that says that it is running, a
    /// 503 of our own, and a call that was refused for want of the operator, as the contract says.
    Patient,
}

/// Clients that run now, and how far they are.
pub struct Load<'a> {
    world: &'a World,
    services: Vec<SocketAddr>,
    client: Client,
    in_flight: Semaphore,
    patience: Duration,
    answered: AtomicUsize,
}

impl<'a> Load<'a> {
    pub fn new(
        world: &'a World,
        services: Vec<SocketAddr>,
        client: Client,
        in_flight: usize,
    ) -> Self {
        let in_flight = Semaphore::new(in_flight);
        let (patience, answered) = (PATIENCE, AtomicUsize::new(0));
        Self { world, services, client, in_flight, patience, answered }
    }

    /// Clients come back for so long.
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Makes all calls; the services take turns.
    pub async fn run(&self, calls: Vec<Call>) -> Vec<Told> {
        let calls = calls.into_iter().enumerate().map(|(index, call)| async move {
            let told = self.make(self.services[index % self.services.len()], call).await;
            self.answered.fetch_add(1, Ordering::Relaxed);
            told
        });
        join_all(calls).await
    }

    /// Makes the calls of each list one after the other, all lists side by side.
    pub async fn run_in_turns(&self, lists: Vec<Vec<Call>>) -> Vec<Told> {
        let lists = lists.into_iter().map(|list| async {
            let mut told = Vec::with_capacity(list.len());
            for call in list {
                told.push(self.make(self.services[0], call).await);
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            told
        });
        join_all(lists).await.concat()
    }

    /// Makes one call after the other on each of as many lanes as calls may be in flight, as long
    /// as there are any.
    pub async fn run_while(&self, next: impl Fn(usize) -> Option<Call>) -> Vec<Told> {
        let made = AtomicUsize::new(0);
        let lanes = (0..self.in_flight.available_permits()).map(|_| async {
            let mut told = Vec::new();
            loop {
                let index = made.fetch_add(1, Ordering::Relaxed);
                let Some(call) = next(index) else { return told };
                told.push(self.make(self.services[index % self.services.len()], call).await);
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        join_all(lanes).await.concat()
    }

    /// How many calls have their final answer.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Makes so many calls a second, whether those before are answered or not.
    pub async fn run_at_rate(&self, calls: Vec<Call>, per_second: usize) -> Vec<Told> {
        let started = tokio::time::Instant::now();
        let calls = calls.into_iter().enumerate().map(|(index, call)| async move {
            let apart = Duration::from_secs(1) / u32::try_from(per_second).unwrap();
            let after = apart * u32::try_from(index).unwrap();
            tokio::time::sleep_until(started + after).await;
            let sent_at = Instant::now();
            let (service, mut cut) = (self.services[index % self.services.len()], 0);
            // The client opens connections ahead; one that sent nothing is closed after five
            // seconds, and a call that is on its way onto it then is cut.
            let told = loop {
                match self.send(service, &call).await {
                    Ok(told) => break told,
                    Err(error) => assert!(sent_at.elapsed() < self.patience, "{call:?}: {error:?}"),
                }
                cut += 1;
            };
            self.answered.fetch_add(1, Ordering::Relaxed);
            Told { cut, took: sent_at.elapsed(), ..told }
        });
        join_all(calls).await
    }

    /// Returns when so many calls have their final answer.
    pub async fn reaches(&self, answered: usize) {
        while self.answered() < answered {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Counts a call that was made by itself.
    pub fn count(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes one call, until its client takes the answer for final.
    pub async fn make(&self, service: SocketAddr, call: Call) -> Told {
        let (started, mut cut, mut longest) = (Instant::now(), 0, Duration::ZERO);
        loop {
            let sent = {
                let _place = self.in_flight.acquire().await.unwrap();
                let sent_at = Instant::now();
                let sent = self.send(service, &call).await;
                longest = longest.max(sent_at.elapsed());
                sent
            };
            cut += usize::from(sent.is_err());
            let again = sent.as_ref().map_or(true, Told::is_not_the_end);
            if !(again && self.client == Client::Patient) {
                let mut told = sent.unwrap_or_else(|error| panic!("{call:?}: {error:?}"));
                (told.cut, told.took) = (cut, longest);
                return told;
            }
            assert!(started.elapsed() < self.patience, "{call:?} has no end: {sent:?}");
            tokio::time::sleep(COME_BACK).await;
        }
    }

    /// Makes one call once.
    pub async fn send(&self, service: SocketAddr, call: &Call) -> reqwest::Result<Told> {
        let plan = &self.world.plan;
        let (method, path, body) = match &call.wish {
            Wish::Create => (Method::POST, "/v1/links".to_owned(), json!({ "plan_id": plan })),
            Wish::CreateOn(iccid) => {
                let body = json!({ "plan_id": plan, "iccid": iccid });
                (Method::POST, "/v1/links".to_owned(), body)
            }
            Wish::Topup(link, plans) => {
                let body = json!({ "add": vec![plan; *plans] });
                (Method::PUT, format!("/v1/links/{link}/plans"), body)
            }
            Wish::Remove(link, activation) => {
                let body = json!({ "remove": [activation] });
                (Method::PUT, format!("/v1/links/{link}/plans"), body)
            }
            Wish::RemoveAll(link, activations) => {
                let body = json!({ "remove": activations });
                (Method::PUT, format!("/v1/links/{link}/plans"), body)
            }
            Wish::Status(link, status) => {
                (Method::PUT, format!("/v1/links/{link}"), json!({ "status": status }))
            }
            Wish::Rename(link, name) => {
                (Method::PUT, format!("/v1/links/{link}"), json!({ "name": name }))
            }
            Wish::Sms(link, message) => {
                let body = json!({ "link_id": link, "message": message });
                (Method::POST, "/v1/sms".to_owned(), body)
            }
        };
        let request = self.world.client.request(method, format!("http://{service}{path}"));
        let mut request = request.bearer_auth(self.world.token());
        if !call.key.is_empty() {
            request = request.header("Idempotency-Key", &call.key);
        }
        let answer = request.json(&body).send().await?;
        let status = answer.status().as_u16();
        let operation = answer.headers().get("Operation-Id");
        let operation = operation.map(|id| id.to_str().unwrap().to_owned());
        let replayed = answer.headers().contains_key("Idempotent-Replayed");
        let retry_after = answer.headers().get("Retry-After");
        let retry_after = retry_after.map(|after| after.to_str().unwrap().parse().unwrap());
        let body: Value = answer.json().await?;
        let code = body["error"]["code"].as_str().unwrap_or("OK").to_owned();
        let charged = body["data"]["amount_charged"].as_str();
        let charged = charged.map_or(Money::ZERO, |amount| amount.parse().unwrap());
        let (key, took, at) = (call.key.clone(), Duration::ZERO, Instant::now());
        Ok(Told {
            key,
            status,
            code,
            charged,
            operation,
            replayed,
            cut: 0,
            abandoned: false,
            took,
            at,
            retry_after,
            body,
        })
    }
}

/// New Links with nothing going wrong, paid for by themselves: their ids.
pub async fn links(world: &World, service: SocketAddr, count: usize) -> Vec<String> {
    world.pay_in(world.times(count)).await;
    let load = Load::new(world, vec![service], Client::Trusting, 8);
    let call = |n| Call { key: format!("link-{n}"), wish: Wish::Create };
    let told = load.run((0..count).map(call).collect()).await;
    let id = |told: &Told| told.body["data"]["id"].as_str().map(str::to_owned);
    told.iter().map(|told| id(told).unwrap_or_else(|| panic!("{told:?}"))).collect()
}

/// Top-ups on Links in turn, every eighth of two plans, with new Links in between.
pub fn mixed(links: &[String], topups: usize, creates: usize) -> Vec<Call> {
    let every = (topups + creates) / creates.max(1);
    let mut calls = Vec::with_capacity(topups + creates);
    let (mut topped_up, mut made) = (0, 0);
    while topped_up + made < topups + creates {
        let n = topped_up + made;
        let create = (n % every.max(1) == 0 && made < creates) || topped_up == topups;
        let wish = if create {
            made += 1;
            Wish::Create
        } else {
            topped_up += 1;
            Wish::Topup(links[n % links.len()].clone(), if n % 8 == 0 { 2 } else { 1 })
        };
        calls.push(Call { key: format!("call-{n}"), wish });
    }
    calls
}

/// What all of [`mixed`] costs at most, in plans.
pub fn plans(calls: &[Call]) -> usize {
    let plans = |call: &Call| if let Wish::Topup(_, plans) = call.wish { plans } else { 1 };
    calls.iter().map(plans).sum()
}

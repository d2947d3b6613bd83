//! Clients, each on a Link of its own and on some that all share: what they ask for next, and what
//! they learn from the answers. Each comes back with the same key until it has a final answer, and
//! some hang up in the middle.

use super::Parameters;
use super::random::Random;
use crate::load::{Call, Client, Load, Told, Wish};
use crate::world::World;
use futures_util::future::join_all;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A client comes back for so long: an operation that is taken over and lost with each kill takes
/// a lease more each time.
const PATIENCE: Duration = Duration::from_mins(20);

/// What was asked and told.
#[derive(Default)]
pub struct Answers {
    pub told: Vec<(Asked, Told)>,
    pub hang_ups: usize,
}

/// What kind of thing was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    Create,
    Topup,
    Remove,
    Status,
    Rename,
    Sms,
}

impl Asked {
    pub fn is_charged(self) -> bool {
        matches!(self, Self::Create | Self::Topup)
    }
}

struct Lane<'a> {
    number: usize,
    random: Random,
    /// Its own Link, and those of all.
    link: &'a str,
    shared: &'a [String],
    /// Activations on its Link that it can have taken off.
    plans: Vec<String>,
    is_active: bool,
    made: usize,
}

/// Runs all clients until all calls are made.
pub async fn run(
    services: &[SocketAddr],
    links: &[String],
    load: &Load<'_>,
    parameters: &Parameters,
) -> Answers {
    let left = AtomicUsize::new(parameters.operations);
    let (own, shared) = links.split_at(parameters.lanes);
    let lanes = own.iter().enumerate().map(|(number, link)| {
        let random = Random::stream(parameters.seed, 1_000 + number as u64);
        let plans = Vec::new();
        let lane = Lane { number, random, link, shared, plans, is_active: true, made: 0 };
        lane.run(services, load, &left)
    });
    let mut all = Answers::default();
    for answers in join_all(lanes).await {
        all.told.extend(answers.told);
        all.hang_ups += answers.hang_ups;
    }
    all
}

impl Lane<'_> {
    async fn run(
        mut self,
        services: &[SocketAddr],
        load: &Load<'_>,
        left: &AtomicUsize,
    ) -> Answers {
        let mut answers = Answers::default();
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
        {
            let (asked, wish) = self.wish();
            let call = Call { key: format!("lane-{}-{}", self.number, self.made), wish };
            self.made += 1;
            let service = services[self.random.below(services.len())];
            let (mut heard, mut abandoned) = (None, false);
            if self.random.percent(5) {
                answers.hang_ups += 1;
                let after = self.random.millis(0, 30);
                heard = tokio::time::timeout(after, load.send(service, &call)).await.ok();
                abandoned = heard.is_none();
            }
            // It may come back to the other one.
            let service = services[self.random.below(services.len())];
            let mut told = load.make(service, call.clone()).await;
            load.count();
            if let Some(Ok(first)) = heard
                && first.is_success()
                && asked != Asked::Sms
            {
                assert!(told.replayed, "{first:?}, then {told:?}");
                assert_eq!(first.body["data"], told.body["data"]);
            }
            self.learn(asked, &call.wish, &told);
            told.body = Value::Null;
            told.abandoned = abandoned;
            answers.told.push((asked, told));
        }
        answers
    }

    fn wish(&mut self) -> (Asked, Wish) {
        let own = self.link.to_owned();
        if !self.is_active {
            return (Asked::Status, Wish::Status(own, "active"));
        }
        match self.random.below(100) {
            0..12 => (Asked::Create, Wish::Create),
            12..20 => (Asked::Topup, Wish::Topup(own, 2)),
            20..40 => (Asked::Topup, Wish::Topup(own, 1)),
            40..58 if !self.plans.is_empty() => {
                let place = self.random.below(self.plans.len());
                (Asked::Remove, Wish::Remove(own, self.plans.swap_remove(place)))
            }
            58..66 => (Asked::Status, Wish::Status(own, "suspended")),
            66..69 => (Asked::Rename, Wish::Rename(own, "Renamed")),
            69..82 => (Asked::Sms, Wish::Sms(own, format!("Message {}", self.made))),
            _ => {
                let shared = self.shared[self.random.below(self.shared.len())].clone();
                (Asked::Topup, Wish::Topup(shared, 1))
            }
        }
    }

    fn learn(&mut self, asked: Asked, wish: &Wish, told: &Told) {
        let data = &told.body["data"];
        match (asked, wish) {
            (Asked::Topup, Wish::Topup(link, _)) if told.is_success() && link == self.link => {
                let added = data["added"].as_array().unwrap().iter();
                self.plans.extend(added.map(|a| a["id"].as_str().unwrap().to_owned()));
            }
            (Asked::Status, Wish::Status(_, status)) if told.is_success() => {
                self.is_active = *status == "active";
            }
            // Something before came about all the same.
            (Asked::Status, Wish::Status(..)) if told.code == "INVALID_STATUS_CHANGE" => {
                self.is_active = told.body["error"]["details"]["from"] == "active";
            }
            (Asked::Topup | Asked::Remove | Asked::Sms, _) if told.code == "INVALID_STATE" => {
                let status = &told.body["error"]["details"]["status"];
                self.is_active &= status.is_null();
            }
            _ => {}
        }
    }
}

pub fn load<'a>(world: &'a World, services: &[SocketAddr], lanes: usize) -> Load<'a> {
    Load::new(world, services.to_vec(), Client::Patient, lanes).patient_for(PATIENCE)
}

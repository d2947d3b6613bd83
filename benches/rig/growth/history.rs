//! A made-up history: which organizations there are, and what happened to each of their Links, as
//! pure functions of numbers, so that every table can be written by itself and all agree.
//!
//! An organization is credited once; then its Links go through ten rounds, one entry a Link each:
//! activation, seven top-ups, a message, a monthly fee. Of some Links the sixth top-up fails, and the next
//! round is its refund. Half of all is the first organization's. Of what is rare and asked for it has more
//! than a page at any size from a thousand transactions on, so that answers are as long.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Ledger entries of a Link.
pub const ROUNDS: u64 = 10;
/// Transactions of all but the first organization: 2,000 organizations at ten million.
const OF_OTHERS: u64 = 2_500;
/// The first organization has at least so many Links of each rare sort: more than a page.
const RARE_MIN: u64 = 25;
/// All of it happened within this.
const SPAN_DAYS: i64 = 365;

/// What a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Activation,
    Topup,
    FailedTopup,
    Refund,
    Sms,
    Fee,
}

/// Links of a rare sort: one in `every`, from the one with the number `first` on.
#[derive(Clone, Copy, Debug)]
pub struct Rare {
    every: u64,
    first: u64,
}

/// Those on physical cards.
pub const PHYSICAL: Rare = Rare { every: 100, first: 8 };
/// Those that are suspended.
pub const SUSPENDED: Rare = Rare { every: 40, first: 3 };
/// Those whose message failed.
pub const SMS_FAILED: Rare = Rare { every: 50, first: 10 };
/// Those of which a top-up failed.
const TOPUP_FAILED: Rare = Rare { every: 50, first: 11 };

impl Event {
    /// Whether there is an activation of it.
    pub fn activates(self) -> bool {
        matches!(self, Self::Activation | Self::Topup)
    }

    /// Whether there is an operation of it.
    pub fn operates(self) -> bool {
        !matches!(self, Self::Refund | Self::Fee)
    }
}

/// An organization.
#[derive(Clone, Copy, Debug)]
pub struct Org {
    pub number: u64,
    pub id: Uuid,
    pub links: u64,
}

/// What an id is of; ids of different things never meet.
#[derive(Clone, Copy)]
pub enum Thing {
    Link = 1,
    Operation = 2,
    Activation = 3,
    Entry = 4,
    Organization = 5,
}

/// A history of so many transactions.
#[derive(Clone)]
pub struct History {
    pub orgs: Vec<Org>,
    pub begin: DateTime<Utc>,
    pub plans: Vec<Uuid>,
}

impl History {
    /// Up to `now`, with these plans.
    pub fn new(transactions: u64, now: DateTime<Utc>, plans: Vec<Uuid>) -> Self {
        let half = transactions / 2;
        let others = half.div_ceil(OF_OTHERS).max(1);
        let begin = now - TimeDelta::days(SPAN_DAYS);
        let org = |number: u64| Org {
            number,
            id: id(begin, Thing::Organization, number, 0),
            links: if number == 0 { half / ROUNDS } else { half / others / ROUNDS },
        };
        Self { orgs: (0..=others).map(org).collect(), begin, plans }
    }

    /// The plan that a Link's activations are of.
    pub fn plan(&self, org: &Org, link: u64) -> usize {
        let number = if org.number == 0 { link } else { org.number };
        usize::try_from(number).unwrap_or(0) % self.plans.len()
    }

    /// When all of it had happened.
    pub fn end(&self) -> DateTime<Utc> {
        self.begin + TimeDelta::days(SPAN_DAYS)
    }

    /// When an entry was written.
    pub fn at(&self, org: &Org, sequence: u64) -> DateTime<Utc> {
        let micros = i64::try_from(sequence * 86_400_000_000 / (org.entries() + 1)).unwrap_or(0);
        self.begin + TimeDelta::microseconds(micros * SPAN_DAYS)
    }

    /// The id of something that a Link's round brought about.
    pub fn id(&self, thing: Thing, org: &Org, round: u64, link: u64) -> Uuid {
        let at = self.at(org, org.sequence(round, link));
        id(at, thing, org.number, round << 32 | link)
    }

    /// A Link's id.
    pub fn link(&self, org: &Org, link: u64) -> Uuid {
        self.id(Thing::Link, org, 0, link)
    }
}

impl Org {
    /// How many entries its ledger has.
    pub fn entries(&self) -> u64 {
        1 + self.links * ROUNDS
    }

    /// The sequence of a Link's entry of a round.
    pub fn sequence(&self, round: u64, link: u64) -> u64 {
        2 + round * self.links + link
    }

    /// The event of a Link's round.
    pub fn event(&self, round: u64, link: u64) -> Event {
        match round {
            0 => Event::Activation,
            6 if self.has(TOPUP_FAILED, link) => Event::FailedTopup,
            7 if self.has(TOPUP_FAILED, link) => Event::Refund,
            1..=7 => Event::Topup,
            8 => Event::Sms,
            _ => Event::Fee,
        }
    }

    /// How many operations it has.
    pub fn operations(&self) -> u64 {
        // Of a Link all but the fee; of one that fails all but the refund as well.
        self.links * (ROUNDS - 1) - self.count(TOPUP_FAILED)
    }

    /// Whether one of its Links is of a rare sort.
    pub fn has(&self, rare: Rare, link: u64) -> bool {
        let every = self.every(rare);
        link % every == rare.first % every
    }

    /// How many of its Links are of a rare sort.
    fn count(&self, rare: Rare) -> u64 {
        let every = self.every(rare);
        (self.links + every - 1 - rare.first % every) / every
    }

    fn every(&self, rare: Rare) -> u64 {
        let most = if self.number == 0 { self.links / RARE_MIN } else { rare.every };
        // Some are left that are not rare, however few there are.
        rare.every.min(most).max(2)
    }

    /// Its short name.
    pub fn slug(&self) -> String {
        format!("org-{:04}", self.number)
    }

    /// A Link's card: below all of the operator's, which are asked for from the highest known on.
    pub fn iccid(&self, link: u64) -> String {
        format!("8900{:05}{link:010}", self.number)
    }
}

/// A UUID v7 of that time.
fn id(at: DateTime<Utc>, thing: Thing, org: u64, number: u64) -> Uuid {
    let ms = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    let micros = u64::from(at.timestamp_subsec_micros() % 1_000);
    // Twelve bits of microseconds, as RFC 9562 allows, keep the order within a millisecond.
    let high = ms << 16 | 0x7000 | micros << 2;
    let low =
        1 << 63 | (thing as u64) << 58 | org << 40 | number >> 32 << 36 | number & 0xF_FFFF_FFFF;
    Uuid::from_u64_pair(high, low)
}

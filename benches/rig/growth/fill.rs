//! Writes a history into a database, so that `bappy audit` finds nothing wrong in it.

use super::history::{Event, History, Org, PHYSICAL, ROUNDS, SMS_FAILED, SUSPENDED, Thing};
use super::sink::{Cell, Sink};
use crate::Failed;
use bappy_actors::model::Request;
use chrono::{NaiveDate, TimeDelta};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What things cost, in micros.
pub const PRICE: i64 = 1_000_000;
const SMS_PRICE: i64 = 50_000;
const FEE: i64 = 500_000;
/// A plan's volume in kilobytes.
const DATA_KB: i64 = 1_000_000;
/// Every organization was paid in this: more than the first spends at a hundred million.
const CREDIT: i64 = 100_000_000_000_000;
const DAYS_OF_VALIDITY: i64 = 30;

/// Fills every table; the plans and organizations must be there.
pub async fn fill(sink: &mut Sink, history: &History, sponsor: &str) -> Result<(), Failed> {
    let h = history;
    let links = || pairs(h, 1);
    let mut each = links();
    sink.fill(
        "links",
        "org_id, id, name, iccid, msisdn, kind, status, sponsor_id, endpoint_id, \
         smdp_address, matching_id, data_total_kb, data_used_kb, created_at, updated_at",
        |row| {
            let Some((org, _, l)) = each.next() else { return false };
            let at = h.at(&org, org.sequence(0, l));
            row.extend([
                Cell::Id(org.id),
                Cell::Id(h.link(&org, l)),
                Cell::Owned(format!("Traveller {l}")),
                Cell::Owned(org.iccid(l)),
                Cell::Owned(format!("+88{:03}{l:08}", org.number)),
                Cell::Text(kind(&org, l)),
                Cell::Text(status(&org, l)),
                Cell::Owned(sponsor.to_owned()),
                Cell::Owned(format!("ep-{}-{l}", org.number)),
                Cell::Text("smdp.example.com"),
                Cell::Owned(format!("MATCHING-{l}")),
                Cell::Int(DATA_KB * in_force(&org, l)),
                Cell::Int(DATA_KB),
                Cell::Time(at),
                Cell::Time(at),
            ]);
            true
        },
    )
    .await?;
    let mut each = links();
    sink.fill(
        "sims",
        "iccid, kind, sponsor_id, smdp_address, matching_id, state, created_at",
        |row| {
            let Some((org, _, l)) = each.next() else { return false };
            row.extend([
                Cell::Owned(org.iccid(l)),
                Cell::Text(kind(&org, l)),
                Cell::Owned(sponsor.to_owned()),
                Cell::Text("smdp.example.com"),
                Cell::Owned(format!("MATCHING-{l}")),
                Cell::Text("used"),
                Cell::Time(h.at(&org, org.sequence(0, l))),
            ]);
            true
        },
    )
    .await?;
    operations(sink, h).await?;
    activations(sink, h).await?;
    messages_and_fees(sink, h).await?;
    counts(sink, h).await?;
    entries(sink, h).await
}

/// How many of a Link's activations are in force: all but the first two, which have expired.
fn in_force(org: &Org, link: u64) -> i64 {
    let count = (2..ROUNDS).filter(|round| org.event(*round, link).activates()).count();
    i64::try_from(count).unwrap_or(0)
}

fn kind(org: &Org, link: u64) -> &'static str {
    if org.has(PHYSICAL, link) { "physical" } else { "esim" }
}

fn status(org: &Org, link: u64) -> &'static str {
    match () {
        () if org.has(SUSPENDED, link) => "suspended",
        // Nobody asks for these.
        () if link % 40 == 6 => "inactive",
        () => "active",
    }
}

fn sms_status(org: &Org, link: u64) -> &'static str {
    if org.has(SMS_FAILED, link) { "failed" } else { "delivered" }
}

/// Every Link of every organization, in each of the first rounds, in the order of their sequences.
fn pairs(h: &History, rounds: u64) -> impl Iterator<Item = (Org, u64, u64)> {
    h.orgs.iter().flat_map(move |org| {
        (0..rounds).flat_map(move |round| (0..org.links).map(move |link| (*org, round, link)))
    })
}

async fn operations(sink: &mut Sink, h: &History) -> Result<(), Failed> {
    let topup = Request::Topup {
        endpoint_id: "ENDPOINT".to_owned(),
        iccid: "ICCID".to_owned(),
        operator_plan_id: "plan".to_owned(),
    };
    let topup = serde_json::to_string(&topup)?;
    let create = Request::CreateLink {
        name: None,
        iccid: "ICCID".to_owned(),
        operator_plan_id: "plan".to_owned(),
    };
    let create = serde_json::to_string(&create)?;
    let send = Request::SendSms { endpoint_id: "ENDPOINT".to_owned(), attempted_at: None };
    let send = serde_json::to_string(&send)?;
    let mut each = pairs(h, ROUNDS).filter(|(o, r, l)| o.event(*r, *l).operates());
    sink.fill("operations", "org_id, id, group_id, position, kind, state, link_id, activation_id, \
         plan_id, amount, debit_id, idempotency_key, request_hash, request, failure, cleanup, epoch, \
         attempts, deadline_at, horizon_at, created_at, settled_at", |row| {
        let Some((org, r, l)) = each.next() else { return false };
        let id = h.id(Thing::Operation, &org, r, l);
        let at = h.at(&org, org.sequence(r, l));
        let (kind, state, amount, request) = match org.event(r, l) {
            Event::Activation => ("create_link", "succeeded", PRICE, create.replace("ICCID", &org.iccid(l))),
            Event::FailedTopup => ("topup", "refunded", PRICE, topup.replace("ICCID", &org.iccid(l))),
            Event::Sms => ("send_sms", "succeeded", SMS_PRICE, send.clone()),
            _ => ("topup", "succeeded", PRICE, topup.replace("ICCID", &org.iccid(l))),
        };
        let is_sms = org.event(r, l) == Event::Sms;
        let keyed = r == 1 && l % 10 == 0;
        row.extend([
            Cell::Id(org.id), Cell::Id(id), Cell::Id(id), Cell::Int(0), Cell::Text(kind),
            Cell::Text(state), Cell::Id(h.link(&org, l)),
            if is_sms { Cell::Null } else { Cell::Id(h.id(Thing::Activation, &org, r, l)) },
            if is_sms { Cell::Null } else { Cell::Id(h.plans[h.plan(&org, l)]) },
            Cell::Int(amount), Cell::Id(h.id(Thing::Entry, &org, r, l)),
            if keyed { Cell::Owned(format!("key-{l}")) } else { Cell::Null }, Cell::Null,
            Cell::Owned(request),
            if state == "refunded" { Cell::Text("PROVISIONING_ERROR") } else { Cell::Null },
            Cell::Text("none"), Cell::Int(0), Cell::Int(0), Cell::Time(at), Cell::Time(at),
            Cell::Time(at), Cell::Time(at),
        ]);
        true
    }).await?;
    Ok(())
}

async fn activations(sink: &mut Sink, h: &History) -> Result<(), Failed> {
    let mut each = pairs(h, 8).filter(|(o, r, l)| o.event(*r, *l).activates());
    sink.fill(
        "activations",
        "org_id, id, link_id, operation_id, plan_id, plan_name, status, \
         instance_id, activated_at, expires_at, data_total_kb, data_used_kb, countries, amount, \
         currency",
        |row| {
            let Some((org, r, l)) = each.next() else { return false };
            let at = h.at(&org, org.sequence(r, l));
            let (status, used) = match r {
                0 | 1 => ("expired", DATA_KB),
                2 => ("depleted", DATA_KB),
                _ => ("active", 0),
            };
            // Far off for those in force: nothing shall expire while it is measured.
            let days = if r < 2 { DAYS_OF_VALIDITY } else { DAYS_OF_VALIDITY * 100 };
            row.extend([
                Cell::Id(org.id),
                Cell::Id(h.id(Thing::Activation, &org, r, l)),
                Cell::Id(h.link(&org, l)),
                Cell::Id(h.id(Thing::Operation, &org, r, l)),
                Cell::Id(h.plans[h.plan(&org, l)]),
                Cell::Text("Europe 1 GB"),
                Cell::Text(status),
                Cell::Owned(format!("in-{}-{r}-{l}", org.number)),
                Cell::Time(at),
                Cell::Time(at + TimeDelta::days(days)),
                Cell::Int(DATA_KB),
                Cell::Int(used),
                Cell::Text("DE,ES,FR,IT"),
                Cell::Int(PRICE),
                Cell::Text("USD"),
            ]);
            true
        },
    )
    .await?;
    Ok(())
}

async fn messages_and_fees(sink: &mut Sink, h: &History) -> Result<(), Failed> {
    let mut each = pairs(h, 1);
    sink.fill(
        "sms",
        "org_id, id, link_id, iccid, message, status, amount, operator_sms_id, \
         created_at, sent_at, updated_at",
        |row| {
            let Some((org, _, l)) = each.next() else { return false };
            let at = h.at(&org, org.sequence(8, l));
            row.extend([
                Cell::Id(org.id),
                Cell::Id(h.id(Thing::Operation, &org, 8, l)),
                Cell::Id(h.link(&org, l)),
                Cell::Owned(org.iccid(l)),
                Cell::Text("Welcome!"),
                Cell::Text(sms_status(&org, l)),
                Cell::Int(SMS_PRICE),
                Cell::Owned(format!("sms-{}-{l}", org.number)),
                Cell::Time(at),
                Cell::Time(at),
                Cell::Time(at),
            ]);
            true
        },
    )
    .await?;
    let mut each = pairs(h, 1);
    sink.fill("link_fees", "org_id, link_id, month, state, amount, entry_id, created_at", |row| {
        let Some((org, _, l)) = each.next() else { return false };
        let at = h.at(&org, org.sequence(9, l));
        row.extend([
            Cell::Id(org.id),
            Cell::Id(h.link(&org, l)),
            Cell::Owned(at.format("%Y-%m").to_string()),
            Cell::Text("charged"),
            Cell::Int(FEE),
            Cell::Id(h.id(Thing::Entry, &org, 9, l)),
            Cell::Time(at),
        ]);
        true
    })
    .await?;
    // This month's fees are done with, as they are on all days but the first: else the service would
    // charge them for every Link beside what is measured.
    let mut each = h.orgs.iter();
    sink.fill("fee_runs", "org_id, month, completed_at", |row| {
        let Some(org) = each.next() else { return false };
        row.extend([
            Cell::Id(org.id),
            Cell::Owned(h.end().format("%Y-%m").to_string()),
            Cell::Time(h.end()),
        ]);
        true
    })
    .await?;
    Ok(())
}

/// How many Links and messages there are of each kind and status.
async fn counts(sink: &mut Sink, h: &History) -> Result<(), Failed> {
    let count = |links: u64, is_one: &dyn Fn(u64) -> bool| {
        Cell::Int(i64::try_from((0..links).filter(|l| is_one(*l)).count()).unwrap_or(0))
    };
    let mut each = h.orgs.iter().flat_map(|org| ["esim", "physical"].map(|of| (org, of)));
    sink.fill("link_counts", "org_id, kind, active, suspended, inactive", |row| {
        let Some((org, of)) = each.next() else { return false };
        let in_state = |word| count(org.links, &|l| kind(org, l) == of && status(org, l) == word);
        row.extend([Cell::Id(org.id), Cell::Text(of)]);
        row.extend(["active", "suspended", "inactive"].map(in_state));
        true
    })
    .await?;
    let mut each = h.orgs.iter();
    sink.fill("sms_counts", "org_id, queued, sent, delivered, failed", |row| {
        let Some(org) = each.next() else { return false };
        let in_state = |word| count(org.links, &|l| sms_status(org, l) == word);
        row.push(Cell::Id(org.id));
        row.extend(["queued", "sent", "delivered", "failed"].map(in_state));
        true
    })
    .await?;
    Ok(())
}

/// What a day's entries of a kind, and maybe plan, add up to.
#[derive(Default)]
struct Day {
    entries: i64,
    debited: i64,
    credited: i64,
    made: i64,
    first: i64,
    last: i64,
}

type Days = BTreeMap<(Uuid, Uuid, &'static str, NaiveDate), Day>;

async fn entries(sink: &mut Sink, h: &History) -> Result<(), Failed> {
    let (mut days, mut wallets): (Days, Vec<(Org, i64)>) = (Days::new(), Vec::new());
    let mut each = h.orgs.iter().flat_map(|org| {
        let rounds = (0..ROUNDS).flat_map(move |r| (0..org.links).map(move |l| Some((r, l))));
        std::iter::once(None).chain(rounds).map(move |place| (*org, place))
    });
    sink.fill(
        "ledger_entries",
        "org_id, sequence, id, kind, amount, balance_after, link_id, iccid, \
         activation_id, plan_id, plan_name, refund_of, operation_id, reference, description, \
         created_at",
        |row| {
            let Some((org, place)) = each.next() else { return false };
            if place.is_none() {
                wallets.push((org, 0));
            }
            let balance =
                &mut wallets.last_mut().expect("each organization begins with its credit").1;
            let sequence = place.map_or(1, |(r, l)| org.sequence(r, l));
            let (kind, amount) = match place.map(|(r, l)| org.event(r, l)) {
                None => ("credit", CREDIT),
                Some(Event::Activation) => ("activation", -PRICE),
                Some(Event::Topup | Event::FailedTopup) => ("topup", -PRICE),
                Some(Event::Refund) => ("refund", PRICE),
                Some(Event::Sms) => ("sms", -SMS_PRICE),
                Some(Event::Fee) => ("link_fee", -FEE),
            };
            *balance += amount;
            let at = h.at(&org, sequence);
            let sequence = i64::try_from(sequence).unwrap_or(0);
            let plan = place.filter(|(r, _)| *r < 8).map(|(_, l)| h.plans[h.plan(&org, l)]);
            let made = place.is_some_and(|(r, l)| org.event(r, l).activates());
            for plan in [Some(Uuid::nil()), plan].into_iter().flatten() {
                let day = days.entry((org.id, plan, kind, at.date_naive())).or_default();
                day.entries += 1;
                day.debited += (-amount).max(0);
                day.credited += amount.max(0);
                day.made += i64::from(made);
                day.first = if day.entries == 1 { sequence } else { day.first };
                day.last = sequence;
            }
            // A refund is about the round before it.
            let of = place
                .map(|(r, l)| if org.event(r, l) == Event::Refund { (r - 1, l) } else { (r, l) });
            let id = |thing| of.map_or(Cell::Null, |(r, l)| Cell::Id(h.id(thing, &org, r, l)));
            let operation = of.filter(|(r, l)| org.event(*r, *l) != Event::Fee);
            let with_plan = plan.is_some();
            row.extend([
                Cell::Id(org.id),
                Cell::Int(sequence),
                place.map_or(Cell::Id(org.id), |(r, l)| Cell::Id(h.id(Thing::Entry, &org, r, l))),
                Cell::Text(kind),
                Cell::Int(amount),
                Cell::Int(*balance),
                of.map_or(Cell::Null, |(_, l)| Cell::Id(h.link(&org, l))),
                of.map_or(Cell::Null, |(_, l)| Cell::Owned(org.iccid(l))),
                if with_plan { id(Thing::Activation) } else { Cell::Null },
                plan.map_or(Cell::Null, Cell::Id),
                if with_plan { Cell::Text("Europe 1 GB") } else { Cell::Null },
                if kind == "refund" { id(Thing::Entry) } else { Cell::Null },
                operation.map_or(Cell::Null, |(r, l)| Cell::Id(h.id(Thing::Operation, &org, r, l))),
                Cell::Null,
                Cell::Text(kind),
                Cell::Time(at),
            ]);
            true
        },
    )
    .await?;
    totals(sink, h, days, wallets).await
}

async fn totals(
    sink: &mut Sink,
    h: &History,
    days: Days,
    wallets: Vec<(Org, i64)>,
) -> Result<(), Failed> {
    let mut totals = days.into_iter();
    sink.fill(
        "ledger_days",
        "org_id, plan_id, kind, day, entries, debited, credited, made, \
         first_sequence, last_sequence",
        |row| {
            let Some(((org, plan, kind, day), sums)) = totals.next() else { return false };
            row.extend([
                Cell::Id(org),
                Cell::Id(plan),
                Cell::Text(kind),
                Cell::Day(day),
                Cell::Int(sums.entries),
                Cell::Int(sums.debited),
                Cell::Int(sums.credited),
                Cell::Int(sums.made),
                Cell::Int(sums.first),
                Cell::Int(sums.last),
            ]);
            true
        },
    )
    .await?;
    let now = h.at(&h.orgs[0], h.orgs[0].entries());
    let mut wallets = wallets.into_iter();
    sink.fill(
        "wallets",
        "org_id, balance, version, fence, links_total, operations_total, \
         sms_total, updated_at",
        |row| {
            let Some((org, balance)) = wallets.next() else { return false };
            let count = |of: u64| Cell::Int(i64::try_from(of).unwrap_or(0));
            row.extend([
                Cell::Id(org.id),
                Cell::Int(balance),
                count(org.entries()),
                Cell::Int(0),
                count(org.links),
                count(org.operations()),
                count(org.links),
                Cell::Time(now),
            ]);
            true
        },
    )
    .await?;
    Ok(())
}

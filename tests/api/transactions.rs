//! `GET /transactions`, as JSON and as CSV, `GET /transactions/stats` and `…/analytics`.

use crate::app::{AMPLE, Caller, DatabaseKind, TestApp, id};
use crate::on_both;
use bappy::environment::SystemIds;
use bappy::store::{SqlStore, organizations};
use bappy_actors::model::{EntryId, EntryKind, Money, OrgId};
use bappy_actors::ports::{CommitOutcome, Ids, Store};
use bappy_actors::wallet::{Command, state};
use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// An answer as CSV: its head, and its text where it came whole.
struct Csv {
    content_type: String,
    disposition: String,
    text: Result<String, reqwest::Error>,
}

async fn csv(caller: &Caller, path: &str) -> Csv {
    let request = caller.http.get(format!("{}{path}", caller.base)).bearer_auth(&caller.token);
    let answer = request.header("Accept", "text/csv").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let (content_type, disposition) = (header("content-type"), header("content-disposition"));
    assert_eq!(header("vary"), "accept");
    Csv { content_type, disposition, text: answer.text().await }
}

/// A file's rows as the list would show them.
fn rows(text: &str) -> Vec<Value> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        let cells = names.iter().zip(record.iter()).map(|(name, cell)| {
            (name.to_owned(), if cell.is_empty() { Value::Null } else { cell.into() })
        });
        cells.collect::<serde_json::Map<_, _>>().into()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Pays `count` credits into acme's wallet, beside the service.
async fn credits(app: &TestApp, count: usize) {
    let store = SqlStore::start(app.database.clone());
    let org = acme(app).await;
    let (ids, at) = (SystemIds::default(), organization(app).await.created_at);
    let credit = |n| {
        Command::Credit(state::Credit {
            entry_id: EntryId(ids.next()),
            kind: EntryKind::Credit,
            amount: Money::from_micros(10_000),
            reference: None,
            description: format!("=credit, \"{n}\"\r\nof a test"),
        })
    };
    let commands: Vec<_> = (0..count).map(credit).collect();
    let decided = state::decide(org, store.wallet(org).await.unwrap().unwrap(), &commands, at);
    assert_eq!(store.commit(decided.batch).await.unwrap(), CommitOutcome::Committed);
}

async fn organization(app: &TestApp) -> bappy_actors::model::Organization {
    let mut tx = app.database.read().await.unwrap();
    organizations::by_slug(&mut tx, "acme").await.unwrap().unwrap()
}

async fn acme(app: &TestApp) -> OrgId {
    organization(app).await.id
}

fn money(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// A Link with a top-up, and a creation that was refunded.
async fn business(app: &TestApp) -> Value {
    let plan = app.plan("France 1 GB, 7 days").await;
    let link = app.acme.link(&plan).await;
    let topup = app.acme.topups(&link).await[0].clone();
    app.acme.add(&link, &[&topup]).await.ok();
    app.operator.faults(json!({"error_rate": 1, "only": ["create_endpoint"]})).await;
    let refunded = app.acme.post("/links", json!({"plan_id": plan["id"]})).await;
    refunded.fails(502, "PROVISIONING_ERROR");
    app.operator.faults(json!({})).await;
    link
}

async fn transactions_are_listed_by_link_type_and_date(app: &mut TestApp) {
    let link = business(app).await;
    let all = app.acme.walk("/transactions", 2).await;
    let types: Vec<_> = all.iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["refund", "activation", "topup", "activation", "credit"]);
    assert_eq!(all[0]["refund_of"], all[1]["id"]);
    let second = app.acme.get("/transactions?page=2&per_page=2").await.ok();
    assert_eq!(second["data"], json!([all[2], all[3]]));
    assert_eq!(second["meta"]["total"], 5);
    let of_link = app.acme.walk(&format!("/transactions?link_id={}", id(&link)), 1).await;
    assert_eq!(of_link, all[2..4]);

    let (day, at) = (&all[0]["created_at"].as_str().unwrap()[..10], &all[2]["created_at"]);
    let at = at.as_str().unwrap();
    let first = organization(app).await.created_at.date_naive();
    let iccid = link["iccid"].as_str().unwrap();
    let refunded = all[0]["link_id"].as_str().unwrap();
    for (query, total) in [
        (format!("link_id={iccid}"), 2),
        (format!("link_id={}", id(&link).to_uppercase()), 2),
        (format!("link_id={iccid}&type=topup"), 1),
        (format!("link_id={iccid}&type=topup&from={day}"), 1),
        (format!("link_id={iccid}&to=2020-01-01"), 0),
        (format!("link_id={refunded}"), 2),
        ("link_id=8949000000000000000".to_owned(), 0),
        ("type=activation".to_owned(), 2),
        ("type=refund".to_owned(), 1),
        ("type=sms".to_owned(), 0),
        (format!("from={first}&to={day}"), 5),
        (format!("from={at}&to={at}&type=topup"), 1),
        (format!("to={at}&type=refund"), 0),
        ("to=2020-01-01".to_owned(), 0),
        ("from=9999-12-31".to_owned(), 0),
        ("from=0001-01-01&to=9999-12-31".to_owned(), 5),
    ] {
        let found = app.acme.walk(&format!("/transactions?{query}"), 3).await;
        assert_eq!(found.len(), total, "{query}");
        assert_eq!(app.acme.total(&format!("/transactions?{query}")).await, total as u64);
    }
    assert_eq!(app.globex.total(&format!("/transactions?link_id={}", id(&link))).await, 0);
    assert_eq!(app.globex.total(&format!("/transactions?link_id={iccid}")).await, 0);
    assert_eq!(app.globex.total("/transactions").await, 1);
    for (query, field) in [
        ("type=gift", "type"),
        ("link_id=1", "link_id"),
        ("from=today", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-11-24&to=2026-11-23", "from"),
        ("cursor=x", "cursor"),
        ("per_page=101", "per_page"),
    ] {
        app.acme.get(&format!("/transactions?{query}")).await.names_field(field);
    }
}

async fn stats_add_up_to_the_balance(app: &mut TestApp) {
    business(app).await;
    let all = app.acme.walk("/transactions", 100).await;
    let stats = app.acme.get("/transactions/stats").await.ok();
    assert_eq!((&stats["count"], &stats["currency"]), (&json!(5), &json!("USD")));
    assert_eq!(money(&stats["net"]), money(&json!(app.acme.balance().await)));
    assert_eq!(stats["total_credited"], "1000.00");
    assert_eq!(stats["total_refunded"], all[0]["amount"]);
    let debits = all.iter().map(|row| money(&row["amount"])).filter(Decimal::is_sign_negative);
    assert_eq!(money(&stats["total_debited"]), -debits.sum::<Decimal>());
    for (kind, of_kind) in stats["by_type"].as_object().unwrap() {
        let of = all.iter().filter(|row| row["type"] == **kind);
        assert_eq!(of_kind["count"], of.clone().count(), "{kind}");
        assert_eq!(money(&of_kind["amount"]), of.map(|row| money(&row["amount"])).sum(), "{kind}");
    }
    assert_eq!(stats["by_type"].as_object().unwrap().len(), 7);

    let topup = all[2]["created_at"].as_str().unwrap();
    let one = app.acme.get(&format!("/transactions/stats?from={topup}&to={topup}")).await.ok();
    assert_eq!((&one["from"], &one["to"]), (&json!(topup), &json!(topup)));
    assert_eq!(one["by_type"]["topup"]["amount"], all[2]["amount"]);
    let none = app.acme.get("/transactions/stats?to=2020-01-01").await.ok();
    assert_eq!((&none["from"], &none["to"]), (&json!("2020-01-01"), &json!("2020-01-01")));
    assert_eq!((&none["count"], &none["net"]), (&json!(0), &json!("0.00")));
    app.acme.get("/transactions/stats?from=1").await.names_field("from");
    app.acme.get("/transactions/stats?from=2026-01-02&to=2026-01-01").await.names_field("from");
}

async fn analytics_have_a_row_for_every_day(app: &mut TestApp) {
    let link = business(app).await;
    let all = app.acme.walk("/transactions", 100).await;
    let year = app.acme.get("/transactions/analytics?period_days=365").await.ok();
    let daily = year["daily"].as_array().unwrap();
    assert_eq!((daily.len(), &year["period_days"]), (365, &json!(365)));
    let date = |value: &Value| value.as_str().unwrap().parse::<NaiveDate>().unwrap();
    for (n, day) in (0..).zip(daily) {
        assert_eq!(date(&day["date"]), date(&year["from"]) + Days::new(n));
    }
    assert_eq!(daily[364]["date"], year["to"]);
    // What was refunded is no Link, but it was spent and given back.
    assert_eq!((&year["links_created"], &year["topups"]), (&json!(1), &json!(1)));
    let charged = [1, 2, 3].map(|n: usize| money(&all[n]["amount"])).iter().sum::<Decimal>();
    assert_eq!(money(&year["spend"]), -charged);
    assert_eq!(year["refunds"], all[0]["amount"]);
    for field in ["spend", "refunds"] {
        let sum: Decimal = daily.iter().map(|day| money(&day[field])).sum();
        assert_eq!(sum, money(&year[field]), "{field}");
    }
    for field in ["links_created", "topups"] {
        let sum: i64 = daily.iter().map(|day| day[field].as_i64().unwrap()).sum();
        assert_eq!(year[field], sum, "{field}");
    }
    let average = (money(&year["spend"]) / Decimal::from(365)).round_dp(4);
    assert_eq!(money(&year["average_daily_spend"]).round_dp(4), average);
    let plans = year["top_plans"].as_array().unwrap();
    assert_eq!(plans.len(), 2);
    for (plan, transaction) in plans
        .iter()
        .map(|plan| (plan, all[2..4].iter().find(|row| row["plan_id"] == plan["plan_id"]).unwrap()))
    {
        assert_eq!(plan["count"], 1);
        assert_eq!(plan["plan_name"], transaction["plan_name"]);
        assert_eq!(money(&plan["spend"]), -money(&transaction["amount"]));
    }
    assert_eq!(link["status"], "active");

    let one = app.acme.get("/transactions/analytics?period_days=1").await.ok();
    assert_eq!((&one["from"], one["daily"].as_array().unwrap().len()), (&one["to"], 1));
    let month = app.acme.get("/transactions/analytics").await.ok();
    assert_eq!(month["daily"].as_array().unwrap().len(), 30);
    for query in ["0", "366", "-1", "x", ""] {
        let path = format!("/transactions/analytics?period_days={query}");
        app.acme.get(&path).await.names_field("period_days");
    }
}

async fn csv_has_what_the_pages_have(app: &mut TestApp) {
    business(app).await;
    credits(app, 1_200).await;
    let day = organization(app).await.created_at.date_naive();
    for filter in [String::new(), "?type=credit".to_owned(), format!("?to={day}")] {
        let file = csv(&app.acme, &format!("/transactions{filter}")).await;
        assert!(file.content_type.starts_with("text/csv"));
        let name = "attachment; filename=\"transactions-acme-";
        assert!(file.disposition.starts_with(name) && file.disposition.ends_with(".csv\""));
        let mut pages = app.acme.walk(&format!("/transactions{filter}"), 100).await;
        for row in &mut pages {
            // Nothing that a spreadsheet would run.
            if let Some(text) = row["description"].as_str().filter(|text| text.starts_with('=')) {
                row["description"] = format!("'{text}").into();
            }
        }
        assert!(pages.len() > 1_200);
        assert_eq!(rows(&file.text.unwrap()), pages);
    }
    let empty = csv(&app.acme, "/transactions?type=sms").await.text.unwrap();
    let first = app.acme.get("/transactions?per_page=1").await.ok()["data"][0].clone();
    let names: Vec<_> = empty.strip_suffix("\r\n").unwrap().split(',').collect();
    assert_eq!(names.len(), first.as_object().unwrap().len());
    assert!(names.iter().all(|name| first.get(name).is_some()), "{empty}");
    let refused = app.acme.http.get(format!("{}/transactions?type=x", app.acme.base));
    let refused = refused.bearer_auth(&app.acme.token).header("Accept", "text/csv");
    let refused = refused.send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-type"]),
        (422, &"application/json".parse().unwrap())
    );
}

on_both! {
    MODERATE:
    transactions_are_listed_by_link_type_and_date,
    stats_add_up_to_the_balance,
    analytics_have_a_row_for_every_day,
    csv_has_what_the_pages_have,
}

/// Makes the second entry unreadable, which no check of the database allows.
async fn corrupt(app: &TestApp, kind: DatabaseKind) {
    let statements: &[&str] = match kind {
        DatabaseKind::Sqlite => &[
            "DROP TRIGGER ledger_entries_no_update",
            "UPDATE ledger_entries SET id = X'00' WHERE sequence = 2",
        ],
        DatabaseKind::Postgres => &[
            "ALTER TABLE ledger_entries DISABLE TRIGGER USER",
            "ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_values",
            "UPDATE ledger_entries SET kind = 'gift' WHERE sequence = 2",
        ],
    };
    for statement in statements {
        app.sql((*statement).to_owned()).await;
    }
}

async fn an_export_that_breaks_off_is_not_taken_for_a_whole(kind: DatabaseKind) {
    let Some(mut app) = TestApp::start(kind, AMPLE).await else { return };
    credits(&app, 1_200).await;
    corrupt(&app, kind).await;
    let file = csv(&app.acme, "/transactions").await;
    assert!(file.text.is_err(), "{:?}", file.text.map(|text| text.len()));
    let oldest = app.acme.get("/transactions?page=12&per_page=100").await;
    oldest.fails(500, "INTERNAL_ERROR");
    let none =
        app.acme.http.get(format!("{}/transactions?type=credit&to=2020-01-01", app.acme.base));
    let none = none.bearer_auth(&app.acme.token).header("Accept", "text/csv").send().await;
    assert!(none.unwrap().text().await.is_ok(), "a whole one can be read to its end");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_from_sqlite_that_breaks_off_is_not_taken_for_a_whole() {
    an_export_that_breaks_off_is_not_taken_for_a_whole(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_from_postgres_that_breaks_off_is_not_taken_for_a_whole() {
    an_export_that_breaks_off_is_not_taken_for_a_whole(DatabaseKind::Postgres).await;
}

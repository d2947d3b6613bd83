//! Reads the wallet all the while, in SQL and through the API, and holds it against its ledger.

use crate::world::World;
use bappy::store::audit::audit;
use bappy_actors::model::Money;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(200);
const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// How often it was looked, and found right.
#[derive(Debug, Default)]
pub struct Readings {
    pub sql: usize,
    pub api: usize,
    pub audits: usize,
}

/// In one statement, which sees one moment.
const WALLET: &str = "SELECT w.balance, w.version, COALESCE(SUM(e.amount), 0)::BIGINT, COUNT(e.*),
        COALESCE(MAX(e.sequence), 0), COALESCE(MIN(e.balance_after), 0)
    FROM wallets w LEFT JOIN ledger_entries e ON e.org_id = w.org_id
    WHERE w.org_id = $1 GROUP BY w.org_id";

/// Balances that the wallet had from one version to another.
const BALANCES: &str = "SELECT balance_after FROM ledger_entries
    WHERE org_id = $1 AND sequence BETWEEN $2 AND $3";

/// Reads until it is told that all is over.
pub async fn run(world: &World, services: &[SocketAddr], over: &AtomicBool) -> Readings {
    let mut readings = Readings::default();
    let mut direct = PgConnection::connect(&world.database_url).await.unwrap();
    let mut audited = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let before = wallet(&mut direct, world).await;
        readings.sql += 1;
        let service = services[readings.sql % services.len()];
        if let Some(balance) = balance(world, service).await {
            let after = wallet(&mut direct, world).await;
            let had: Vec<i64> = sqlx::query_scalar(BALANCES)
                .bind(world.org.0)
                .bind(before)
                .bind(after)
                .fetch_all(&mut direct)
                .await
                .unwrap();
            let had = had.into_iter().map(Money::from_micros).collect::<Vec<_>>();
            assert!(
                had.contains(&balance),
                "{balance} was no balance of versions {before} to {after}"
            );
            readings.api += 1;
        }
        if audited.elapsed() > AUDIT_EVERY {
            let found = audit(&world.parts.database, None).await.unwrap();
            assert!(found.is_clean(), "{found:#?}");
            (readings.audits, audited) = (readings.audits + 1, Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
    }
    readings
}

/// The wallet's version, once it was found to be what its ledger says.
async fn wallet(direct: &mut PgConnection, world: &World) -> i64 {
    let (balance, version, sum, count, newest, least): (i64, i64, i64, i64, i64, i64) =
        sqlx::query_as(WALLET).bind(world.org.0).fetch_one(direct).await.unwrap();
    assert_eq!((balance, version, version), (sum, count, newest), "the wallet is not its ledger");
    assert!(balance >= 0 && least >= 0, "a balance below zero: {balance}, {least}");
    version
}

/// What the API says; none where the service does not answer now.
async fn balance(world: &World, service: SocketAddr) -> Option<Money> {
    let url = format!("http://{service}/v1/organization/balance");
    let asked = world.client.get(url).bearer_auth(world.token()).timeout(Duration::from_secs(2));
    let answer = asked.send().await.ok()?.error_for_status().ok()?;
    let body: Value = answer.json().await.ok()?;
    Some(body["data"]["balance"].as_str().unwrap().parse().unwrap())
}

//! Breaks one thing after the other, and waits for the alert that is there for it.

use crate::prometheus::{Pace, Prometheus};
use crate::sandbox::Sandbox;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long an alert may take to fire, and to go again.
fn patience(pace: Pace) -> Duration {
    match pace {
        // A ledger of some ten thousand entries is seen whole in a minute or two.
        Pace::Quick => Duration::from_mins(3),
        // The longest `for` among them, its window, and some scrapes.
        Pace::AsShipped => Duration::from_mins(20),
    }
}

async fn until(what: &str, patience: Duration, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < patience, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    began.elapsed()
}

async fn fires(prometheus: &Prometheus, alert: &str, pace: Pace) {
    let firing = async || prometheus.alerts("firing").await.iter().any(|name| name == alert);
    let took = until(&format!("{alert} fires"), patience(pace), firing).await;
    println!("  {alert} fired after {took:.0?}");
}

async fn goes(prometheus: &Prometheus, alert: &str, pace: Pace) {
    let silent = async || !prometheus.alerts("firing").await.iter().any(|name| name == alert);
    let took = until(&format!("{alert} goes"), patience(pace), silent).await;
    println!("  {alert} went {took:.0?} after it was mended");
}

pub async fn under_load(sandbox: &Sandbox, prometheus: &Prometheus, pace: Pace) {
    println!("a ledger row is changed by hand");
    let change = |amount: &str| {
        format!(
            "DROP TRIGGER IF EXISTS ledger_entries_no_update;
             UPDATE ledger_entries SET amount = {amount} WHERE sequence = 2
                 AND org_id = (SELECT id FROM organizations WHERE slug = 'acme')"
        )
    };
    sandbox.sql(&change("amount + 1")).await;
    fires(prometheus, "LedgerMismatch", pace).await;
    sandbox.sql(&change("amount - 1")).await;
    goes(prometheus, "LedgerMismatch", pace).await;

    println!("the operator's list of free cards fails, and the pool runs dry");
    sandbox.faults(json!({"error_rate": 1, "only": ["list_sims"]})).await;
    fires(prometheus, "SimPoolLow", pace).await;
    sandbox.faults(json!({})).await;
    goes(prometheus, "SimPoolLow", pace).await;

    println!("the operator is down");
    sandbox.faults(json!({"down": true})).await;
    fires(prometheus, "OperatorBreakerOpen", pace).await;
    fires(prometheus, "AvailabilityBudgetBurn", pace).await;
    sandbox.faults(json!({})).await;
    goes(prometheus, "OperatorBreakerOpen", pace).await;
}

pub async fn the_service(sandbox: &Sandbox, prometheus: &Prometheus, pace: Pace) {
    println!("the service is killed");
    sandbox.kill();
    fires(prometheus, "BappyDown", pace).await;
}

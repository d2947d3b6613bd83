//! A real Prometheus that scrapes a real service under load answers every panel, every rule and
//! every alert; is silent while all is well; and fires what it should when something is broken. The
//! runbook's commands are run beside it.
//!
//! Takes minutes and needs Debian's `prometheus`: `tests/monitoring/run` sets `BAPPY_FULL`.

use crate::files::panels;
use crate::prometheus::{Pace, Prometheus};
use crate::sandbox::Sandbox;
use crate::traffic::Traffic;
use crate::{breaking, dashboards, runbook};
use regex_lite::Regex;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn seconds(variable: &str, default: u64) -> Duration {
    let set = std::env::var(variable).ok().map(|text| text.parse().unwrap());
    Duration::from_secs(set.unwrap_or(default))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_answers_every_query_is_silent_while_all_is_well_and_fires_when_it_is_not() {
    if std::env::var_os("BAPPY_FULL").is_none() {
        eprintln!("skipped: tests/monitoring/run runs this");
        return;
    }
    let pace = match std::env::var("BAPPY_PACE").as_deref() {
        Ok("as-shipped") => Pace::AsShipped,
        _ => Pace::Quick,
    };
    let sandbox = Arc::new(Sandbox::start().await);
    sandbox.command(&["org", "credit", "acme", "1000000"]);
    let prometheus = Prometheus::start(sandbox.folder.path(), sandbox.metrics, pace).await;
    let traffic = Traffic::start(&sandbox).await;
    // Before the first scrape nothing is up.
    while prometheus.query("up > 0").await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // The rules of a day and of three are looked at every five minutes, as they are shipped.
    let least = if pace == Pace::AsShipped { 400 } else { 75 };
    let healthy = seconds("BAPPY_HEALTHY_SECONDS", least);
    let (began, mut noisy) = (Instant::now(), Vec::new());
    while began.elapsed() < healthy {
        tokio::time::sleep(Duration::from_secs(5)).await;
        noisy.extend(prometheus.alerts("firing").await);
    }
    assert!(noisy.is_empty(), "fired while all was well: {noisy:?}");
    println!("healthy for {healthy:?}: {} requests, no alert", traffic.requests());

    every_panel(&prometheus).await;
    every_rule(&prometheus).await;
    runbook::every_command(&sandbox, &prometheus).await;
    breaking::under_load(&sandbox, &prometheus, pace).await;
    println!("{} requests in all", traffic.stop().await);
    breaking::the_service(&sandbox, &prometheus, pace).await;
}

/// What a variable stands for in a query.
fn filled_in(expr: &str) -> String {
    let expr = expr.replace("$__rate_interval", "1m");
    Regex::new(r"\$\w+").unwrap().replace_all(&expr, ".*").into_owned()
}

async fn every_panel(prometheus: &Prometheus) {
    let (mut asked, mut wrong, mut unknown) = (0, Vec::new(), Vec::new());
    for (name, dashboard) in dashboards::all() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().unwrap() {
                let expr = filled_in(target["expr"].as_str().unwrap());
                let what = format!("{name}: {}: {expr}", panel["title"]);
                asked += 1;
                match prometheus.query(&expr).await {
                    Err(error) => wrong.push(format!("{what}\n    {error}")),
                    Ok(samples) if samples.is_empty() => wrong.push(format!("{what}\n    empty")),
                    Ok(samples) if samples.iter().all(|value| value.is_nan()) => {
                        unknown.push(what);
                    }
                    Ok(_) => {}
                }
            }
        }
    }
    for what in &unknown {
        println!("  no event in the window (NaN): {what}");
    }
    println!("panels: {asked} queries, {} without an answer", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn every_rule(prometheus: &Prometheus) {
    let (mut recorded, mut alerts, mut wrong) = (0, 0, Vec::new());
    let compared = Regex::new(r"(==|[<>]=?) [0-9.]+").unwrap();
    for rule in prometheus.rules().await {
        let (name, expr) = (rule["name"].as_str().unwrap(), rule["query"].as_str().unwrap());
        if rule["health"] != "ok" {
            wrong.push(format!("{name}: {} {}", rule["health"], rule["lastError"]));
        }
        // An alert's expression is empty while all is well: without its limits it must not be.
        let expr = if rule["type"] == "alerting" {
            alerts += 1;
            compared.replace_all(expr, "").into_owned()
        } else {
            recorded += 1;
            format!("{name}{{slo=\"{}\"}}", rule["labels"]["slo"].as_str().unwrap_or_default())
        };
        match prometheus.query(&expr).await {
            Err(error) => wrong.push(format!("{name}: {expr}\n    {error}")),
            Ok(samples) if samples.is_empty() => wrong.push(format!("{name}: {expr}\n    empty")),
            Ok(_) => {}
        }
    }
    println!("rules: {recorded} recorded, {alerts} alerts, {} without an answer", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! What is watched: the metrics of a real service, and the dashboards, rules and alerts made of
//! them. `tests/monitoring/run` has a real Prometheus answer all of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/process.rs"]
#[expect(dead_code, reason = "shared with tests that do more to processes")]
mod process;

mod breaking;
mod collector;
mod dashboards;
mod fast_path;
mod files;
mod live;
mod objectives;
mod prometheus;
mod runbook;
mod sandbox;
mod scrape;
mod series;
mod traces;
mod traffic;

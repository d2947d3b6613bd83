//! The files that Grafana and Prometheus read: as the code makes them, and sound.

use crate::{dashboards, objectives, scrape};
use regex_lite::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// A file of this repository.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares a file with what the code makes, or writes it where `BAPPY_UPDATE` is set.
pub fn is_as_made(name: &str, made: &str) {
    if std::env::var_os("BAPPY_UPDATE").is_some() {
        std::fs::write(path(name), made).unwrap();
    }
    assert!(
        text(name) == made,
        "{name} is not as the code makes it: BAPPY_UPDATE=1 cargo test --test monitoring"
    );
}

#[test]
fn the_dashboards_are_as_the_code_makes_them() {
    for (name, dashboard) in dashboards::all() {
        let made = format!("{}\n", serde_json::to_string_pretty(&dashboard).unwrap());
        is_as_made(&format!("grafana/dashboards/{name}.json"), &made);
    }
}

#[test]
fn the_objectives_are_as_the_code_makes_them() {
    is_as_made("prometheus/rules/objectives.yml", &objectives::rules());
}

/// Panels without the rows' own.
pub fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

#[test]
fn every_panel_says_what_it_shows_and_where_to_look_it_up() {
    let (mut uids, runbook) = (BTreeSet::new(), text("docs/runbook.md"));
    let reference = Regex::new(r"Runbook: (\w+)\.").unwrap();
    let variable = Regex::new(r"\$(\w+)").unwrap();
    for (name, dashboard) in dashboards::all() {
        assert!(uids.insert(dashboard["uid"].to_string()), "{name}: its uid is another's");
        let known: BTreeSet<&str> = dashboard["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["name"].as_str().unwrap())
            .chain(["__rate_interval"])
            .collect();
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let of = |key: &str| panel[key].as_str().unwrap_or_default().to_owned();
            let title = format!("{name}: {}", of("title"));
            assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is another's");
            assert!(of("description").len() > 10, "{title} says nothing");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
            for section in reference.captures_iter(&of("description")) {
                let heading = format!("\n## {}\n", &section[1]);
                assert!(runbook.contains(&heading), "{title}: no `{}` in the runbook", &section[1]);
            }
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{title} asks nothing");
            for target in targets {
                for used in variable.captures_iter(target["expr"].as_str().unwrap()) {
                    assert!(known.contains(&used[1]), "{title}: no variable `{}`", &used[1]);
                }
            }
        }
    }
}

#[test]
fn panels_do_not_overlap_and_fill_no_more_than_the_width() {
    for (name, dashboard) in dashboards::all() {
        let mut taken = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            for (x, y) in (at("x")..at("x") + at("w"))
                .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(x < 24 && taken.insert((x, y)), "{name}: {} overlaps", panel["title"]);
            }
        }
    }
}

#[test]
fn every_alert_is_a_section_of_the_runbook_and_every_section_an_alert() {
    let rules = text("prometheus/rules/alerts.yml");
    let named = |pattern: &str, text: &str| -> BTreeSet<String> {
        let pattern = Regex::new(pattern).unwrap();
        pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    let alerts = named(r"- alert: (\w+)", &rules);
    let sections = named(r"(?m)^## (\w+)$", &text("docs/runbook.md"));
    assert_eq!(alerts, sections);
    let linked = named(r"runbook: docs/runbook\.md#(\w+)", &rules);
    assert_eq!(linked, alerts.iter().map(|alert| alert.to_lowercase()).collect());
    let count = |part: &str| rules.matches(part).count();
    for part in ["severity: ", "summary: ", "description: ", "runbook: "] {
        assert_eq!(count(part), count("- alert: "), "an alert without `{part}`");
    }
}

#[test]
fn what_is_shown_and_alerted_on_is_what_the_service_tells_and_all_of_it() {
    let told = scrape::documented();
    let queries: Vec<String> = dashboards::all()
        .iter()
        .flat_map(|(_, dashboard)| panels(dashboard).cloned().collect::<Vec<_>>())
        .flat_map(|panel| panel["targets"].as_array().unwrap().clone())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .chain([text("prometheus/rules/alerts.yml"), objectives::rules()])
        .collect();
    let metric = Regex::new(r"\b(bappy|process)_\w+").unwrap();
    let mut used = BTreeSet::new();
    let runbook = text("docs/runbook.md");
    let asked = runbook.lines().filter(|line| line.starts_with("promtool query"));
    for name in
        queries.iter().map(String::as_str).chain(asked).flat_map(|query| metric.find_iter(query))
    {
        let name = name.as_str();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let known = [Some(name), base].into_iter().flatten().find(|name| told.contains(*name));
        used.insert(known.unwrap_or_else(|| panic!("the service tells no `{name}`")).to_owned());
    }
    let start = "process_virtual_memory_max_bytes".to_owned();
    let unseen: Vec<_> = told.difference(&used).filter(|name| **name != start).collect();
    assert!(unseen.is_empty(), "told and nowhere shown: {unseen:?}");
}

/// `promtool`, where it is installed; `tests/monitoring/run` needs it.
fn promtool(arguments: &[&str]) -> Option<()> {
    let ran = Command::new("promtool").args(arguments).current_dir(path("")).output();
    let Ok(ran) = ran else {
        assert!(std::env::var_os("BAPPY_FULL").is_none(), "promtool is not installed");
        eprintln!("skipped: promtool is not installed (Debian: prometheus)");
        return None;
    };
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "promtool {arguments:?}\n{out}{err}");
    Some(())
}

#[test]
fn prometheus_takes_its_configuration_and_its_rules() {
    promtool(&["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"]);
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    for file in ["prometheus/tests/alerts.yml", "prometheus/tests/objectives.yml"] {
        promtool(&["test", "rules", file]);
    }
}

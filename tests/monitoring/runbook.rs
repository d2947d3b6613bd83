//! Runs every command of the runbook, as it is written, beside a service that is well.

use crate::files::text;
use crate::process::without_settings;
use crate::prometheus::Prometheus;
use crate::sandbox::Sandbox;
use regex_lite::Regex;
use std::process::Command;

/// Blocks of one language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

pub async fn every_command(sandbox: &Sandbox, prometheus: &Prometheus) {
    let page = text("docs/runbook.md");
    let heading = Regex::new(r"(?m)^## ").unwrap();
    assert!(heading.find(&page).is_some());
    let settings = [
        ("API", format!("http://{}", sandbox.api)),
        ("METRICS", format!("http://{}/metrics", sandbox.metrics)),
        ("PROMETHEUS", format!("http://{}", prometheus.addr)),
    ];
    let mut commands = 0;
    for block in blocks(&page, "sh") {
        for command in block.lines().filter(|line| !line.is_empty()) {
            let mut shell = Command::new("bash");
            let ran = without_settings(&mut shell)
                .args(["-euo", "pipefail", "-c", command])
                .envs(sandbox.environment())
                .envs(settings.iter().map(|(key, value)| (key, value)))
                .output()
                .unwrap();
            let (out, err) =
                (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
            assert!(ran.status.success(), "{command}\n{out}{err}");
            // A query may have nothing to say while all is well; what it asks for is checked
            // with the dashboards.
            let must_say = command.starts_with("curl");
            assert!(!must_say || !out.trim().is_empty(), "`{command}` says nothing");
            commands += 1;
        }
    }
    let mut statements = 0;
    for statement in blocks(&page, "sql") {
        sandbox.sql(&statement).await;
        statements += 1;
    }
    println!("runbook: {commands} commands and {statements} statements ran");
}

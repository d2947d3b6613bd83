//! A real Prometheus on a free port, with this repository's configuration and rules.
//!
//! [`Pace::Quick`] scrapes and decides every second, and takes minutes for seconds in how long an
//! alert waits before it fires; windows and thresholds stay as they are. [`Pace::AsShipped`] changes
//! the address alone.

use crate::files::{path, text};
use crate::process::free_port;
use regex_lite::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Quick,
    AsShipped,
}

pub struct Prometheus {
    client: reqwest::Client,
    pub addr: SocketAddr,
    child: Child,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one that scrapes `target`, its files in `folder`; none where it is not installed.
    pub async fn start(folder: &Path, target: SocketAddr, pace: Pace) -> Self {
        let configuration = configure(folder, target, pace);
        let addr = free_port();
        let log = fs::File::create(folder.join("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address={addr}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus (Debian: prometheus): {error}"));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let prometheus = Self { client, addr, child };
        let began = Instant::now();
        while !prometheus.is_ready().await {
            let log = fs::read_to_string(folder.join("prometheus.log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(30), "prometheus does not start: {log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        prometheus
    }

    /// It listens before that, and answers 503.
    async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("http://{}/-/ready", self.addr)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn api(&self, what: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("http://{}/api/v1/{what}", self.addr);
        let answer = self.client.get(url).query(query).send().await;
        let answer: Value = answer.map_err(|e| e.to_string())?.json().await.unwrap();
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// The values that a query answers now, one a series; or why it does not.
    pub async fn query(&self, expr: &str) -> Result<Vec<f64>, String> {
        let data = self.api("query", &[("query", expr)]).await?;
        let result = data["result"].as_array().cloned().unwrap_or_default();
        let value = |one: &Value| one["value"][1].as_str().unwrap().parse().unwrap();
        Ok(result.iter().map(value).collect())
    }

    /// Every rule, as Prometheus has it.
    pub async fn rules(&self) -> Vec<Value> {
        let data = self.api("rules", &[]).await.unwrap();
        let groups = data["groups"].as_array().unwrap().clone();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    /// Names of the alerts that fire, or wait to.
    pub async fn alerts(&self, state: &str) -> Vec<String> {
        let data = self.api("alerts", &[]).await.unwrap();
        let alerts = data["alerts"].as_array().unwrap().iter();
        let named = alerts
            .filter(|alert| alert["state"] == state)
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned());
        let unique: BTreeSet<String> = named.collect();
        unique.into_iter().collect()
    }
}

/// Writes the configuration and the rules for one target.
fn configure(folder: &Path, target: SocketAddr, pace: Pace) -> std::path::PathBuf {
    let rules = folder.join("prometheus/rules");
    fs::create_dir_all(&rules).unwrap();
    for rule in fs::read_dir(path("prometheus/rules")).unwrap() {
        let file = rule.unwrap().path();
        let mut text = fs::read_to_string(&file).unwrap();
        if pace == Pace::Quick {
            text = Regex::new(r"interval: \w+").unwrap().replace_all(&text, "interval: 1s").into();
            text = Regex::new(r"for: (\d+)m").unwrap().replace_all(&text, "for: ${1}s").into();
            text = Regex::new(r"for: (\d+)h").unwrap().replace_all(&text, "for: ${1}m").into();
        }
        fs::write(rules.join(file.file_name().unwrap()), text).unwrap();
    }
    let mut configuration = text("prometheus.yml").replace("127.0.0.1:9464", &target.to_string());
    if pace == Pace::Quick {
        configuration = configuration.replace("15s", "1s");
    }
    let file = folder.join("prometheus.yml");
    fs::write(&file, configuration).unwrap();
    file
}

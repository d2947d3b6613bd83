//! Reads what `/metrics` answers, and its documentation.

use crate::files;
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What a scrape told.
pub struct Scrape {
    pub text: String,
    /// Each series with its value.
    pub series: BTreeMap<String, f64>,
}

impl Scrape {
    pub async fn of(client: &reqwest::Client, url: &str) -> Self {
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = samples
            .map(|line| {
                let (series, value) = line.rsplit_once(' ').unwrap();
                (series.to_owned(), value.parse().unwrap())
            })
            .collect();
        Self { text, series }
    }

    /// A series' value; fails where there is no such series.
    pub fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no series {series}"))
    }

    /// Names, types and descriptions, as a table of Markdown.
    pub fn table(&self) -> String {
        let of = |kind: &str| -> BTreeMap<String, String> {
            let pattern = Regex::new(&format!(r"(?m)^# {kind} (\w+) (.*)$")).unwrap();
            let found = pattern.captures_iter(&self.text);
            found.map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
        };
        let (types, helps) = (of("TYPE"), of("HELP"));
        let mut table = String::from("| metric | type | labels | |\n|---|---|---|---|\n");
        for (name, kind) in &types {
            let help = helps.get(name).unwrap_or_else(|| panic!("{name} is not described"));
            let labels = self.labels(name).into_iter().collect::<Vec<_>>().join(", ");
            let _ = writeln!(table, "| `{name}` | {kind} | {labels} | {help} |");
        }
        table
    }

    fn labels(&self, metric: &str) -> BTreeSet<String> {
        let pattern = Regex::new(r#"(\w+)=""#).unwrap();
        let of_metric = |series: &&String| {
            let name = series.split('{').next().unwrap();
            let suffixes = ["", "_bucket", "_sum", "_count"];
            suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(metric))
        };
        let series = self.series.keys().filter(of_metric);
        let labels = series.flat_map(|series| {
            pattern
                .captures_iter(series)
                .map(|found| format!("`{}`", &found[1]))
                .collect::<Vec<_>>()
        });
        labels.filter(|label| label != "`le`").collect()
    }
}

/// The metrics that the documentation has, which a test compares with a scrape.
pub fn documented() -> BTreeSet<String> {
    let pattern = Regex::new(r"(?m)^\| `(\w+)` \|").unwrap();
    let text = files::text("docs/metrics.md");
    pattern.captures_iter(&text).map(|found| found[1].to_owned()).collect()
}

//! The report: one HTML file with its plots inside, which needs no network and no script.

mod charts;

use super::{MoneyCheck, Summary};
use charts::Drawing;
use std::fmt::Write;

/// The page around the runs.
const PAGE: &str = include_str!("page.html");

/// One run with what it is called: the service, or what it is compared with.
pub struct Section<'a> {
    /// Its heading.
    pub title: String,
    /// Its figures.
    pub summary: &'a Summary,
}

/// The report on these runs, made at a time that is told as text.
pub fn html(
    sections: &[Section],
    money: &MoneyCheck,
    made_at: &str,
) -> Result<String, charts::ChartError> {
    let mut body = String::new();
    for section in sections {
        // Writing to a String does not fail.
        let _ = write!(body, "<section>\n<h2>{}</h2>\n", escaped(&section.title));
        body.push_str(&figures(section.summary));
        body.push_str(&errors(section.summary));
        body.push_str(&calls(section.summary));
        for Drawing { title, svg } in charts::draw(section.summary)? {
            let _ = write!(body, "<figure>\n<figcaption>{title}</figcaption>\n{svg}\n</figure>\n");
        }
        body.push_str("</section>\n");
    }
    body.push_str(&self::money(money));
    let scenario = sections.first().map_or(String::new(), |s| s.summary.scenario.to_string());
    let target = sections.first().map_or("", |s| s.summary.target.as_str());
    Ok(PAGE
        .replace("{{scenario}}", &scenario)
        .replace("{{target}}", &escaped(target))
        .replace("{{made_at}}", &escaped(made_at))
        .replace("{{body}}", &body))
}

fn figures(summary: &Summary) -> String {
    let latency = summary.latency_ms;
    let cells = [
        ("successes a second", format!("{:.0}", summary.rate)),
        ("p50", ms(latency.p50)),
        ("p90", ms(latency.p90)),
        ("p99", ms(latency.p99)),
        ("p99.9", ms(latency.p99_9)),
        ("max", ms(latency.max)),
        ("errors", (summary.requests - summary.ok).to_string()),
    ];
    let mut html = format!(
        "<p>{}; {} calls in {:.1} s.</p>\n<dl>\n",
        escaped(&summary.manner()),
        summary.requests,
        summary.seconds
    );
    for (name, value) in cells {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>\n");
    html
}

fn errors(summary: &Summary) -> String {
    let mut rows = String::new();
    for (code, count) in &summary.errors {
        let _ = writeln!(rows, "<tr><td>{}</td><td>{count}</td></tr>", escaped(code));
    }
    if summary.unsent > 0 {
        let _ = writeln!(rows, "<tr><td>due and never sent</td><td>{}</td></tr>", summary.unsent);
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("<table><thead><tr><th>Error</th><th>Calls</th></tr></thead>\n{rows}</table>\n")
}

fn calls(summary: &Summary) -> String {
    if summary.calls.len() < 2 {
        return String::new();
    }
    let mut rows = String::new();
    for call in &summary.calls {
        let (name, latency) = (call.call, call.latency_ms);
        let _ = writeln!(
            rows,
            "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            call.ok,
            call.errors,
            ms(latency.p50),
            ms(latency.p99),
            ms(latency.max)
        );
    }
    format!(
        "<table><thead><tr><th>Call</th><th>Successes</th><th>Errors</th><th>p50</th><th>p99</th>\
         <th>max</th></tr></thead>\n{rows}</table>\n"
    )
}

fn money(money: &MoneyCheck) -> String {
    let verdict = if money.adds_up { "The money adds up" } else { "The money does not add up" };
    let mut rows = String::new();
    for check in money.totals.iter().chain(&money.wrong) {
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&check.organization),
            check.before,
            check.currency,
            check.after,
            check.charged,
            check.lost
        );
    }
    format!(
        "<section>\n<h2>{verdict}</h2>\n<table><thead><tr><th>Wallets</th><th>Before</th>\
         <th>After</th><th>Charged by the answers</th><th>Answers lost</th></tr></thead>\n{rows}\
         </table>\n</section>\n"
    )
}

/// Milliseconds in as many digits as say something.
pub fn ms(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2} ms"),
        v if v < 1_000.0 => format!("{v:.1} ms"),
        v => format!("{:.2} s", v / 1e3),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

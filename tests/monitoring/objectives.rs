//! The service-level objectives as recording rules: written out for every window, which by hand
//! would be forty chances to err. `prometheus/rules/objectives.yml` is what comes out.

use std::fmt::Write;

/// Windows of the burn-rate alerts, the long ones with those that confirm them.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// What needs no token is asked by load balancers and browsers: it would hide what partners see.
const OF_PARTNERS: &str = r#"route!~"/health|/status|/openapi.json|/docs.*""#;

/// Reads that are answered from our own database.
const READS: &str = r#"method="GET",route!~"none|/health|/status|/openapi.json|/docs.*|/links/\\{identifier\\}|/links/\\{identifier\\}/network-status""#;

/// Reads that may wait for the operator.
const OPERATOR_READS: &str =
    r#"method="GET",route=~"/links/\\{identifier\\}|/links/\\{identifier\\}/network-status""#;

/// Calls that change something: nearly all of them wait for the operator.
const CHANGES: &str = r#"method=~"POST|PUT""#;

/// An objective.
struct Objective {
    slo: &'static str,
    /// The share that may be bad.
    budget: &'static str,
    /// Bad events, and all events, a second over a window `W`.
    bad: String,
    all: String,
}

fn objectives() -> [Objective; 3] {
    let requests = |labels: &str| format!("sum(rate(bappy_http_requests_total{{{labels}}}[W]))");
    let of = |suffix: &str, labels: &str| {
        let metric = format!("bappy_http_request_duration_seconds_{suffix}");
        format!("sum(rate({metric}{{job=\"bappy\",{labels}}}[W]))")
    };
    let in_time = |le: &str, labels: &str| of("bucket", &format!("le=\"{le}\",{labels}"));
    let (slow_reads, slow_changes) = (OPERATOR_READS, CHANGES);
    let operator = format!("({} + {})", of("count", slow_reads), of("count", slow_changes));
    let operator_in_time =
        format!("({} + {})", in_time("5", slow_reads), in_time("5", slow_changes));
    let reads = of("count", READS);
    [
        Objective {
            slo: "availability",
            budget: "0.001",
            bad: requests(&format!(r#"job="bappy",{OF_PARTNERS},status=~"5..""#)),
            all: requests(&format!(r#"job="bappy",{OF_PARTNERS}"#)),
        },
        Objective {
            slo: "latency_read",
            budget: "0.01",
            bad: format!("({reads} - {})", in_time("0.25", READS)),
            all: reads,
        },
        Objective {
            slo: "latency_operator",
            budget: "0.01",
            bad: format!("({operator} - {operator_in_time})"),
            all: operator,
        },
    ]
}

/// The file.
pub fn rules() -> String {
    let mut text = String::from(HEAD);
    for window in WINDOWS {
        // Long windows move slowly and cost most.
        let interval = if matches!(window, "1d" | "3d") { "5m" } else { "30s" };
        let _ = write!(
            text,
            "  - name: bappy-objectives-{window}\n    interval: {interval}\n    rules:\n"
        );
        for Objective { slo, budget, bad, all } in objectives() {
            let (bad, all) = (bad.replace('W', window), all.replace('W', window));
            record(&mut text, &format!("bappy:slo_errors:rate{window}"), &bad, slo);
            let ratio = format!("{bad} / {all}");
            record(&mut text, &format!("bappy:slo_errors:ratio_rate{window}"), &ratio, slo);
            let recorded =
                format!("bappy:slo_errors:ratio_rate{window}{{slo=\"{slo}\"}} / {budget}");
            record(&mut text, &format!("bappy:slo_burn:rate{window}"), &recorded, slo);
        }
    }
    text
}

fn record(text: &mut String, name: &str, expr: &str, slo: &str) {
    let _ = write!(
        text,
        "      - record: {name}\n        expr: >-\n          {expr}\n        labels:\n          slo: {slo}\n"
    );
}

const HEAD: &str = "\
# Made by tests/monitoring (BAPPY_UPDATE=1 cargo test --test monitoring); do not edit.
#
# availability      99.9 % of partners' requests are not answered with a 5xx
# latency_read      99 % of reads of our own database are answered within 0.25 s
# latency_operator  99 % of calls that may wait for the operator are answered within 5 s
#
# Of each window: bappy:slo_errors:rate (bad events a second), bappy:slo_errors:ratio_rate (their
# share) and bappy:slo_burn:rate (that share as a multiple of the one allowed over 30 days).
groups:
";

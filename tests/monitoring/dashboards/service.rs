//! *Service*: whether partners are served. The one to open first.

use super::panel::{Dashboard, Panel, Row, figure, lines, table, variable};

pub fn dashboard() -> Dashboard {
    Dashboard {
        uid: "bappy-service",
        title: "Bappy: service",
        description: "Whether partners are served: objectives, requests, what they depend on.",
        variables: vec![variable(
            "route",
            "Route",
            r#"label_values(bappy_http_requests_total{job="bappy"}, route)"#,
        )],
        rows: vec![
            Row { title: "Objectives", panels: objectives() },
            Row { title: "Requests", panels: requests() },
            Row { title: "Errors and callers", panels: errors() },
            Row { title: "What it stands on", panels: dependencies() },
        ],
    }
}

fn objectives() -> Vec<Panel> {
    vec![
        figure("Instances up", "short", "Instances that Prometheus reaches.")
            .query(r#"sum(up{job="bappy"})"#, "up")
            .at_least(1.0)
            .runbook("BappyDown"),
        figure("Alerts", "short", "Alerts that fire now, whatever their severity.")
            .query(r#"count(ALERTS{alertstate="firing", service="bappy"}) or vector(0)"#, "firing")
            .limits(1.0, 3.0),
        figure(
            "Ledger",
            "short",
            "Places where a wallet and its ledger disagree. Anything but 0 is money that is wrong.",
        )
        .query(r#"sum(max by (rule) (bappy_ledger_mismatches{job="bappy"}))"#, "mismatches")
        .limit(1.0)
        .runbook("LedgerMismatch"),
        figure("Available, 1 h", "percentunit", "Requests that were not answered with a 5xx.")
            .query(r#"1 - bappy:slo_errors:ratio_rate1h{slo="availability"}"#, "available")
            .at_least(0.999)
            .runbook("AvailabilityBudgetBurn"),
        figure(
            "Answered in time, 1 h",
            "percentunit",
            "Reads of our own within 0.25 s, and calls that may wait for the operator within 5 s.",
        )
        .query(r#"1 - bappy:slo_errors:ratio_rate1h{slo="latency_read"}"#, "reads")
        .query(r#"1 - bappy:slo_errors:ratio_rate1h{slo="latency_operator"}"#, "operator")
        .at_least(0.99)
        .width(8)
        .runbook("LatencyBudgetBurn"),
        lines(
            "Burn of the error budget, 1 h",
            "short",
            "How many times faster than allowed the error budget of 30 days is used up: at 14.4 a \
             page is sent, at 1 it lasts just as long as it should.",
        )
        .query("bappy:slo_burn:rate1h", "{{slo}}")
        .limits(6.0, 14.4)
        .width(12)
        .runbook("AvailabilityBudgetBurn"),
        lines(
            "Burn of the error budget, 5 min",
            "short",
            "The same over five minutes: what is new.",
        )
        .query("bappy:slo_burn:rate5m", "{{slo}}")
        .limits(6.0, 14.4)
        .width(12)
        .runbook("AvailabilityBudgetBurn"),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        lines("Requests by status", "reqps", "Answers a second, by status.")
            .query(
                r#"sum by (status) (rate(bappy_http_requests_total{SEL,route=~"$route"}[RATE]))"#,
                "{{status}}",
            )
            .stacked(),
        lines(
            "Time to answer",
            "s",
            "From a request's head to the head of its answer, all routes that are chosen together.",
        )
        .query(
            r#"histogram_quantile(0.5, sum by (le)
               (rate(bappy_http_request_duration_seconds_bucket{SEL,route=~"$route"}[RATE])))"#,
            "median",
        )
        .query(
            r#"histogram_quantile(0.99, sum by (le)
               (rate(bappy_http_request_duration_seconds_bucket{SEL,route=~"$route"}[RATE])))"#,
            "99th percentile",
        )
        .limits(0.25, 5.0),
        lines("Requests in flight", "short", "Requests that run now.")
            .query("sum by (instance) (bappy_http_requests_in_flight{SEL})", "{{instance}}"),
        table("Routes", "short", "Requests a second, share of 5xx, and 99th percentile of each route.")
            .query(
                "sum by (method, route) (rate(bappy_http_requests_total{SEL}[RATE]))",
                "requests/s",
            )
            .query(
                r#"sum by (method, route) (rate(bappy_http_requests_total{SEL,status=~"5.."}[RATE]))
                   / sum by (method, route) (rate(bappy_http_requests_total{SEL}[RATE]))"#,
                "share of 5xx",
            )
            .query(
                "histogram_quantile(0.99, sum by (method, route, le)
                 (rate(bappy_http_request_duration_seconds_bucket{SEL}[RATE])))",
                "99th percentile, s",
            ),
        lines("Slowest routes", "s", "99th percentile of the ten slowest routes.")
            .query(
                r#"topk(10, histogram_quantile(0.99, sum by (method, route, le)
                   (rate(bappy_http_request_duration_seconds_bucket{SEL,route=~"$route"}[RATE]))) >= 0)"#,
                "{{method}} {{route}}",
            )
            .width(12),
    ]
}

fn errors() -> Vec<Panel> {
    vec![
        lines(
            "Errors by code",
            "reqps",
            "Error answers a second by their code, ours and callers'.",
        )
        .query("topk(10, sum by (code) (rate(bappy_http_errors_total{SEL}[RATE])))", "{{code}}")
        .runbook("AvailabilityBudgetBurn"),
        lines(
            "5xx by route",
            "reqps",
            "Where the answers come from that count against the objective.",
        )
        .query(
            r#"topk(10, sum by (method, route)
                   (rate(bappy_http_requests_total{SEL,status=~"5.."}[RATE])))"#,
            "{{method}} {{route}}",
        ),
        lines(
            "Tokens",
            "reqps",
            "Bearer tokens a second by what came of them. A jump of unknown_key or no_keys is the \
             identity provider's; of signature or issuer, somebody's who tries.",
        )
        .query("sum by (outcome) (rate(bappy_tokens_total{SEL}[RATE]))", "{{outcome}}")
        .runbook("IdentityKeysUnavailable"),
        lines("Hung up", "reqps", "Requests whose client went away before the answer.")
            .query("sum(rate(bappy_http_requests_dropped_total{SEL}[RATE]))", "dropped"),
        lines("Refused for their number", "reqps", "Answers 429 a second.").query(
            r#"sum(rate(bappy_http_errors_total{SEL,code="RATE_LIMITED"}[RATE]))"#,
            "RATE_LIMITED",
        ),
        lines("Panics", "short", "Panics in the last quarter of an hour: each is a defect.")
            .query("sum(increase(bappy_panics_total{SEL}[15m]))", "panics")
            .limit(1.0)
            .runbook("Panics"),
    ]
}

fn dependencies() -> Vec<Panel> {
    vec![
        figure("Database writers", "short", "Writers of the ledger that have a connection.")
            .query("min(bappy_ledger_writers_connected{SEL})", "connected")
            .at_least(1.0)
            .runbook("LedgerWritersDisconnected"),
        figure("Circuit breaker", "short", "Whether calls to the operator are let through.")
            .query(r#"min(bappy_operator_breaker_state{SEL,state="closed"})"#, "closed")
            .words(&[("0", "open", "red"), ("1", "closed", "green")])
            .runbook("OperatorBreakerOpen"),
        figure("Age of the identity keys", "s", "Since the provider's keys were last fetched.")
            .query("time() - min(bappy_jwks_last_success_timestamp_seconds{SEL} > 0)", "age")
            .limits(7_200.0, 72_000.0)
            .runbook("IdentityKeysStale"),
        figure("Operations overdue", "short", "Operations not over a minute after their horizon.")
            .query("sum(max by (state) (bappy_operations_overdue{SEL}))", "overdue")
            .limit(1.0)
            .runbook("OperationsOverdue"),
        figure("Left to a person", "short", "Operations that a person has to look at.")
            .query("max(bappy_operations_manual{SEL})", "manual")
            .limit(1.0)
            .runbook("OperationsManual"),
        lines("Background jobs", "s", "Time since each job last did what it is there for.")
            .query(
                "time() - max by (job_name) (bappy_job_last_success_timestamp_seconds{SEL} > 0)",
                "{{job_name}}",
            )
            .limit(600.0)
            .width(12)
            .runbook("JobStalled"),
    ]
}

//! *Operator*: the way to the operator, and how it answers.

use super::panel::{Dashboard, Panel, Row, figure, lines, states, table, variable};

pub fn dashboard() -> Dashboard {
    Dashboard {
        uid: "bappy-operator",
        title: "Bappy: operator",
        description: "The operator upstream: its answers, the breaker, the room, the free cards.",
        variables: vec![variable(
            "call",
            "Call",
            r#"label_values(bappy_operator_calls_total{job="bappy"}, call)"#,
        )],
        rows: vec![
            Row { title: "Breaker", panels: breaker() },
            Row { title: "Calls", panels: calls() },
            Row { title: "Room", panels: room() },
            Row { title: "Free cards", panels: cards() },
        ],
    }
}

fn breaker() -> Vec<Panel> {
    vec![
        figure("Circuit breaker", "short", "Whether calls are let through, on the worst instance.")
            .query(r#"min(bappy_operator_breaker_state{SEL,state="closed"})"#, "closed")
            .words(&[("0", "open", "red"), ("1", "closed", "green")])
            .runbook("OperatorBreakerOpen"),
        figure(
            "Failed, 5 min",
            "percentunit",
            "Calls without a usable answer: unknown, unreachable.",
        )
        .query(
            r#"sum(rate(bappy_operator_calls_total{SEL,outcome=~"unknown|unreachable"}[5m]))
                   / sum(rate(bappy_operator_calls_total{SEL}[5m]))"#,
            "failed",
        )
        .limits(0.05, 0.5)
        .runbook("OperatorErrors"),
        states("Breaker over time", "1 while the breaker is closed, by instance.")
            .query(r#"bappy_operator_breaker_state{SEL,state="closed"}"#, "{{instance}}")
            .words(&[("0", "open", "red"), ("1", "closed", "green")]),
        lines("Changes", "short", "Changes of the breaker, by the state that it came to.")
            .query(
                "sum by (state) (increase(bappy_operator_breaker_transitions_total{SEL}[RATE]))",
                "{{state}}",
            )
            .width(4),
    ]
}

fn calls() -> Vec<Panel> {
    vec![
        lines("Calls", "ops", "Calls to the operator a second.")
            .query(
                r#"sum by (call) (rate(bappy_operator_calls_total{SEL,call=~"$call"}[RATE]))"#,
                "{{call}}",
            )
            .stacked(),
        lines(
            "Outcomes",
            "ops",
            "Refused is a definite no, throttled the operator's own limit, unreachable was never \
             sent, unknown may have taken effect.",
        )
        .query(
            r#"sum by (outcome) (rate(bappy_operator_calls_total{SEL,call=~"$call"}[RATE]))"#,
            "{{outcome}}",
        )
        .runbook("OperatorErrors"),
        lines("Time of a call", "s", "All calls that are chosen, together.")
            .query(
                r#"histogram_quantile(0.5, sum by (le)
                   (rate(bappy_operator_call_duration_seconds_bucket{SEL,call=~"$call"}[RATE])))"#,
                "median",
            )
            .query(
                r#"histogram_quantile(0.99, sum by (le)
                   (rate(bappy_operator_call_duration_seconds_bucket{SEL,call=~"$call"}[RATE])))"#,
                "99th percentile",
            )
            .limits(2.5, 8.0),
        table("By call", "short", "Calls a second, share without a usable answer, 99th percentile.")
            .query("sum by (call) (rate(bappy_operator_calls_total{SEL}[RATE]))", "calls/s")
            .query(
                r#"sum by (call) (rate(bappy_operator_calls_total{SEL,outcome=~"unknown|unreachable"}[RATE]))
                   / sum by (call) (rate(bappy_operator_calls_total{SEL}[RATE]))"#,
                "share failed",
            )
            .query(
                "histogram_quantile(0.99, sum by (call, le)
                 (rate(bappy_operator_call_duration_seconds_bucket{SEL}[RATE])))",
                "99th percentile, s",
            ),
        lines("Slowest calls", "s", "99th percentile by call, of those that are made.")
            .query(
                r#"topk(8, histogram_quantile(0.99, sum by (call, le)
                   (rate(bappy_operator_call_duration_seconds_bucket{SEL,call=~"$call"}[RATE]))) >= 0)"#,
                "{{call}}",
            )
            .width(12),
    ]
}

fn room() -> Vec<Panel> {
    vec![
        lines("Permits", "short", "Callers that have room at the operator, and how many may.")
            .query("sum by (instance) (bappy_operator_permits_in_use{SEL})", "in use {{instance}}")
            .query("max(bappy_operator_permits_limit{SEL})", "limit of one instance")
            .query("sum(bappy_operator_admissions_waiting{SEL})", "waiting")
            .runbook("OperatorRoomExhausted"),
        lines(
            "Admissions",
            "ops",
            "Requests for room by how they ended; credentials_refused means that the operator no \
             longer takes our user name and password.",
        )
        .query("sum by (outcome) (rate(bappy_operator_admissions_total{SEL}[RATE]))", "{{outcome}}")
        .runbook("OperatorCredentialsRefused"),
        lines("Wait for room", "s", "Until a request for room was answered.")
            .quantiles("bappy_operator_admission_duration_seconds")
            .limits(0.5, 2.0),
        lines(
            "Use of our own rate",
            "percentunit",
            "Calls a second as a share of operator.rate_per_second, by instance.",
        )
        .query(
            "sum by (instance) (rate(bappy_operator_calls_total{SEL}[RATE]))
             / sum by (instance) (bappy_operator_rate_limit_calls_per_second{SEL})",
            "{{instance}}",
        )
        .limits(0.8, 1.0)
        .width(12),
        lines("Waits for our own rate", "ops", "How many calls had to wait for it, a second.")
            .query("sum(rate(bappy_operator_rate_limit_wait_seconds_count{SEL}[RATE]))", "waits")
            .width(6),
        lines("Waited for our own rate", "s", "Seconds waited in a second, all callers together.")
            .query("sum(rate(bappy_operator_rate_limit_wait_seconds_sum{SEL}[RATE]))", "waited")
            .width(6),
    ]
}

fn cards() -> Vec<Panel> {
    vec![
        lines("Free cards", "short", "Free cards in our pool by sponsor, counted up to 1000.")
            .query("max by (sponsor) (bappy_sim_pool_free_cards{SEL})", "{{sponsor}}")
            .runbook("SimPoolLow"),
        lines("Claims", "ops", "Cards asked of the pool, a second.")
            .query(
                "sum by (sponsor, outcome) (rate(bappy_sim_pool_claims_total{SEL}[RATE]))",
                "{{sponsor}} {{outcome}}",
            )
            .runbook("SimPoolEmpty"),
        lines("Refills", "short", "Refills of the pool: empty is an operator with none left.")
            .query(
                "sum by (outcome) (increase(bappy_sim_pool_refills_total{SEL}[RATE]))",
                "{{outcome}}",
            )
            .runbook("SimPoolLow"),
    ]
}

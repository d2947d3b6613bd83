//! *Money*: whether the money is right, and what becomes of it.

use super::panel::{Dashboard, Panel, Row, figure, lines};

pub fn dashboard() -> Dashboard {
    Dashboard {
        uid: "bappy-money",
        title: "Bappy: money",
        description: "Whether the money is right: ledger, wallets, operations, refunds, fees, SMS.",
        variables: Vec::new(),
        rows: vec![
            Row { title: "Ledger", panels: ledger() },
            Row { title: "Wallets", panels: wallets() },
            Row { title: "Operations", panels: operations() },
            Row { title: "SMS", panels: sms() },
            Row { title: "Monthly fees", panels: fees() },
        ],
    }
}

fn ledger() -> Vec<Panel> {
    vec![
        figure(
            "Mismatches",
            "short",
            "Places where a wallet and its ledger disagree, by the rule that is broken.",
        )
        .query("max by (rule) (bappy_ledger_mismatches{SEL})", "{{rule}}")
        .limit(1.0)
        .width(6)
        .runbook("LedgerMismatch"),
        figure("Last round", "s", "Since every wallet was last compared with its ledger.")
            .query(
                "time() - max(bappy_ledger_check_last_round_timestamp_seconds{SEL} > 0)",
                "since",
            )
            .limits(3_600.0, 86_400.0)
            .runbook("JobStalled"),
        lines("Entries compared", "ops", "Ledger entries that the check looks at, a second.")
            .query("sum(rate(bappy_ledger_check_entries_total{SEL}[RATE]))", "entries")
            .width(7),
        lines(
            "The check itself",
            "s",
            "99th percentile of one turn's time, and turns that failed.",
        )
        .query(
            "histogram_quantile(0.99, sum by (le)
                 (rate(bappy_ledger_check_duration_seconds_bucket{SEL}[RATE])))",
            "a turn",
        )
        .query("sum(increase(bappy_ledger_check_failures_total{SEL}[RATE]))", "failures")
        .width(7),
        lines("Entries by kind", "ops", "Ledger entries written a second.")
            .query("sum by (kind) (rate(bappy_ledger_entries_total{SEL}[RATE]))", "{{kind}}")
            .stacked(),
        lines(
            "Batches by outcome",
            "ops",
            "Batches that the writers answered: stale and guarded are decided again, unknown is \
             looked up, broken is a defect.",
        )
        .query("sum by (outcome) (rate(bappy_ledger_batches_total{SEL}[RATE]))", "{{outcome}}"),
        lines("One statement of a writer", "s", "Time of one statement, for all batches in it.")
            .quantiles("bappy_ledger_write_duration_seconds")
            .limits(0.1, 1.0),
        lines("Commands in a statement", "short", "Commands that one statement carries.")
            .quantiles("bappy_ledger_write_commands"),
        lines("Waiting at the writers", "short", "Batches that are not answered yet.")
            .query("sum by (instance) (bappy_ledger_queue_batches{SEL})", "{{instance}}"),
        lines("Writers", "short", "Writers with a connection, and connections lost.")
            .query("sum by (instance) (bappy_ledger_writers_connected{SEL})", "{{instance}}")
            .query("sum(increase(bappy_ledger_writer_losses_total{SEL}[RATE]))", "lost")
            .runbook("LedgerWritersDisconnected"),
    ]
}

fn wallets() -> Vec<Panel> {
    vec![
        lines("Commands", "ops", "Commands that wallets answered, a second.")
            .query("sum by (command) (rate(bappy_wallet_commands_total{SEL}[RATE]))", "{{command}}")
            .stacked(),
        lines(
            "Commands not done",
            "ops",
            "Refused is too little money, guarded a key or an operation that is taken, failed a \
             database that is away.",
        )
        .query(
            r#"sum by (outcome) (rate(bappy_wallet_commands_total{SEL,outcome!="done"}[RATE]))"#,
            "{{outcome}}",
        ),
        lines("Commit", "s", "From the decision on a batch until the database has told its end.")
            .quantiles("bappy_wallet_commit_duration_seconds")
            .limits(0.1, 1.0),
        lines("Commands in a commit", "short", "The larger, the more of them wait while one runs.")
            .quantiles("bappy_wallet_batch_commands"),
        lines("Waiting", "short", "Commands that are not answered yet, and debits turned away.")
            .query("sum by (instance) (bappy_wallet_queue_commands{SEL})", "{{instance}}")
            .query("sum(increase(bappy_wallet_rejections_total{SEL}[RATE]))", "turned away")
            .runbook("WalletOverloaded"),
        lines(
            "Conflicts and respawns",
            "ops",
            "Commits that another instance outran (normal with several), and actors started again \
             after a panic (never normal).",
        )
        .query("sum(rate(bappy_wallet_conflicts_total{SEL}[RATE]))", "conflicts")
        .query("sum(rate(bappy_wallet_respawns_total{SEL}[RATE]))", "respawns"),
        lines("Actors", "short", "Wallets that have an actor now.")
            .query("sum by (instance) (bappy_wallet_actors{SEL})", "{{instance}}"),
    ]
}

fn operations() -> Vec<Panel> {
    vec![
        figure("Overdue", "short", "Operations not over a minute after their horizon.")
            .query("max by (state) (bappy_operations_overdue{SEL})", "{{state}}")
            .limit(1.0)
            .runbook("OperationsOverdue"),
        figure("Left to a person", "short", "Operations that a person has to look at.")
            .query("max(bappy_operations_manual{SEL})", "manual")
            .limit(1.0)
            .runbook("OperationsManual"),
        figure(
            "Refunded, 15 min",
            "percentunit",
            "Of the new Links and top-ups that ended, those given back.",
        )
        .query(
            r#"sum(rate(bappy_operations_ended_total{SEL,kind=~"create_link|topup",end="refunded"}[15m]))
               / sum(rate(bappy_operations_ended_total{SEL,kind=~"create_link|topup"}[15m]))"#,
            "refunded",
        )
        .limits(0.05, 0.2)
        .runbook("RefundsHigh"),
        lines("Ends", "ops", "Operations brought to their end a second, by kind and end.")
            .query(
                "sum by (kind, end) (rate(bappy_operations_ended_total{SEL}[RATE]))",
                "{{kind}} {{end}}",
            )
            .width(12),
        lines(
            "Calls not done",
            "ops",
            "What callers heard: refused is their own doing, unavailable is nothing charged, failed \
             is given back, unsettled is a database that was lost in between.",
        )
        .query(
            r#"sum by (outcome) (rate(bappy_operation_calls_total{SEL,outcome!="done"}[RATE]))"#,
            "{{outcome}}",
        ),
        lines("Time of a call", "s", "99th percentile of what a caller waits for, by kind.")
            .p99_by("bappy_operation_call_duration_seconds", "kind", "{{kind}}")
            .limits(5.0, 18.0),
        lines("Running", "short", "Calls that run now, whether anybody still waits or not.")
            .query("sum by (instance) (bappy_operations_running{SEL})", "{{instance}}"),
        lines("Open", "short", "Operations that are not over, on all instances.")
            .query("max by (kind, state) (bappy_operations_open{SEL})", "{{kind}} {{state}}"),
        lines("Oldest", "s", "Age of the oldest operation that is pending, or watched.")
            .query("max by (state) (bappy_operations_oldest_age_seconds{SEL})", "{{state}}")
            .runbook("OperationsOverdue"),
        lines("Resolver", "ops", "Its looks at operations that were left, and what it gave up.")
            .query("sum by (outcome) (rate(bappy_resolver_looks_total{SEL}[RATE]))", "{{outcome}}")
            .query("sum(increase(bappy_operations_given_up_total{SEL}[RATE]))", "left to a person"),
    ]
}

fn sms() -> Vec<Panel> {
    vec![
        lines("Queue", "short", "Messages not handed over yet, and under way at the operator.")
            .query("max(bappy_sms_queue_messages{SEL})", "queued")
            .query("max(bappy_sms_under_way_messages{SEL})", "under way"),
        lines("Oldest in the queue", "s", "Age of the oldest message that is not handed over yet.")
            .query("max(bappy_sms_queue_oldest_age_seconds{SEL})", "oldest")
            .limit(300.0)
            .runbook("SmsBacklog"),
        lines("Ends", "ops", "Messages handed over, given up, and their ends as far as told.")
            .query("sum(rate(bappy_sms_handed_over_total{SEL}[RATE]))", "handed over")
            .query("sum(rate(bappy_sms_refunded_total{SEL}[RATE]))", "given back")
            .query("sum by (status) (rate(bappy_sms_ended_total{SEL}[RATE]))", "{{status}}"),
    ]
}

fn fees() -> Vec<Panel> {
    vec![
        figure(
            "Unfinished",
            "short",
            "Organizations whose fees of this month are not all charged.",
        )
        .query("max(bappy_fee_organizations_unfinished{SEL})", "organizations")
        .limit(1.0)
        .runbook("FeesUnfinished"),
        lines("Links decided on", "short", "Links that runs decided on in the last hour.")
            .query("sum by (outcome) (increase(bappy_fee_links_total{SEL}[1h]))", "{{outcome}}")
            .width(10),
        lines(
            "Runs that ended early",
            "short",
            "In the last hour; each is tried again in a minute.",
        )
        .query("sum(increase(bappy_fee_run_failures_total{SEL}[1h]))", "failures")
        .width(10),
    ]
}

//! *Runtime*: the process, its threads, its connections and its caches.

use super::panel::{Dashboard, Panel, Row, figure, lines, table};

pub fn dashboard() -> Dashboard {
    Dashboard {
        uid: "bappy-runtime",
        title: "Bappy: runtime",
        description: "The process: processor, memory, threads, connections, caches, tokens' keys.",
        variables: Vec::new(),
        rows: vec![
            Row { title: "Process", panels: process() },
            Row { title: "Threads", panels: threads() },
            Row { title: "Database connections", panels: connections() },
            Row { title: "Caches and actors", panels: caches() },
            Row { title: "Identity provider", panels: identity() },
        ],
    }
}

fn process() -> Vec<Panel> {
    vec![
        table("Builds", "short", "Which build runs where, and since when (seconds).")
            .query("sum by (instance, version, revision) (bappy_build_info{SEL})", "instances")
            .query("sum by (instance) (time() - process_start_time_seconds{SEL})", "up for, s")
            .width(12),
        lines(
            "Processor",
            "short",
            "Cores used, counted in whole seconds. The service, not the database.",
        )
        .query("sum by (instance) (rate(process_cpu_seconds_total{SEL}[RATE]))", "{{instance}}")
        .width(12),
        lines("Memory", "bytes", "Resident: what the process really takes.")
            .query("sum by (instance) (process_resident_memory_bytes{SEL})", "{{instance}}")
            .width(6),
        lines("Address space", "bytes", "Reserved; most of it is never used, and costs nothing.")
            .query("sum by (instance) (process_virtual_memory_bytes{SEL})", "{{instance}}")
            .width(6),
        lines("Open files", "percentunit", "Of those that the process may have.")
            .query(
                "sum by (instance) (process_open_fds{SEL})
                 / sum by (instance) (process_max_fds{SEL})",
                "{{instance}}",
            )
            .limits(0.5, 0.9)
            .max(1.0)
            .width(6),
        lines("Threads", "short", "Threads of the process.")
            .query("sum by (instance) (process_threads{SEL})", "{{instance}}")
            .width(6),
        lines("Scrapes", "s", "How long Prometheus takes to read the metrics.")
            .query("max by (instance) (scrape_duration_seconds{SEL})", "{{instance}}")
            .width(12),
        lines("Series", "short", "Samples a scrape: it should not grow.")
            .query("max by (instance) (scrape_samples_scraped{SEL})", "{{instance}}")
            .width(12),
    ]
}

fn threads() -> Vec<Panel> {
    vec![
        lines(
            "Waits for a thread",
            "s",
            "99th percentile of how long ready work waits for its thread. The timer alone makes it \
             one or two milliseconds.",
        )
        .p99_by("bappy_scheduler_delay_seconds", "threads", "{{threads}}")
        .limits(0.05, 0.25)
        .runbook("ThreadsSaturated"),
        lines("Busy", "percentunit", "Share of the time that the runtime's threads work.")
            .query("sum by (instance) (bappy_runtime_busy_ratio{SEL})", "{{instance}}")
            .max(1.0)
            .limits(0.7, 0.9),
        lines("Tasks", "short", "Tasks that are not over, those that wait, and threads.")
            .query("sum by (instance) (bappy_runtime_tasks{SEL})", "{{instance}}")
            .query("sum(bappy_runtime_queue_tasks{SEL})", "waiting")
            .query("sum(bappy_runtime_workers{SEL})", "threads"),
    ]
}

fn connections() -> Vec<Panel> {
    vec![
        lines(
            "Connections",
            "short",
            "Idle and in use, of those there may be, without the ledger's writers on PostgreSQL.",
        )
        .query("sum by (pool, state) (bappy_database_connections{SEL})", "{{pool}} {{state}}")
        .query("sum by (pool) (bappy_database_connections_max{SEL})", "{{pool}} at most")
        .runbook("DatabasePoolSaturated"),
        lines("Wait for a connection", "s", "99th percentile until one was handed out.")
            .p99_by("bappy_database_acquire_duration_seconds", "pool", "{{pool}}")
            .limits(0.05, 1.0)
            .runbook("DatabasePoolSaturated"),
        lines("Connections not had", "ops", "That could not be had, or not in time.")
            .query(
                "sum by (pool) (rate(bappy_database_acquire_failures_total{SEL}[RATE]))",
                "{{pool}}",
            )
            .runbook("DatabasePoolSaturated"),
    ]
}

fn caches() -> Vec<Panel> {
    vec![
        lines("Hits", "percentunit", "Share of look-ups whose answer was there.")
            .query(
                r#"sum by (cache) (rate(bappy_cache_requests_total{SEL,outcome="hit"}[RATE]))
                   / sum by (cache) (rate(bappy_cache_requests_total{SEL}[RATE]))"#,
                "{{cache}}",
            )
            .max(1.0),
        lines("Entries", "short", "Entries, about.")
            .query("sum by (cache) (bappy_cache_entries{SEL})", "{{cache}}"),
        lines("Link actors", "short", "Links that have an actor now, and actors that died.")
            .query("sum by (instance) (bappy_link_actors{SEL})", "{{instance}}")
            .query("sum(increase(bappy_link_respawns_total{SEL}[RATE]))", "started again"),
    ]
}

fn identity() -> Vec<Panel> {
    vec![
        figure("Age of the keys", "s", "Since they were last fetched, on the worst instance.")
            .query("time() - min(bappy_jwks_last_success_timestamp_seconds{SEL} > 0)", "age")
            .limits(7_200.0, 72_000.0)
            .runbook("IdentityKeysStale"),
        figure("Keys", "short", "Keys that can be used.")
            .query("min(bappy_jwks_keys{SEL})", "keys")
            .at_least(1.0)
            .runbook("IdentityKeysUnavailable"),
        lines("Fetches", "short", "Fetches of discovery and keys in the last hour.")
            .query("sum by (outcome) (increase(bappy_jwks_fetches_total{SEL}[1h]))", "{{outcome}}"),
        lines("Time of a fetch", "s", "Median and 99th percentile over the last hour.")
            .query(
                "histogram_quantile(0.5, sum by (le)
                 (rate(bappy_jwks_fetch_duration_seconds_bucket{SEL}[1h])))",
                "median",
            )
            .query(
                "histogram_quantile(0.99, sum by (le)
                 (rate(bappy_jwks_fetch_duration_seconds_bucket{SEL}[1h])))",
                "99th percentile",
            ),
    ]
}

//! How PostgreSQL answers what the API asks of it, once tables are big enough for it to choose: no
//! table that grows is read from end to end, and no answer takes more rows than a page or a day
//! has. The plans are the server's own, of the statements as the service sends them, taken from its
//! log (`auto_explain`); each is sent often enough for a generic plan.

use crate::app::{AMPLE, DatabaseKind, TestApp, id};
use chrono::TimeZone;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Tables that grow with what organizations do.
const GROWING: [&str; 10] = [
    "ledger_entries",
    "ledger_blocks",
    "ledger_months",
    "operations",
    "links",
    "activations",
    "sms",
    "sims",
    "link_fees",
    "ledger_days",
];
/// Links of each of two organizations. A scan is a hundred times a page then.
const LINKS: i64 = 10_000;
/// A page at its largest, and what a plan may read besides: far below what a scan reads.
const ROWS_MAX: f64 = 1_000.0;
/// Of the daily totals: a year of days, of each kind.
const TOTALS_MAX: f64 = 366.0 * 7.0;
/// After five executions the server thinks about a plan for any arguments.
const TIMES: usize = 7;

/// A history in few statements; ids ascend with `n`, as UUIDs v7 do.
const HISTORY: &str = "
CREATE FUNCTION pg_temp.id(thing TEXT, n BIGINT) RETURNS UUID LANGUAGE sql IMMUTABLE AS $$
    SELECT CAST('0190' || LPAD(TO_HEX(n), 8, '0') || '7' || thing || '8000000000000000' AS UUID) $$;
CREATE TEMP TABLE orgs AS
    SELECT g.id AS org, ROW_NUMBER() OVER (ORDER BY g.slug) - 1 AS place, o.plan_id AS plan,
        p.sponsor_id AS sponsor
    FROM organizations g
    JOIN LATERAL (SELECT plan_id FROM organization_plans WHERE org_id = g.id LIMIT 1) o ON TRUE
    JOIN plans p ON p.id = o.plan_id
    WHERE g.slug IN ('acme', 'globex');
CREATE TEMP TABLE series AS
    SELECT o.*, n, o.place * {links} + n AS at, TIMESTAMPTZ '2026-01-01' + n * INTERVAL '40 minutes'
        AS time
    FROM orgs o, GENERATE_SERIES(1, {links}) n;
INSERT INTO links (org_id, id, name, iccid, msisdn, kind, status, sponsor_id, endpoint_id,
        data_total_kb, data_used_kb, created_at, updated_at)
    SELECT org, pg_temp.id('aaa', at), 'Traveller ' || n, '8900' || LPAD(CAST(at AS TEXT), 15, '0'),
        '+99' || at, CASE n % 100 WHEN 7 THEN 'physical' ELSE 'esim' END,
        CASE n % 100 WHEN 3 THEN 'suspended' WHEN 5 THEN 'inactive' ELSE 'active' END, sponsor,
        'ep-' || at, 0, 0, time, time FROM series;
INSERT INTO operations (org_id, id, group_id, position, kind, state, link_id, activation_id, plan_id,
        amount, debit_id, idempotency_key, request, cleanup, epoch, attempts, deadline_at, horizon_at,
        created_at, settled_at)
    SELECT org, pg_temp.id(thing, at), pg_temp.id(thing, at), 0, kind,
        CASE n % 100 WHEN 9 THEN 'refunded' ELSE 'succeeded' END, pg_temp.id('aaa', at),
        CASE kind WHEN 'send_sms' THEN NULL ELSE pg_temp.id(thing, at) END, plan, 1,
        pg_temp.id(thing, at), CASE n % 10 WHEN 1 THEN thing || n END, '{}', 'none', 0, 0, time, time,
        time, time
    FROM series, (VALUES ('bbb', 'create_link'), ('ccc', 'topup'), ('ddd', 'send_sms'))
        k (thing, kind);
INSERT INTO activations (org_id, id, link_id, operation_id, plan_id, plan_name, status, instance_id,
        activated_at, expires_at, data_total_kb, data_used_kb, countries, amount, currency)
    SELECT org, pg_temp.id(thing, at), pg_temp.id('aaa', at), pg_temp.id(thing, at), plan, 'Plan',
        CASE n % 2 WHEN 1 THEN 'expired' ELSE 'active' END, 'in-' || thing || at, time,
        TIMESTAMPTZ '2099-01-01', 1, 0, 'FR', 1, 'USD'
    FROM series, (VALUES ('bbb'), ('ccc')) k (thing);
INSERT INTO sms (org_id, id, link_id, iccid, message, status, amount, operator_sms_id, created_at,
        updated_at)
    SELECT org, pg_temp.id('ddd', at), pg_temp.id('aaa', at), '8900'
        || LPAD(CAST(at AS TEXT), 15, '0'), 'text',
        CASE n % 100 WHEN 9 THEN 'failed' ELSE 'delivered' END, 1, 's' || at, time, time FROM series;
INSERT INTO ledger_entries (org_id, sequence, id, kind, amount, balance_after, link_id, iccid,
        activation_id, plan_id, plan_name, operation_id, description, created_at)
    SELECT org, 1000 + n * 3 + k, pg_temp.id(thing, at), kind, -1, 1, pg_temp.id('aaa', at),
        '8900' || LPAD(CAST(at AS TEXT), 15, '0'), pg_temp.id(thing, at), plan, 'Plan', pg_temp.id(thing, at), kind, time
    FROM series, (VALUES (0, 'bbb', 'activation'), (1, 'ccc', 'topup'), (2, 'ddd', 'sms'))
        k (k, thing, kind);
INSERT INTO ledger_entries (org_id, sequence, id, kind, amount, balance_after, plan_id, refund_of,
        operation_id, description, created_at)
    SELECT org_id, 1003 + 3 * {links} + ROW_NUMBER() OVER (PARTITION BY org_id ORDER BY id), id,
        'refund', 1, 1, plan_id, id, id, 'refund', created_at
    FROM operations WHERE state = 'refunded';
INSERT INTO sims (iccid, kind, sponsor_id, state, created_at)
    SELECT '8900' || LPAD(CAST(at AS TEXT), 15, '0'), 'esim', sponsor, 'used', time FROM series;
INSERT INTO ledger_days (org_id, plan_id, kind, day, entries, debited, credited, made,
        first_sequence, last_sequence)
    SELECT org_id, p, kind, CAST(created_at AT TIME ZONE 'UTC' AS DATE), COUNT(*), COUNT(*), 0,
        COUNT(*) FILTER (WHERE kind IN ('activation', 'topup') AND NOT EXISTS (
            SELECT FROM operations o WHERE o.org_id = e.org_id AND o.id = e.operation_id
                AND o.state = 'refunded')),
        MIN(sequence), MAX(sequence)
    FROM ledger_entries e,
        LATERAL (VALUES (plan_id), (CAST('00000000-0000-0000-0000-000000000000' AS UUID))) v (p)
    WHERE sequence > 1000 GROUP BY 1, 2, 3, 4;
INSERT INTO ledger_days (org_id, plan_id, kind, day, entries, debited, credited, made)
    SELECT pg_temp.id('eee', n), pg_temp.id('fff', 1), 'topup', DATE '2026-01-01' + d, 1, 1, 0, 1
    FROM GENERATE_SERIES(1, 200) n, GENERATE_SERIES(1, 100) d;
INSERT INTO ledger_months (org_id, month, plan_id, entries, debited, credited, made)
    SELECT pg_temp.id('eee', n), CAST(DATE '2024-01-01' + m * INTERVAL '1 month' AS DATE),
        pg_temp.id('fff', 1), 1, 1, 0, 1
    FROM GENERATE_SERIES(1, 200) n, GENERATE_SERIES(0, 23) m;
UPDATE wallets w SET version = 1003 + 3 * {links} + 3 * {links} / 100, links_total = {links},
        operations_total = 3 * {links}, sms_total = {links}
    FROM orgs o WHERE o.org = w.org_id;
";

/// From now on every session of the database logs its plans.
const EXPLAINED: [&str; 6] = [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_timing = off",
    "auto_explain.log_format = 'json'",
    "auto_explain.log_nested_statements = on",
];

/// The reads of the API, with every filter, far into lists and at their ends. `LINK` is a Link that is
/// new, and `OLD` one of the history.
const READS: [&str; 58] = [
    "/links",
    "/links?page=250",
    "/links?page=500",
    "/links?page=20",
    "/links?page=225",
    "/links?per_page=100",
    "/links?per_page=100&page=50",
    "/links?status=active",
    "/links?status=suspended",
    "/links?type=physical",
    "/links?type=physical&status=active",
    "/links?search=traveller%2077",
    "/links/LINK/history",
    "/links/LINK/history?type=topup",
    "/links/OLD/history",
    "/links/LINK/topup-plans",
    "/transactions",
    "/transactions?page=750",
    "/transactions?page=1500",
    "/transactions?type=topup",
    "/transactions?type=topup&page=250",
    "/transactions?type=credit",
    "/transactions?link_id=LINK",
    "/transactions?link_id=LINK&type=topup",
    "/transactions?from=2026-03-01&to=2026-03-31",
    "/transactions?from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z",
    "/transactions?type=topup&from=2026-03-01&to=2026-03-31",
    "/transactions/stats",
    "/transactions/stats?from=2026-03-01&to=2026-03-31",
    "/transactions/stats?from=2026-03-01T10:00:00Z&to=2026-03-31T11:00:00Z",
    "/transactions/analytics",
    "/transactions/analytics?period_days=365",
    "/operations",
    "/operations?page=750",
    "/operations?page=725",
    "/operations?per_page=100&page=150",
    "/operations?state=pending",
    "/operations?state=succeeded",
    "/operations?state=refunded",
    "/operations?state=refunded&page=3",
    "/operations?state=refunded&kind=topup",
    "/operations?state=refunded&kind=send_sms",
    "/operations?state=succeeded&kind=send_sms",
    "/operations?state=rejected",
    "/operations?kind=topup",
    "/operations?idempotency_key=ccc51",
    "/sms",
    "/sms?page=250",
    "/sms?page=225",
    "/sms?link_id=LINK",
    "/sms?link_id=OLD",
    "/sms?status=delivered",
    "/sms?status=failed",
    "/sms?status=failed&per_page=100",
    "/plans",
    "/plans/regions",
    "/organization",
    "/organization/balance",
];

/// Lists that are walked by cursor from the middle.
const WALKED: [&str; 7] = [
    "/links?page=250",
    "/links?status=active&page=30",
    "/transactions?page=750",
    "/transactions?type=topup&page=250",
    "/operations?page=750",
    "/operations?state=refunded&page=3",
    "/sms?page=250",
];

/// Searches for digits that few Links have: an ICCID, the end of one, a numbered name.
const SEARCHES: [&str; 3] =
    ["/links?search=8900000000000007777", "/links?search=007777", "/links?search=traveller%207777"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_grows_is_read_from_end_to_end() {
    let Some(mut app) = TestApp::start(DatabaseKind::Postgres, AMPLE).await else { return };
    let mut server = Server::over(&app).await;
    let history = HISTORY.replace("{links}", &LINKS.to_string());
    // Autovacuum might be first.
    server.run("ALTER TABLE links SET (autovacuum_enabled = off)").await;
    server.run(&history).await;
    server.until_counted("links").await;
    server.run("VACUUM ANALYZE").await;
    for setting in EXPLAINED {
        let name = server.name.clone();
        server.run(&format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    // As the service does each minute.
    bappy::store::ranks::keep(
        &app.database,
        chrono::Utc.with_ymd_and_hms(2099, 1, 1, 0, 0, 0).unwrap(),
    )
    .await
    .unwrap();
    bappy::store::blocks::keep(&app.database).await.unwrap();
    bappy::store::months::keep(
        &app.database,
        chrono::Utc.with_ymd_and_hms(2026, 6, 1, 0, 0, 0).unwrap(),
    )
    .await
    .unwrap();
    // How often a statement was carried out is counted on each connection.
    app.restart(|config| config.database.max_connections = 1).await;
    let begin = server.log().len();
    call_everything(&app).await;
    // Row-level security hides the indexes of texts.
    app.restart(|config| config.database.row_level_security = false).await;
    for path in SEARCHES {
        for _ in 0..TIMES {
            app.acme.get(path).await.ok();
        }
    }
    app.stop().await;

    let plans = plans(&server.log()[begin..]);
    assert!(plans.len() > READS.len() * TIMES, "only {} plans were logged", plans.len());
    let by_digits = plans.iter().filter(|s| s.text.contains("digits_of(")).count();
    assert!(by_digits >= SEARCHES.len() * TIMES, "only {by_digits} searches for digits");
    let mut wrong: Vec<String> = plans.iter().filter_map(Statement::fault).collect();
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{} statements:\n{}", wrong.len(), wrong.join("\n"));
    let planned = planned_for_each_call(&plans);
    assert!(planned.is_empty(), "{} statements:\n{}", planned.len(), planned.join("\n"));
}

/// Pages of long lists, and of what is few in them, that got no plan for all arguments, however often
/// they were asked for.
fn planned_for_each_call(plans: &[Statement]) -> Vec<String> {
    let mut pages: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for statement in plans {
        let text = &statement.text;
        // A search is planned for what is looked for.
        let is_page = text.contains("AS of_id") || text.contains("LIMIT $4) l ORDER BY");
        if is_page && !text.contains("LIKE") {
            let is_for_all = statement.plan.to_string().contains("org_id = $1");
            pages.entry(text).or_default().push(is_for_all);
        }
    }
    pages.retain(|_, calls| calls.len() >= TIMES);
    assert!(pages.len() > 18, "only {} such statements", pages.len());
    let few = pages.keys().filter(|text| !text.contains("AS of_id")).count();
    assert_eq!(few, 2, "of a key's operations and of a Link's SMS");
    pages.retain(|_, calls| !calls.contains(&true));
    pages.into_keys().cloned().collect()
}

async fn call_everything(app: &TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let fresh = app.acme.post("/links", json!({ "plan_id": plan["id"] })).await.expect(201);
    let link = id(&fresh);
    let old = app.acme.get("/links?page=250").await.ok();
    for path in READS {
        let path = path.replace("LINK", link).replace("OLD", id(&old["data"][0]));
        for _ in 0..TIMES {
            app.acme.get(&path).await.ok();
        }
    }
    for path in WALKED {
        let part = app.acme.get(path).await.ok();
        let cursor = part["meta"]["next_cursor"].as_str().unwrap();
        let page = path.find("page=").unwrap();
        for _ in 0..TIMES {
            app.acme.get(&format!("{}cursor={cursor}", &path[..page])).await.ok();
        }
    }
    for n in 0..TIMES {
        app.acme.get(&format!("/links/{link}")).await.ok();
        app.acme.get(&format!("/links/{}", fresh["iccid"].as_str().unwrap())).await.ok();
        let added = app.acme.add(&fresh, &[&plan]).await.ok();
        let activation = added["added"][0]["id"].as_str().unwrap();
        let path = format!("/links/{link}/plans");
        app.acme.put(&path, json!({ "remove": [activation] })).await.ok();
        app.acme.put(&format!("/links/{link}"), json!({ "name": format!("{n}") })).await.ok();
        let sms = json!({ "link_id": link, "message": "hello" });
        app.acme.keyed_post("/sms", sms, &format!("key-{n}")).await.expect(202);
        app.acme.post("/links", json!({ "plan_id": plan["id"] })).await.expect(201);
    }
}

/// The server below a service.
struct Server {
    conn: PgConnection,
    name: String,
    log: PathBuf,
}

impl Server {
    async fn over(app: &TestApp) -> Self {
        let url = app.config.database.url.expose_secret();
        let mut conn = PgConnection::connect(url).await.unwrap();
        let data = conn.fetch_one("SHOW data_directory").await.unwrap();
        let data = PathBuf::from(data.get::<String, _>(0));
        let name = url.rsplit_once('/').unwrap().1.to_owned();
        // As `tests/support/postgres.rs` lays them.
        Self { conn, name, log: data.with_file_name("log") }
    }

    async fn run(&mut self, statements: &str) {
        self.conn.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
    }

    /// Waits until the service has had a table counted.
    async fn until_counted(&mut self, table: &str) {
        let counted = format!("SELECT pg_stat_get_analyze_count('{table}'::regclass) > 0");
        let wait = async {
            let is_counted = || AssertSqlSafe(counted.clone());
            while !self.conn.fetch_one(is_counted()).await.unwrap().get::<bool, _>(0) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// A statement as it was carried out.
struct Statement {
    text: String,
    plan: Value,
}

/// The plans of a log: JSON behind a line that ends in `plan:`, each of its lines after a tab.
fn plans(log: &str) -> Vec<Statement> {
    let mut plans = Vec::new();
    for part in log.split("  plan:\n").skip(1) {
        let lines = part.lines().map_while(|line| line.strip_prefix('\t'));
        let json: String = lines.collect::<Vec<_>>().join("\n");
        // The test's own cluster is shared: another database's sessions log none.
        let mut plan: Value = serde_json::from_str(&json).unwrap();
        let text = plan["Query Text"].as_str().unwrap().to_owned();
        plans.push(Statement { text, plan: plan["Plan"].take() });
    }
    plans
}

impl Statement {
    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<String> {
        // Where a text is in many Links, or in few Links at all, reading them is as good as the
        // index of texts; and the ledger is checked beside the requests, a stretch at a time.
        let has = |text: &str| self.text.contains(text);
        if has("SELECT sequence, amount, balance_after") || has("LIKE LOWER") && !has("digits_of(")
        {
            return None;
        }
        let what = fault(&self.plan)?;
        let text = self.text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        Some(format!("{what}: {text}"))
    }
}

/// The first part of a plan that reads a table that grows from end to end, or too many of its rows.
fn fault(node: &Value) -> Option<String> {
    let number = |key: &str| node[key].as_f64().unwrap_or(0.0);
    let loops = number("Actual Loops").max(1.0);
    let read = (number("Actual Rows") + number("Rows Removed by Filter")) * loops;
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let table = node["Relation Name"].as_str().unwrap_or_default();
    if kind == "Seq Scan" && GROWING.contains(&table) {
        return Some(format!("reads all of {table}"));
    }
    let most = if table == "ledger_days" { TOTALS_MAX } else { ROWS_MAX };
    if read > most && (GROWING.contains(&table) || kind.ends_with("Sort")) {
        return Some(format!("{kind} of {read} rows {table}").trim_end().to_owned());
    }
    node["Plans"].as_array().into_iter().flatten().find_map(fault)
}

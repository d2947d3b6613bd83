//! The second wall between tenants, PostgreSQL's own: a statement that forgot its `WHERE` reads
//! one organization's rows all the same. All other tests on PostgreSQL run behind it too.

use crate::app::{AMPLE, DatabaseKind, TestApp, id, seed};
use crate::postgres_server;
use bappy::store::{Conn, Database, Tx, Wall, organizations};
use bappy_actors::model::OrgId;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use std::str::FromStr;
use tokio::runtime::Handle;

/// Tables of tenants, by the column that says whose a row is.
const TABLES: &str = "SELECT c.relname::text, a.attname::text FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
      AND (a.attname = 'org_id' OR (c.relname = 'organizations' AND a.attname = 'id')) ORDER BY 1";

async fn org(tx: &mut Tx, slug: &str) -> OrgId {
    organizations::by_slug(tx, slug).await.unwrap().unwrap().id
}

async fn count(conn: &mut PgConnection, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(conn).await.unwrap()
}

fn postgres(tx: &mut Tx) -> &mut PgConnection {
    match tx.conn() {
        Conn::Postgres(conn) => conn,
        Conn::Sqlite(_) => panic!("not PostgreSQL"),
    }
}

async fn tables(conn: &mut PgConnection) -> Vec<(String, String)> {
    sqlx::query_as(TABLES).fetch_all(conn).await.unwrap()
}

/// The database of a service, behind its wall, on one connection for tenants.
async fn walled(app: &TestApp) -> Database {
    let url = app.config.database.url.expose_secret();
    let mut database = Database::open(url, 1, Handle::current()).await.unwrap();
    assert_eq!(database.wall_tenants(false).await.unwrap(), Wall::Up);
    database
}

/// Buys something of every kind for both organizations.
async fn buy(app: &TestApp) {
    for caller in [&app.acme, &app.globex] {
        let link = caller.link(&caller.plan("France 1 GB, 7 days").await).await;
        let topup = caller.topups(&link).await[0].clone();
        caller.add(&link, &[&topup]).await.ok();
        caller.post("/sms", json!({"link_id": link["id"], "message": "x"})).await.expect(202);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_without_its_where_reads_one_organization_alone() {
    let Some(app) = TestApp::start(DatabaseKind::Postgres, AMPLE).await else { return };
    buy(&app).await;
    let database = walled(&app).await;
    let mut all = database.read().await.unwrap();
    let (acme, globex) = (org(&mut all, "acme").await, org(&mut all, "globex").await);
    let all = postgres(&mut all);
    let tables = tables(all).await;
    let mut with_rows_of_both = 0;
    for (table, column) in &tables {
        let of = |org: OrgId| format!("SELECT COUNT(*) FROM {table} WHERE {column} = '{}'", org.0);
        let unfiltered = || format!("SELECT COUNT(*) FROM {table}");
        let theirs = count(all, of(globex)).await;
        with_rows_of_both += usize::from(theirs > 0 && count(all, of(acme)).await > 0);
        assert!(count(all, unfiltered()).await >= theirs);
        // On one connection in turn: nothing of who used it before is left.
        for (own, foreign) in [(acme, globex), (globex, acme), (acme, globex)] {
            let owned = count(all, of(own)).await;
            let mut tx = database.read_of(own).await.unwrap();
            let tenant = postgres(&mut tx);
            assert_eq!(count(tenant, unfiltered()).await, owned, "{table}");
            assert_eq!(count(tenant, of(foreign)).await, 0, "{table}");
        }
    }
    println!("{} tables, {with_rows_of_both} with rows of both", tables.len());
    assert!(with_rows_of_both >= 9, "{with_rows_of_both}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tenants_role_reads_nothing_without_an_organization_and_writes_nothing_at_all() {
    let Some(app) = TestApp::start(DatabaseKind::Postgres, AMPLE).await else { return };
    buy(&app).await;
    let url = app.config.database.url.expose_secret();
    let as_tenant = PgConnectOptions::from_str(url).unwrap().options([("role", "bappy_tenant")]);
    let mut tenant = as_tenant.connect().await.unwrap();
    let tables = tables(&mut tenant).await;
    for (table, column) in &tables {
        assert_eq!(count(&mut tenant, format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        for write in [
            format!("INSERT INTO {table} ({column}) VALUES (NULL)"),
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
            format!("DROP POLICY tenants ON {table}"),
        ] {
            let error = sqlx::raw_sql(AssertSqlSafe(write)).execute(&mut tenant).await.unwrap_err();
            let code = error.as_database_error().unwrap().code().unwrap().into_owned();
            assert_eq!(code, "42501", "{table}: {error}");
        }
    }
    for table in ["catalogue_markup", "exchange_rates", "_sqlx_migrations"] {
        let read = sqlx::raw_sql(AssertSqlSafe(format!("SELECT * FROM {table}")));
        assert!(read.execute(&mut tenant).await.is_err(), "{table}");
    }
    for odd in ["''", "'acme'", "'%'"] {
        let set = format!("SET bappy.organization = {odd}");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut tenant).await.unwrap();
        let read = sqlx::raw_sql("SELECT COUNT(*) FROM links WHERE status = 'active'");
        let found = read.fetch_optional(&mut tenant).await;
        assert!(odd == "''" || found.is_err(), "{odd} is no organization");
    }
    tenant.close().await.unwrap();
    app.finish().await;
}

/// A database of its own, with a user who owns it and may no more than that.
async fn owned_by(user: &str, roles: &[&str]) -> Option<String> {
    let url = postgres_server::fresh_database().await?;
    let (server, _) = url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    let mut run = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    };
    run(format!("CREATE ROLE {user} LOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS")).await;
    run(format!("CREATE DATABASE {user} OWNER {user}")).await;
    for role in roles {
        run(format!(
            "DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        ))
        .await;
        run(format!("GRANT {role} TO {user}")).await;
    }
    admin.close().await.unwrap();
    Some(format!("{}/{user}", server.replace("bappy@", &format!("{user}@"))))
}

/// Sells, reads and settles on a database that an ordinary user owns; gives whether it is walled.
async fn sells_on(url: String) -> Wall {
    let folder = tempfile::tempdir().unwrap();
    seed(folder.path(), url.clone()).await;
    let app = TestApp::start_on(url.clone(), folder, AMPLE).await;
    buy(&app).await;
    let link = app.acme.walk("/links", 10).await[0].clone();
    assert_eq!(app.acme.show(&link).await["status"], "active");
    app.globex.get(&format!("/links/{}", id(&link))).await.fails(404, "NOT_FOUND");
    let mut database = Database::open(&url, 1, Handle::current()).await.unwrap();
    let wall = database.wall_tenants(true).await.unwrap();
    database.close().await;
    app.finish().await;
    wall
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_database_s_user_may_make_no_roles_the_service_runs_without_the_wall() {
    let Some(url) = owned_by("an_ordinary_owner", &[]).await else { return };
    let Wall::Absent(why) = sells_on(url).await else { panic!("walled") };
    assert!(why.contains("bappy_tenant"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_roles_were_granted_to_an_ordinary_user_the_wall_is_up() {
    let roles = ["bappy_worker", "bappy_tenant"];
    let Some(url) = owned_by("a_granted_owner", &roles).await else { return };
    assert_eq!(sells_on(url.clone()).await, Wall::Up);
    // No superuser, who passes every wall: the table's owner sees all by its policy.
    let mut owner = PgConnection::connect(&url).await.unwrap();
    assert!(count(&mut owner, "SELECT COUNT(*) FROM links".to_owned()).await >= 2);
    let forced = "SELECT COUNT(*) FROM pg_class WHERE relname IN ('links', 'ledger_entries', \
                  'organizations') AND relrowsecurity AND relforcerowsecurity";
    assert_eq!(count(&mut owner, forced.to_owned()).await, 3);
    // A table of a later version is theirs as well, as soon as somebody may see to it.
    let taken = "REVOKE ALL ON settings_revision FROM bappy_worker";
    sqlx::raw_sql(AssertSqlSafe(taken)).execute(&mut owner).await.unwrap();
    let mut database = Database::open(&url, 1, Handle::current()).await.unwrap();
    assert_eq!(database.wall_tenants(true).await.unwrap(), Wall::Up);
    database.close().await;
    let granted = "SELECT COUNT(*) FROM pg_class WHERE relname = 'settings_revision' AND \
                   has_table_privilege('bappy_worker', oid, 'SELECT, UPDATE')";
    assert_eq!(count(&mut owner, granted.to_owned()).await, 1);
    owner.close().await.unwrap();
}

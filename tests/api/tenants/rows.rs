//! All that the database holds of an organization, whatever tables there are.

use crate::app::{DatabaseKind, TestApp};
use bappy::store::{Conn, Tx};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// Rows as text, by table.
pub type Rows = BTreeMap<String, Vec<String>>;

/// Fails with the first row that is in one only.
pub fn are_the_same(before: &Rows, after: &Rows) {
    for (table, rows) in before {
        for (was, is) in rows.iter().zip(&after[table]) {
            assert_eq!(was, is, "a row of {table} changed");
        }
        assert_eq!(rows.len(), after[table].len(), "rows of {table}");
    }
    assert_eq!(before.len(), after.len());
}

/// Every table with an `org_id`, and the organization's own row.
pub async fn of(app: &TestApp, slug: &str) -> Rows {
    let mut tx = app.database.read().await.unwrap();
    let kind = match tx.conn() {
        Conn::Sqlite(_) => DatabaseKind::Sqlite,
        Conn::Postgres(_) => DatabaseKind::Postgres,
    };
    let tables = texts(
        &mut tx,
        match kind {
            DatabaseKind::Sqlite => {
                "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name = 'org_id' ORDER BY 1"
            }
            DatabaseKind::Postgres => {
                "SELECT table_name::text FROM information_schema.columns \
             WHERE table_schema = 'public' AND column_name = 'org_id' ORDER BY 1"
            }
        }
        .to_owned(),
    )
    .await;
    assert!(tables.len() >= 10, "{tables:?}");
    let mut all = BTreeMap::new();
    for table in tables {
        let of_it = format!("org_id = (SELECT id FROM organizations WHERE slug = '{slug}')");
        let rows = rows(&mut tx, kind, &table, &of_it).await;
        all.insert(table, rows);
    }
    let own = rows(&mut tx, kind, "organizations", &format!("slug = '{slug}'")).await;
    assert_eq!(own.len(), 1);
    all.insert("organizations".to_owned(), own);
    all
}

async fn rows(tx: &mut Tx, kind: DatabaseKind, table: &str, of_it: &str) -> Vec<String> {
    let row = match kind {
        DatabaseKind::Postgres => "to_jsonb(t)::text".to_owned(),
        DatabaseKind::Sqlite => {
            let named = format!("SELECT name FROM pragma_table_info('{table}')");
            let columns = texts(tx, named).await;
            let quoted: Vec<_> = columns.iter().map(|name| format!("quote({name})")).collect();
            quoted.join(" || ' ' || ")
        }
    };
    texts(tx, format!("SELECT {row} FROM {table} t WHERE {of_it} ORDER BY 1")).await
}

async fn texts(tx: &mut Tx, sql: String) -> Vec<String> {
    match tx.conn() {
        Conn::Sqlite(conn) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(conn).await,
        Conn::Postgres(conn) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(conn).await,
    }
    .unwrap()
}

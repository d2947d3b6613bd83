//! A database as the sandbox seeds it, made once a test process and copied for each test.

use super::DatabaseKind;
use super::operator::SimulatedOperator;
use crate::postgres_server;
use bappy::config::Config;
use bappy::store::Database;
use secrecy::{ExposeSecret, SecretString};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::OnceCell;

static SQLITE: OnceCell<TempDir> = OnceCell::const_new();
static POSTGRES: OnceCell<Option<String>> = OnceCell::const_new();
static COPIES: AtomicU32 = AtomicU32::new(0);

/// The address of a seeded database of its own; none where PostgreSQL is not installed.
pub async fn database(kind: DatabaseKind, folder: &Path) -> Option<String> {
    match kind {
        DatabaseKind::Sqlite => {
            let template = SQLITE.get_or_init(sqlite_template).await;
            let copy = folder.join("bappy.db");
            std::fs::copy(template.path().join("template.db"), &copy).unwrap();
            Some(format!("sqlite://{}", copy.display()))
        }
        DatabaseKind::Postgres => {
            let template = POSTGRES.get_or_init(postgres_template).await.as_ref()?;
            let (server, name) = template.rsplit_once('/').unwrap();
            let copy = format!("api_{}", COPIES.fetch_add(1, Ordering::Relaxed));
            let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {copy} TEMPLATE {name}")))
                .execute(&mut admin)
                .await
                .unwrap();
            admin.close().await.unwrap();
            Some(format!("{server}/{copy}"))
        }
    }
}

/// The database of a configuration, for looks behind the service.
pub async fn open(config: &Config) -> Database {
    let handle = tokio::runtime::Handle::current();
    Database::open(config.database.url.expose_secret(), 2, handle).await.unwrap()
}

/// Makes and fills an empty database as the sandbox does.
pub async fn seed(folder: &Path, url: String) {
    let operator = SimulatedOperator::start().await;
    let mut config = Config::sandbox(folder).unwrap();
    config.database.url = SecretString::from(url);
    config.database.row_level_security = true;
    config.operator.url = Some(operator.url().parse().unwrap());
    config.operator.username = Some("bappy".to_owned());
    config.operator.password = Some(SecretString::from("secret"));
    config.identity.issuer = Some(super::identity::issuer().await);
    bappy::sandbox::seed::seed(&config).await.unwrap();
}

async fn sqlite_template() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let seeded = folder.path().join("seeded.db");
    seed(folder.path(), format!("sqlite://{}", seeded.display())).await;
    let template = folder.path().join("template.db");
    let mut conn = SqliteConnectOptions::new().filename(&seeded).connect().await.unwrap();
    // What is still in the write-ahead log is part of the copy.
    sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{}'", template.display())))
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    folder
}

async fn postgres_template() -> Option<String> {
    let url = postgres_server::fresh_database().await?;
    let folder = tempfile::tempdir().unwrap();
    seed(folder.path(), url.clone()).await;
    let (server, name) = url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    // A database is copied only while nobody is connected to it.
    loop {
        let (connected,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = $1")
                .bind(name)
                .fetch_one(&mut admin)
                .await
                .unwrap();
        if connected == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    admin.close().await.unwrap();
    Some(url)
}

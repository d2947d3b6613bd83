//! Worlds in a state that takes a while to come to, made once and copied: the database, and the
//! operator's state with it.

use crate::world::{self, Identity, OPERATOR_STATE, Times, World};
use bappy::app;
use bappy::config::{Config, Profile};
use bappy_actors::model::{Money, OrgId};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use tempfile::TempDir;

/// A World at rest, and what is known of it.
pub struct Template<T> {
    pub known: T,
    database: Source,
    folder: TempDir,
    org: OrgId,
    plan: String,
    price: Money,
    client: reqwest::Client,
    identity: Arc<Identity>,
}

/// Where a copy's database comes from.
enum Source {
    Sqlite,
    /// A server and the name of a database there.
    Postgres(String, String),
}

/// Many copies are in use at a time, and little goes on in each.
pub const FEW_CONNECTIONS: (&str, &str) = ("BAPPY_DATABASE__MAX_CONNECTIONS", "3");

const SQLITE: &str = "bappy.db";

impl<T> Template<T> {
    /// Puts a World to rest. Its services have ended.
    pub async fn of(world: World, known: T) -> Self {
        let World { parts, org, plan, price, client, identity, database_url, folder, .. } = world;
        // The operator's process ends with what is left of the World.
        parts.database.close().await;
        drop(parts);
        let database = match database_url.rsplit_once('/') {
            Some((server, name)) if server.starts_with("postgres") => {
                Source::Postgres(server.to_owned(), name.to_owned())
            }
            _ => Source::Sqlite,
        };
        Self { known, database, folder, org, plan, price, client, identity }
    }

    /// A World of its own that begins where this one rests.
    pub async fn copy(&self, times: Times) -> World {
        let folder = tempfile::tempdir().unwrap();
        let copy = |name: &str| copy(self.folder.path(), folder.path(), name);
        copy(OPERATOR_STATE);
        let database_url = match &self.database {
            Source::Postgres(server, name) => copy_database(server, name).await,
            Source::Sqlite => {
                copy(SQLITE);
                format!("sqlite://{}/{SQLITE}", folder.path().display())
            }
        };
        let operator_at = crate::process::free_port();
        let operator = world::start_operator(&self.client, operator_at, &folder).await;
        let operator_url = format!("http://{operator_at}");
        let mut environment =
            world::configuration(&database_url, &self.identity, &operator_url, operator_at, times);
        environment.push((FEW_CONNECTIONS.0, FEW_CONNECTIONS.1.to_owned()));
        let environment = environment.into_iter().map(|(key, value)| (key.to_owned(), value));
        let config = Config::load(&Profile::Service, None, environment).unwrap();
        World {
            parts: app::open(&config).await.unwrap(),
            org: self.org,
            plan: self.plan.clone(),
            price: self.price,
            client: self.client.clone(),
            token: RwLock::new(self.identity.token(&self.client).await),
            operator_url,
            operator: Some(operator),
            operator_at,
            identity: Arc::clone(&self.identity),
            database_url,
            times,
            folder,
        }
    }
}

/// Copies a file, and what SQLite has beside it.
fn copy(from: &Path, to: &Path, name: &str) {
    std::fs::copy(from.join(name), to.join(name)).unwrap();
    let log = format!("{name}-wal");
    if from.join(&log).exists() {
        std::fs::copy(from.join(&log), to.join(&log)).unwrap();
    }
}

/// Gives the address of the copy. Who is just leaving the original is waited for by the server.
async fn copy_database(server: &str, original: &str) -> String {
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let copy = format!("copy_{}", COPIES.fetch_add(1, Ordering::Relaxed));
    administer(server, format!("CREATE DATABASE {copy} TEMPLATE {original}")).await;
    format!("{server}/{copy}")
}

async fn administer(server: &str, sql: String) {
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}

/// Removes a copy, with its database.
pub async fn remove(world: World) {
    let World { parts, database_url, .. } = world;
    parts.database.close().await;
    drop(parts);
    if let Some((server, name)) = database_url.rsplit_once('/')
        && server.starts_with("postgres")
    {
        administer(server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

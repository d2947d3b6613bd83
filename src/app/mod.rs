//! The composition root: the one folder that knows every concrete type.
//!
//! [`open`] makes the parts of a configuration, which the commands work with; `actors` puts the core
//! together; [`start`] serves it on threads of its own, and [`Running`] is what the commands and the
//! tests hold of that.

mod actors;
mod credit;
mod service;

pub use actors::{Core, core, fee_run};
pub use credit::{CreditError, credit};
pub use service::{Running, arbiter, start};

use crate::config::{Config, Required};
use crate::environment::{SystemClock, SystemIds};
use crate::operator::{Measured, OperatorClient};
use crate::store::{Database, Schema, Settings, SqlStore, Wall};
use bappy_actors::ports::{Clock, Ids, Operator};
use secrecy::ExposeSecret;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Why a service does not start: one sentence that names what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    fn because(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// What a service is made of, for the commands that work without listeners.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// The database.
    pub database: Database,
    /// When what was looked up in it has to be looked up again.
    pub settings: Arc<Settings>,
    /// The same as the core sees it.
    pub store: Arc<SqlStore>,
}

impl Parts {
    /// On a database, with the ledger's writers on this runtime.
    fn new(database: Database, writers: &Handle) -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(SystemIds::default()),
            settings: Arc::new(Settings::new(database.clone())),
            store: Arc::new(SqlStore::start_on(database.clone(), writers)),
            database,
        }
    }
}

/// Opens what a configuration speaks of, its database's schema up to date.
pub async fn open(config: &Config) -> Result<Parts, StartError> {
    Ok(Parts::new(open_database(config).await?, &Handle::current()))
}

async fn open_database(config: &Config) -> Result<Database, StartError> {
    let url = config.database.url.expose_secret();
    let connections_max = config.database.max_connections;
    let mut database = Database::open(url, connections_max, Handle::current())
        .await
        .map_err(|error| StartError::because("database.url", error))?;
    if config.database.migrate {
        database
            .migrate()
            .await
            .map_err(|error| StartError::because("the database cannot be migrated", error))?;
    }
    match database.schema().await {
        Ok(Schema::Current) => {}
        Ok(Schema::Behind) => {
            let sentence = "the database's schema is not up to date; run `bappy migrate`";
            return Err(StartError(sentence.to_owned()));
        }
        Ok(Schema::Foreign) => {
            let sentence = "the database's schema belongs to another version of this program";
            return Err(StartError(sentence.to_owned()));
        }
        Err(error) => return Err(StartError::because("the database cannot be read", error)),
    }
    if config.database.row_level_security {
        let wall = database
            .wall_tenants(config.database.migrate)
            .await
            .map_err(|error| StartError::because("row-level security cannot be set up", error))?;
        match wall {
            Wall::Up => tracing::info!("{wall}"),
            Wall::Absent(_) => tracing::warn!("{wall}"),
        }
    }
    Ok(database)
}

/// A client of the configured operator.
pub fn operator(required: &Required) -> Result<Arc<dyn Operator>, StartError> {
    let (url, username) = (required.operator_url.as_str(), required.operator_username.clone());
    let client = OperatorClient::new(url, username, required.operator_password.clone())
        .map_err(|error| StartError::because("operator.url", error))?;
    Ok(Arc::new(Measured(client)))
}

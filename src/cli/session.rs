//! What commands that work on the database, or with the operator, begin with.

use super::{ConfigArgs, Failed, quiet_log};
use crate::app::{self, Parts};
use crate::config::{Config, OperatorConfig};
use crate::operator::OperatorClient;
use crate::store::organizations::{self, OrganizationError};
use bappy_actors::model::Organization;
use bappy_actors::ports::Operator;
use std::sync::Arc;

/// A configuration and its database.
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// The database, with the clock and fresh ids.
    pub parts: Parts,
}

impl Session {
    /// Opens the database of a configuration; nothing else of it is required.
    pub async fn open(args: &ConfigArgs) -> Result<Self, Failed> {
        quiet_log();
        let config = args.load()?;
        let parts = app::open(&config).await?;
        Ok(Self { config, parts })
    }

    /// The organization with a slug.
    pub async fn organization(&self, slug: &str) -> Result<Organization, Failed> {
        let mut tx = self.parts.database.read().await?;
        let found = organizations::by_slug(&mut tx, slug).await?;
        Ok(found.ok_or_else(|| OrganizationError::Unknown(slug.to_owned()))?)
    }

    /// The organization with a slug, where one is given.
    pub async fn organization_if(
        &self,
        slug: Option<&str>,
    ) -> Result<Option<Organization>, Failed> {
        match slug {
            Some(slug) => self.organization(slug).await.map(Some),
            None => Ok(None),
        }
    }

    /// The configured operator, or the sentence that names what is missing.
    pub fn operator(&self) -> Result<Arc<dyn Operator>, Failed> {
        operator(&self.config.operator)?
            .ok_or_else(|| Failed(format!("required and not set: {}", missing(&self.config))))
    }
}

fn operator(config: &OperatorConfig) -> Result<Option<Arc<dyn Operator>>, Failed> {
    let (Some(url), Some(username), Some(password)) =
        (&config.url, &config.username, &config.password)
    else {
        return Ok(None);
    };
    let client = OperatorClient::new(url.as_str(), username.clone(), password.clone())
        .map_err(|error| format!("operator.url: {error}"))?;
    Ok(Some(Arc::new(client)))
}

fn missing(config: &Config) -> String {
    let operator = &config.operator;
    let keys = [
        ("operator.url (BAPPY_OPERATOR__URL)", operator.url.is_none()),
        ("operator.username (BAPPY_OPERATOR__USERNAME)", operator.username.is_none()),
        ("operator.password (BAPPY_OPERATOR__PASSWORD)", operator.password.is_none()),
    ];
    let missing: Vec<_> = keys.iter().filter(|(_, none)| *none).map(|(key, _)| *key).collect();
    missing.join(", ")
}

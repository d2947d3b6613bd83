//! What endpoints work with, and the routes of the service.

use super::edge::{Edge, EdgeSettings};
use super::error::ApiError;
use super::rate_limit::{LimitRequests, RateLimits};
use super::tenant::{Authenticate, Tenants};
use super::transactions;
use super::{docs, info, links, openapi, operations, organization, plans, service, sms};
use crate::store::{Database, Tx};
use actix_web::web;
use bappy_actors::link::LinkHandle;
use bappy_actors::model::{LinkId, LinkSnapshot, OrgId};
use bappy_actors::operation::Operations;
use bappy_actors::ports::{Clock, Store};
use std::sync::Arc;

/// What endpoints work with.
pub struct Api {
    /// The database, for reads.
    pub database: Database,
    /// The same database as the core sees it.
    pub store: Arc<dyn Store>,
    /// What changes Links, and charges.
    pub operations: Operations,
    /// The Links.
    pub links: Arc<LinkHandle>,
    /// What was answered of them lately.
    pub link_answers: Arc<links::LinkAnswers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who asks.
    pub tenants: Arc<Tenants>,
    /// How many requests they may send; none: as many as they like.
    pub rate_limits: Option<Arc<RateLimits>>,
    /// What `GET /status` looks at.
    pub status: Arc<service::StatusPage>,
    /// What stands before `/v1` in paths.
    pub base_path: String,
    /// Where the service is, for its documentation.
    pub documented: openapi::Settings,
}

impl Api {
    /// What stands before `/links` in the addresses that answers hold.
    pub fn base(&self) -> String {
        format!("{}/v1", self.base_path)
    }

    /// A connection for reads of an organization's rows.
    pub async fn read(&self, org: OrgId) -> Result<Tx, ApiError> {
        Ok(self.database.read_of(org).await?)
    }

    /// A Link with its activations, as far as the platform itself knows.
    pub async fn snapshot(&self, org: OrgId, id: LinkId) -> Result<Option<LinkSnapshot>, ApiError> {
        Ok(self.store.link_snapshot(org, id, self.clock.now()).await?)
    }

    /// The middleware around everything.
    pub fn edge(settings: EdgeSettings) -> Edge {
        Edge::new(settings)
    }

    /// Declares all routes. Public ones come first: they answer without a token, at the root and
    /// under the base path.
    pub fn configure(self: &Arc<Self>, config: &mut web::ServiceConfig) {
        let authenticate = Authenticate::new(Arc::clone(&self.tenants));
        let limit_requests = LimitRequests::new(self.rate_limits.clone());
        config
            .app_data(web::Data::from(Arc::clone(self)))
            .app_data(web::Data::new(openapi::Served::new(self.documented.clone())))
            .configure(public_routes)
            .service(
                web::scope(&self.base()).configure(public_routes).service(
                    web::scope("")
                        // What is wrapped around later runs first.
                        .wrap(limit_requests)
                        .wrap(authenticate)
                        .configure(links::configure)
                        .configure(plans::configure)
                        .configure(info::configure)
                        .configure(organization::configure)
                        .configure(operations::configure)
                        .configure(sms::configure)
                        .configure(transactions::configure)
                        .default_service(web::to(super::fallback::not_found)),
                ),
            );
    }
}

/// What needs no token.
fn public_routes(config: &mut web::ServiceConfig) {
    config.configure(service::configure).configure(openapi::configure).configure(docs::configure);
}

//! The fast path of `GET /links/{id}`, which partners poll: where all that an answer rests on is
//! remembered, it is given before the request is routed, for half of the CPU.
//!
//! Called by the [`Edge`](crate::http::edge::Edge) for every request that its head does not refuse and
//! that is not its connection's last.
//!
//! **Invariant.** It answers what the routed request would be answered now, and counts, limits and
//! logs it alike. Whatever is not at hand, or would be refused, is left to be routed, with nothing
//! counted.

use super::get::PATH;
use crate::http::api::Api;
use crate::http::edge::EdgeSettings;
use crate::http::envelope::Success;
use crate::http::metrics::{METRICS, Route, route};
use crate::http::request_id::RequestContext;
use crate::http::tenant::LastAuthenticated;
use crate::telemetry::traces;
use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use bappy_actors::model::{LinkId, OrgStatus};
use futures_util::FutureExt;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// See the module.
#[derive(Clone)]
pub struct FastPath {
    api: Arc<Api>,
    /// What stands before a Link's id.
    prefix: Arc<str>,
    counted: Option<&'static Route>,
}

impl FastPath {
    /// Over the same as the routes.
    pub fn new(api: Arc<Api>) -> Self {
        let prefix = format!("{}/links/", api.base()).into();
        Self { api, prefix, counted: route(PATH) }
    }

    /// The answer to a request with what is known of it, if it is at hand.
    pub(in crate::http) fn answer(
        &self,
        request: &ServiceRequest,
        settings: &EdgeSettings,
        started: Instant,
    ) -> Option<(RequestContext, HttpResponse)> {
        let link = self.link(request)?;
        let at_hand = async {
            let last = LastAuthenticated::of(request);
            let organization = self.api.tenants.remembered(request.headers(), &last).await?;
            let is_active = organization.status == OrgStatus::Active;
            let org = is_active.then_some(organization.id)?;
            Some((org, self.api.link_answers.standing(&self.api, org, link).await?))
        };
        // What has to be waited for is not at hand.
        let (org, ready) = at_hand.now_or_never()??;
        let (new_id, now) = (&settings.new_id, &settings.now);
        let context =
            RequestContext::open_known(request, started, new_id, now, (PATH, self.counted), org);
        if let Some(limits) = &self.api.rate_limits {
            limits.take(org, &context).ok()?;
        }
        self.api.tenants.count_remembered();
        METRICS.link_answers.asked(true);
        Some((context.clone(), Success::new(ready).respond(&context)))
    }

    /// The Link that is asked for, if that is all that is asked.
    fn link(&self, request: &ServiceRequest) -> Option<LinkId> {
        let id = request.path().strip_prefix(&*self.prefix)?;
        let is_plain = request.method() == Method::GET
            && id.len() == Hyphenated::LENGTH
            && request.query_string().is_empty()
            && !request.headers().contains_key(CONTENT_LENGTH)
            && !traces::is_on();
        is_plain.then(|| Uuid::try_parse(id).ok().map(LinkId))?
    }
}

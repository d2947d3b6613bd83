//! How many requests an organization may send: of any kind, and of the kinds that cost more.
//!
//! [`LimitRequests`] stands behind [`Authenticate`](super::tenant::Authenticate) and counts every
//! request whose token was good. [`LiveReads`] and [`SmsSends`] are extractors for the endpoints
//! that have a limit of their own beside it. The composition root makes the [`RateLimits`].
//!
//! What is left is told in `RateLimit-Policy` and `RateLimit`, of
//! draft-ietf-httpapi-ratelimit-headers-11: lists of structured fields (RFC 9651), an item a
//! policy.
//!
//! **Invariants.** A request without a good token takes nothing from anyone's budget, and is told
//! of none. A refused request reaches no handler, or is refused before the handler does anything.
//! State is kept for no one but known organizations, and thrown away once it is as good as new.

mod guards;
mod middleware;
mod policy;

pub use guards::{LiveReads, SmsSends};
pub use middleware::LimitRequests;

use super::error::ApiError;
use super::request_id::RequestContext;
use crate::config::RateLimitConfig;
use bappy_actors::model::OrgId;
use bappy_actors::ports::Clock;
use policy::Policy;
use std::sync::Arc;

/// The limits of this instance.
pub struct RateLimits {
    requests: Policy,
    live_reads: Policy,
    sms: Policy,
}

impl RateLimits {
    /// As configured; none where requests are not limited.
    pub fn configured(config: &RateLimitConfig, clock: &Arc<dyn Clock>) -> Option<Arc<Self>> {
        let policy = |name, limit| Policy::new(name, limit, Arc::clone(clock));
        config.enabled.then(|| {
            Arc::new(Self {
                requests: policy("default", config.requests),
                live_reads: policy("live-reads", config.live_reads),
                sms: policy("sms", config.sms),
            })
        })
    }

    /// Takes a request of any kind from an organization's budget, or refuses it.
    pub(super) fn take(&self, org: OrgId, context: &RequestContext) -> Result<(), ApiError> {
        self.requests.take(org, context)
    }

    /// Throws away what is as good as new: whose budget is whole again.
    pub fn forget_idle(&self) {
        for policy in [&self.requests, &self.live_reads, &self.sms] {
            policy.forget_idle();
        }
    }

    /// How many budgets are remembered.
    pub fn remembered(&self) -> usize {
        [&self.requests, &self.live_reads, &self.sms].map(Policy::remembered).iter().sum()
    }
}

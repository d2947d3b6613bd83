//! One limit: a token bucket for each organization, on the core's own clock.

use crate::config::Limit;
use crate::http::error::ApiError;
use crate::http::error_kind::{ErrorKind, RetryAfter};
use crate::http::request_id::RequestContext;
use actix_web::http::header::HeaderName;
use bappy_actors::model::OrgId;
use bappy_actors::ports::Clock;
use governor::clock::Clock as RateClock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use std::sync::Arc;
use std::time::Duration;

/// Names the limits and how much they allow.
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Says how much is left of them.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

#[derive(Clone)]
struct PortClock(Arc<dyn Clock>);

impl RateClock for PortClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A limit under its name.
pub(super) struct Policy {
    name: &'static str,
    /// The item of `RateLimit-Policy`, always the same.
    item: String,
    /// Whole seconds until there is more: a refused caller waits no longer.
    more_in_s: u32,
    clock: PortClock,
    buckets: RateLimiter<OrgId, DashMapStateStore<OrgId>, PortClock, StateInformationMiddleware>,
}

impl Policy {
    pub(super) fn new(name: &'static str, limit: Limit, clock: Arc<dyn Clock>) -> Self {
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        let clock = PortClock(clock);
        let buckets = RateLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware();
        // The burst is what may be used within the time in which it comes back; the window has no
        // fractions of a second, so one that comes back faster is told as less than it is.
        let (burst, window_s) = (limit.burst, limit.burst.get().div_ceil(limit.per_second.get()));
        Self {
            name,
            item: format!("\"{name}\";q={burst};w={window_s}"),
            more_in_s: whole_seconds(quota.replenish_interval()),
            clock,
            buckets,
        }
    }

    /// Takes one request from an organization's budget, and tells the answer's headers what is
    /// left; or refuses it.
    pub(super) fn take(&self, org: OrgId, context: &RequestContext) -> Result<(), ApiError> {
        let taken = self.buckets.check_key(&org);
        let (left, wait_s) = match &taken {
            Ok(left) => (left.remaining_burst_capacity(), self.more_in_s),
            Err(until) => (0, whole_seconds(until.wait_time_from(self.clock.now()))),
        };
        context.add_to_list(RATELIMIT_POLICY, self.item.clone());
        context.add_to_list(RATELIMIT, format!("\"{}\";r={left};t={wait_s}", self.name));
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(ApiError::new(ErrorKind::RateLimited(RetryAfter(wait_s)))
                .with_detail("policy", self.name)),
        }
    }

    pub(super) fn forget_idle(&self) {
        self.buckets.retain_recent();
    }

    pub(super) fn remembered(&self) -> usize {
        self.buckets.len()
    }
}

/// At least one: a client that waits for none comes back too early.
fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderMap;
    use actix_web::test::TestRequest;
    use bappy_actors::model::Timestamp;
    use std::num::NonZeroU32;
    use std::sync::Mutex;
    use std::time::Instant;
    use uuid::Uuid;

    #[derive(Default)]
    struct StillClock(Mutex<Duration>);

    impl StillClock {
        fn advance(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Clock for StillClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    fn policy(per_second: u32, burst: u32) -> (Policy, Arc<StillClock>) {
        let limit = Limit {
            per_second: NonZeroU32::new(per_second).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        };
        let clock = Arc::new(StillClock::default());
        (Policy::new("default", limit, Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }

    fn org(number: u128) -> OrgId {
        OrgId(Uuid::from_u128(number))
    }

    /// Whether a request is let through, and both headers of its answer.
    fn take(policies: &[&Policy], org: OrgId) -> (bool, String, String) {
        let request = TestRequest::default().to_srv_request();
        let now: crate::http::request_id::Now = Arc::new(|| Timestamp::UNIX_EPOCH);
        let context =
            RequestContext::open(&request, Instant::now(), &(Arc::new(String::new) as _), &now);
        let taken = policies.iter().all(|policy| policy.take(org, &context).is_ok());
        let mut headers = HeaderMap::new();
        context.write_lists(&mut headers);
        let text = |name: HeaderName| headers.get(name).unwrap().to_str().unwrap().to_owned();
        (taken, text(RATELIMIT_POLICY), text(RATELIMIT))
    }

    fn told(taken: &(bool, String, String)) -> (bool, &str, &str) {
        (taken.0, &taken.1, &taken.2)
    }

    #[test]
    fn a_budget_is_used_up_and_comes_back_with_time() {
        let (policy, clock) = policy(2, 3);
        let allowed = r#""default";q=3;w=2"#;
        for left in [2, 1, 0] {
            let standing = format!(r#""default";r={left};t=1"#);
            assert_eq!(told(&take(&[&policy], org(1))), (true, allowed, standing.as_str()));
        }
        let used_up = (false, allowed, r#""default";r=0;t=1"#);
        assert_eq!(told(&take(&[&policy], org(1))), used_up);
        clock.advance(Duration::from_millis(499));
        assert_eq!(told(&take(&[&policy], org(1))), used_up);
        clock.advance(Duration::from_millis(1));
        assert!(take(&[&policy], org(1)).0);
        assert!(!take(&[&policy], org(1)).0);
        clock.advance(Duration::from_mins(1));
        assert_eq!(take(&[&policy], org(1)).2, r#""default";r=2;t=1"#, "no more than the burst");
    }

    #[test]
    fn each_organization_has_a_budget_of_its_own() {
        let (policy, _) = policy(1, 1);
        assert!(take(&[&policy], org(1)).0);
        assert!(!take(&[&policy], org(1)).0);
        assert!(take(&[&policy], org(2)).0);
    }

    #[test]
    fn two_limits_of_one_answer_are_one_list() {
        let ((first, _), (second, _)) = (policy(100, 200), policy(5, 1));
        let (_, policies, standing) = take(&[&first, &second], org(1));
        assert_eq!(policies, r#""default";q=200;w=2, "default";q=1;w=1"#);
        assert_eq!(standing, r#""default";r=199;t=1, "default";r=0;t=1"#);
    }

    #[test]
    fn a_budget_that_is_whole_again_is_forgotten() {
        let (policy, clock) = policy(1, 10);
        for number in 0..100 {
            take(&[&policy], org(number));
        }
        clock.advance(Duration::from_secs(1));
        take(&[&policy], org(1));
        policy.forget_idle();
        assert_eq!(policy.remembered(), 100, "none is forgotten before it is as good as new");
        clock.advance(Duration::from_millis(1001));
        policy.forget_idle();
        assert_eq!(policy.remembered(), 1);
    }
}

//! What a partner is told where the provider was asked and no money is at stake, or where it could
//! not be asked at all.
//!
//! Called by [`keyed_call`](super::keyed_call) and by the calls that read from the provider.
//! **Invariant:** the provider's own words go to the log alone.

use super::error::ApiError;
use super::error_kind::{ErrorKind, RetryAfter};
use bappy_actors::gateway::NotAdmitted;
use bappy_actors::link::LookError;
use bappy_actors::ports::CallError;
use std::time::Duration;

/// Seconds after which to come back when the provider does not say.
const RETRY_AFTER_S: u32 = 2;

impl From<NotAdmitted> for ApiError {
    fn from(error: NotAdmitted) -> Self {
        match error {
            NotAdmitted::CredentialsRefused => refused_credentials(),
            NotAdmitted::BreakerOpen(wait) => unavailable(Some(wait)),
            NotAdmitted::NoRoom | NotAdmitted::NoSession => unavailable(None).with_context(error),
        }
    }
}

impl From<LookError> for ApiError {
    /// An error answer, none in time or an unreadable one is `PROVIDER_ERROR`; a provider that
    /// cannot be reached or takes no calls is `PROVIDER_UNAVAILABLE`.
    fn from(error: LookError) -> Self {
        match error {
            LookError::NotAdmitted(error) => error.into(),
            LookError::Call(CallError::Unauthorized) => refused_credentials(),
            LookError::Call(CallError::Unreachable) => unavailable(None).with_context(error),
            LookError::Call(CallError::Throttled(wait)) => unavailable(wait).with_context(error),
            LookError::Call(CallError::Refused(_) | CallError::Unknown(_)) => {
                Self::new(ErrorKind::Provider).with_context(error)
            }
            LookError::Lost => Self::internal(error),
        }
    }
}

fn refused_credentials() -> ApiError {
    ApiError::new(ErrorKind::Config).with_context("the operator refuses our credentials")
}

fn unavailable(wait: Option<Duration>) -> ApiError {
    let after = wait.map_or(RETRY_AFTER_S, whole_seconds);
    ApiError::new(ErrorKind::ProviderUnavailable(RetryAfter(after)))
}

fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

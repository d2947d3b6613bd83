//! Drives the operator to a wanted value: sends it again until it is so, cannot be, or time is up.
//! Called by the runners of this folder and by the resolver.

use crate::gateway::Permit;
use crate::model::{Failure, LinkStatus};
use crate::operation::operator_calls;
use crate::operation::{Services, left};
use crate::ports::{CallError, EndpointStatus, InstanceState, PlanInstance, UnknownCause};
use std::time::Duration;

/// Pause before a call that may not have taken effect is sent again, doubled each time: a permit
/// is for a few calls, not for a storm.
pub(super) const REPEAT_PAUSE_MIN: Duration = Duration::from_millis(100);

pub(super) const REPEAT_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How driving the operator to a wanted value ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operation) enum Driven {
    /// It has the value.
    Done {
        /// Whether the outcome of one of the attempts is unknown: it may still take effect, after
        /// whatever comes next.
        in_doubt: bool,
    },
    /// It says no, or was never reached: nothing has changed.
    Refused(Failure),
    /// Not known in the time there was; how the last answer to it failed.
    Open(Failure),
}

/// What became of what was sent for a change before this attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operation) enum Earlier {
    /// Nothing was sent.
    Unsent,
    /// Something may have been, and may still take effect.
    MayLand,
    /// Something may have been; whatever it does is done.
    Landed,
}

/// A value that the operator is driven to. Sending it twice does no harm.
#[derive(Clone, Copy, Debug)]
pub(in crate::operation) enum Wanted<'a> {
    /// The endpoint has a status.
    Status(&'a str, LinkStatus),
    /// The endpoint has lost a plan instance.
    PlanGone(&'a str, &'a str),
}

impl Wanted<'_> {
    async fn send(self, permit: &mut Permit, left: Duration) -> Result<(), CallError> {
        match self {
            Self::Status(endpoint, wanted) => {
                let wanted = status(wanted);
                let call = permit.call(left, |operator, token, timeout| async move {
                    operator.set_status(&token, endpoint, wanted, timeout).await
                });
                call.await
            }
            Self::PlanGone(endpoint, instance) => {
                operator_calls::remove_plan(permit, endpoint, instance, left).await
            }
        }
    }

    /// Whether the operator has the value; none where that cannot be read.
    async fn is_so(self, permit: &mut Permit, left: Duration) -> Option<bool> {
        let (Self::Status(id, _) | Self::PlanGone(id, _)) = self;
        let read = permit.call(left, |operator, token, timeout| async move {
            operator.endpoint(&token, id, timeout).await
        });
        let endpoint = read.await.ok()?;
        Some(match self {
            Self::Status(_, wanted) => endpoint.is_some_and(|e| e.status == status(wanted)),
            Self::PlanGone(_, instance) => endpoint.is_none_or(|endpoint| {
                let stands = |plan: &PlanInstance| {
                    plan.instance_id == instance && plan.state != InstanceState::Removed
                };
                endpoint.status == EndpointStatus::Terminated || !endpoint.plans.iter().any(stands)
            }),
        })
    }
}

fn status(wanted: LinkStatus) -> EndpointStatus {
    match wanted {
        LinkStatus::Active => EndpointStatus::Active,
        LinkStatus::Suspended => EndpointStatus::Suspended,
        LinkStatus::Inactive => EndpointStatus::Terminated,
    }
}

/// Sends what is wanted until it is so, cannot be, or the time is over. While what was sent before
/// may still take effect, a no is not the end: it may yet turn out so. And a no to what was sent
/// again may say that it is so already, which is looked up.
pub(in crate::operation) async fn drive(
    services: &Services,
    permit: &mut Permit,
    wanted: Wanted<'_>,
    until: Duration,
    earlier: Earlier,
) -> Driven {
    let (mut pause, mut open) = (REPEAT_PAUSE_MIN, Driven::Open(Failure::ProvisioningFailed));
    let (mut in_doubt, mut lost) = (earlier == Earlier::MayLand, false);
    loop {
        let time = left(until, services.clock.elapsed());
        let mut wait = pause;
        pause = (pause * 2).min(REPEAT_PAUSE_MAX);
        match wanted.send(permit, time).await {
            Ok(()) => return Driven::Done { in_doubt: lost },
            Err(CallError::Refused(refusal)) => {
                tracing::warn!(?refusal, in_doubt, "the operator refuses a change");
                if in_doubt || earlier == Earlier::Landed {
                    let time = left(until, services.clock.elapsed());
                    match wanted.is_so(permit, time).await {
                        Some(true) => return Driven::Done { in_doubt: lost },
                        None => return open,
                        Some(false) => {}
                    }
                }
                let refused = Driven::Refused(Failure::ProviderError);
                return if in_doubt { open } else { refused };
            }
            // Nothing was sent, unless an earlier attempt was.
            Err(CallError::Unreachable) if !in_doubt => {
                return Driven::Refused(Failure::ProviderUnavailable);
            }
            Err(CallError::Unauthorized) if !in_doubt => {
                return Driven::Refused(Failure::ConfigError);
            }
            Err(CallError::Unreachable | CallError::Unauthorized) => {}
            Err(CallError::Throttled(pause)) => wait = pause.unwrap_or(wait),
            Err(CallError::Unknown(cause)) => {
                tracing::warn!(?cause, "a change at the operator is in doubt");
                (in_doubt, lost) = (true, true);
                open = Driven::Open(match cause {
                    UnknownCause::ErrorAnswer(_) => Failure::ProvisioningError,
                    _ => Failure::ProvisioningFailed,
                });
            }
        }
        if left(until, services.clock.elapsed()) <= wait {
            let nothing_sent = Driven::Refused(Failure::ProviderUnavailable);
            return if in_doubt { open } else { nothing_sent };
        }
        tokio::time::sleep(wait).await;
    }
}

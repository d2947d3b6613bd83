//! Calls that change something: the idempotency key before them, and how they end as an answer.
//!
//! **Invariants.** A key stands for one request: with another it is refused. A success is told
//! again as it was told first. Every answer to a recorded attempt carries its operation's id.

use super::api::Api;
use super::error::ApiError;
use super::error_kind::{ErrorKind, RetryAfter};
use super::idempotency_key::{IdempotencyKey, RequestDigest};
use super::request_id::RequestContext;
use crate::store::attempts::{KeyedAttempt, latest_for_key};
use crate::store::sms;
use bappy_actors::model::{
    Answer, Failure, OperationId, OperationKind, OperationState, Organization, RequestKey,
};
use bappy_actors::operation::{Caller, Ended, OperationError};
use bappy_actors::wallet::Refused;

/// Seconds after which a call under a key that runs is worth repeating: most end within one.
const IN_PROGRESS_RETRY_S: u32 = 1;
/// Seconds after which to come back when there is no room or no database.
const UNAVAILABLE_RETRY_S: u32 = 2;

/// How a call ended: its answer, its operation, and whether it was told before.
pub struct Told {
    /// What it answers.
    pub answer: Answer,
    /// Its operation.
    pub operation_id: Option<OperationId>,
    /// Whether it is told again.
    pub replayed: bool,
}

/// One call that changes something.
pub struct KeyedCall<'a> {
    api: &'a Api,
    context: &'a RequestContext,
    organization: &'a Organization,
    key: Option<RequestKey>,
    removes: bool,
}

impl<'a> KeyedCall<'a> {
    /// A call of an organization, under a key or not.
    pub fn new(
        api: &'a Api,
        context: &'a RequestContext,
        organization: &'a Organization,
        key: Option<IdempotencyKey>,
        digest: RequestDigest,
    ) -> Self {
        let key = key.map(|key| RequestKey {
            key: key.as_str().to_owned(),
            request_hash: *digest.as_bytes(),
        });
        Self { api, context, organization, key, removes: false }
    }

    /// Of a call that takes something off: where it fails once it was recorded, it says what it
    /// has taken off by then, be it nothing.
    #[must_use]
    pub fn removing(self, removes: bool) -> Self {
        Self { removes, ..self }
    }

    /// Runs the call, unless its key has an answer already.
    pub async fn run(self, call: impl AsyncFnOnce(Caller) -> Ended) -> Result<Told, ApiError> {
        if let Some(told) = self.told_before().await? {
            return Ok(told);
        }
        let caller = Caller {
            org: self.organization.id,
            currency: self.organization.currency,
            key: self.key.clone(),
        };
        let Ended { operation_id, result } = call(caller).await;
        if let Some(id) = operation_id {
            self.context.record_operation(id);
        }
        match result {
            Ok(answer) => Ok(Told { answer, operation_id, replayed: false }),
            // Another call under the same key came first, in between.
            Err(OperationError::KeyTaken) => {
                self.told_before().await?.ok_or_else(|| in_progress(None))
            }
            Err(error) => Err(with_operation(self.refusal(error, operation_id), operation_id)),
        }
    }

    /// What the key has been answered with, if it stands for a success.
    async fn told_before(&self) -> Result<Option<Told>, ApiError> {
        let Some(key) = &self.key else { return Ok(None) };
        let mut tx = self.api.read(self.organization.id).await?;
        let found = latest_for_key(&mut tx, self.organization.id, &key.key).await?;
        drop(tx);
        let Some(KeyedAttempt { attempt, request_hash, answer }) = found else { return Ok(None) };
        if request_hash != key.request_hash {
            return Err(ApiError::new(ErrorKind::IdempotencyMismatch));
        }
        let is_sms = attempt.kind == OperationKind::SendSms;
        match attempt.state {
            // An SMS was answered for when it was queued, however far it is by now.
            OperationState::Pending | OperationState::Succeeded if is_sms => {
                self.context.record_operation(attempt.id);
                self.queued_before(attempt.id).await.map(Some)
            }
            OperationState::Refunded | OperationState::Rejected => Ok(None),
            OperationState::Pending => Err(in_progress(Some(attempt.id))),
            OperationState::Succeeded => {
                let answer = answer.ok_or("there is none".to_owned()).and_then(|json| {
                    serde_json::from_str(&json).map_err(|error| error.to_string())
                });
                let answer = answer.map_err(|error| {
                    ApiError::internal(format!("the answer of {} is lost: {error}", attempt.id))
                })?;
                self.context.record_operation(attempt.id);
                Ok(Some(Told { answer, operation_id: Some(attempt.id), replayed: true }))
            }
        }
    }

    /// What the call that queued an SMS was told.
    async fn queued_before(&self, id: OperationId) -> Result<Told, ApiError> {
        let mut tx = self.api.read(self.organization.id).await?;
        let found = sms::get(&mut tx, self.organization.id, id).await?;
        let sms = found.ok_or_else(|| ApiError::internal(format!("the SMS {id} is lost")))?;
        let answer = Answer::SmsQueued { sms: Box::new(sms), currency: self.organization.currency };
        Ok(Told { answer, operation_id: Some(id), replayed: true })
    }

    /// What a partner is told of a call that did not do what it was asked to.
    fn refusal(&self, error: OperationError, operation_id: Option<OperationId>) -> ApiError {
        match error {
            OperationError::NoLink | OperationError::NoActivation => ApiError::not_found(),
            OperationError::NoSim => {
                ApiError::not_found().with_message("The card is not in the organization's stock.")
            }
            OperationError::SimInUse => ApiError::new(ErrorKind::InvalidState)
                .with_message("The card is in use, or an earlier attempt on it is not over."),
            OperationError::SimHeld => {
                ApiError::unavailable(UNAVAILABLE_RETRY_S, "the card is claimed by no operation")
                    .with_message("An earlier attempt on the card may still begin; try again.")
            }
            OperationError::NoPlan(_) => ApiError::new(ErrorKind::PlanNotFound),
            OperationError::LinkState(status) => ApiError::new(ErrorKind::InvalidState)
                .with_message("The Link is not active.")
                .with_detail("status", serde_json::json!(status)),
            OperationError::StatusChange { from, to } => {
                ApiError::new(ErrorKind::InvalidStatusChange)
                    .with_detail("from", serde_json::json!(from))
                    .with_detail("to", serde_json::json!(to))
            }
            OperationError::ActivationOver => ApiError::new(ErrorKind::InvalidState)
                .with_message("The activation is cancelled or expired."),
            OperationError::OtherSponsor => ApiError::new(ErrorKind::InvalidPlan)
                .with_message("The plan is for Links of another sponsor profile."),
            OperationError::Refused(Refused::InsufficientFunds { balance, needed }) => {
                ApiError::new(ErrorKind::InsufficientBalance)
                    .with_detail("balance", balance.to_string())
                    .with_detail("required", needed.to_string())
                    .with_detail("currency", self.organization.currency.as_str())
            }
            OperationError::Refused(Refused::OutOfRange) => {
                ApiError::internal("amount out of range")
            }
            OperationError::KeyTaken => in_progress(operation_id),
            OperationError::Failed { failure, removed } => {
                let mut error = ApiError::new(failure_kind(failure));
                if self.removes {
                    let removed: Vec<_> = removed.iter().map(ToString::to_string).collect();
                    error = error.with_detail("removed", removed);
                }
                match operation_id {
                    Some(id) => error.with_detail("operation_id", id.to_string()),
                    None => error,
                }
            }
            OperationError::NotAdmitted(error) => error.into(),
            OperationError::Overloaded => ApiError::unavailable(UNAVAILABLE_RETRY_S, "overloaded"),
            OperationError::Defect(why) => ApiError::internal(why),
            OperationError::Database(why) => ApiError::unavailable(UNAVAILABLE_RETRY_S, why),
            OperationError::Unsettled => {
                let error = ApiError::unavailable(UNAVAILABLE_RETRY_S, "not settled yet");
                match operation_id {
                    Some(id) => error
                        .with_message("The outcome is not settled yet; ask for the operation.")
                        .with_detail("operation_id", id.to_string()),
                    None => error,
                }
            }
        }
    }
}

fn in_progress(id: Option<OperationId>) -> ApiError {
    let kind = ErrorKind::OperationInProgress(RetryAfter(IN_PROGRESS_RETRY_S));
    with_operation(ApiError::new(kind), id)
}

fn with_operation(error: ApiError, id: Option<OperationId>) -> ApiError {
    match id {
        Some(id) => error.with_operation_id(id),
        None => error,
    }
}

/// The error of a failed operation.
pub fn failure_kind(failure: Failure) -> ErrorKind {
    match failure {
        Failure::ProvisioningError => ErrorKind::Provisioning,
        Failure::ProvisioningFailed => ErrorKind::ProvisioningFailed,
        Failure::ProviderError => ErrorKind::Provider,
        Failure::ProviderUnavailable => {
            ErrorKind::ProviderUnavailable(RetryAfter(UNAVAILABLE_RETRY_S))
        }
        Failure::ConfigError => ErrorKind::Config,
    }
}

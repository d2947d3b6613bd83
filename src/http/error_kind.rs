//! The closed list of ways a request can fail, as the partner sees it.
//!
//! Called by whoever refuses a request (through [`ApiError`](super::error::ApiError)).
//!
//! **Invariant:** `code`, `status` and `message` are exhaustive matches: a new kind does not
//! compile until it has all three. **Invariant:** no message names the mobile operator, a
//! table, a file or a library. What a header needs (`Retry-After`, `Allow`, the challenge) is
//! part of the kind, so that it cannot be forgotten.

use actix_web::http::StatusCode;

/// Why a request failed. One variant a code of the API contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// Missing or invalid bearer token.
    Unauthorized(Challenge),
    /// The wallet does not cover the charge.
    InsufficientBalance,
    /// The organization is suspended.
    OrgSuspended,
    /// No such path or resource, or it is another organization's.
    NotFound,
    /// The plan is unknown or not enabled for the organization.
    PlanNotFound,
    /// The request's body, query or headers are not acceptable; `details` says which field.
    Validation,
    /// A Link cannot go from its status to the wanted one.
    InvalidStatusChange,
    /// The resource is in a state in which the call makes no sense.
    InvalidState,
    /// The plan cannot be used for this call.
    InvalidPlan,
    /// The idempotency key was bound to another request.
    IdempotencyMismatch,
    /// An attempt under this idempotency key is still running.
    OperationInProgress(RetryAfter),
    /// The provider refuses our own credentials, or a needed setting is missing.
    Config,
    /// A defect on our side.
    Internal,
    /// The provider answered a charged call with an error.
    Provisioning,
    /// The provider gave a charged call no result, or none in time.
    ProvisioningFailed,
    /// The provider failed a call that is not charged.
    Provider,
    /// The provider is not taking calls at the moment.
    ProviderUnavailable(RetryAfter),
    /// Our own database is away, or there is no room.
    ServiceUnavailable(RetryAfter),
    /// The path exists, the method does not; carries the value of `Allow`.
    MethodNotAllowed(String),
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The body is over the limit.
    PayloadTooLarge,
    /// The body came with a `Transfer-Encoding`.
    LengthRequired,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The headers are over the limit.
    HeadersTooLarge,
    /// Too many requests.
    RateLimited(RetryAfter),
}

/// Whole seconds after which a repetition makes sense (RFC 9110 §10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub u32);

/// What a 401 says about the credentials (RFC 6750 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// No credentials were sent: the challenge carries no `error`.
    NoCredentials,
    /// The header is not one well-formed `Bearer` credential; the text is the description.
    InvalidRequest(&'static str),
    /// The token is not acceptable; the text is the description.
    InvalidToken(&'static str),
}

impl ErrorKind {
    /// One of each, for the documentation; what they carry is an example.
    pub fn each() -> Vec<Self> {
        let retry_after = RetryAfter(1);
        vec![
            Self::Unauthorized(Challenge::NoCredentials),
            Self::InsufficientBalance,
            Self::OrgSuspended,
            Self::NotFound,
            Self::PlanNotFound,
            Self::MethodNotAllowed("GET, HEAD".to_owned()),
            Self::RequestTimeout,
            Self::OperationInProgress(retry_after),
            Self::LengthRequired,
            Self::PayloadTooLarge,
            Self::UnsupportedMediaType,
            Self::Validation,
            Self::InvalidStatusChange,
            Self::InvalidState,
            Self::InvalidPlan,
            Self::IdempotencyMismatch,
            Self::RateLimited(retry_after),
            Self::HeadersTooLarge,
            Self::Config,
            Self::Internal,
            Self::Provisioning,
            Self::ProvisioningFailed,
            Self::Provider,
            Self::ProviderUnavailable(retry_after),
            Self::ServiceUnavailable(retry_after),
        ]
    }

    /// The code in `error.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "UNAUTHORIZED",
            Self::InsufficientBalance => "INSUFFICIENT_BALANCE",
            Self::OrgSuspended => "ORG_SUSPENDED",
            Self::NotFound => "NOT_FOUND",
            Self::PlanNotFound => "PLAN_NOT_FOUND",
            Self::Validation => "VALIDATION_ERROR",
            Self::InvalidStatusChange => "INVALID_STATUS_CHANGE",
            Self::InvalidState => "INVALID_STATE",
            Self::InvalidPlan => "INVALID_PLAN",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::OperationInProgress(_) => "OPERATION_IN_PROGRESS",
            Self::Config => "CONFIG_ERROR",
            Self::Internal => "INTERNAL_ERROR",
            Self::Provisioning => "PROVISIONING_ERROR",
            Self::ProvisioningFailed => "PROVISIONING_FAILED",
            Self::Provider => "PROVIDER_ERROR",
            Self::ProviderUnavailable(_) => "PROVIDER_UNAVAILABLE",
            Self::ServiceUnavailable(_) => "SERVICE_UNAVAILABLE",
            Self::MethodNotAllowed(_) => "METHOD_NOT_ALLOWED",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::LengthRequired => "LENGTH_REQUIRED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::HeadersTooLarge => "HEADERS_TOO_LARGE",
            Self::RateLimited(_) => "RATE_LIMITED",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::InsufficientBalance => StatusCode::PAYMENT_REQUIRED,
            Self::OrgSuspended => StatusCode::FORBIDDEN,
            Self::NotFound | Self::PlanNotFound => StatusCode::NOT_FOUND,
            Self::Validation
            | Self::InvalidStatusChange
            | Self::InvalidState
            | Self::InvalidPlan
            | Self::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Self::OperationInProgress(_) => StatusCode::CONFLICT,
            Self::Config | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Provisioning | Self::ProvisioningFailed | Self::Provider => {
                StatusCode::BAD_GATEWAY
            }
            Self::ProviderUnavailable(_) | Self::ServiceUnavailable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The sentence that is sent where the caller gives none of its own.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Unauthorized(Challenge::NoCredentials) => "A bearer token is required.",
            Self::Unauthorized(_) => "The bearer token is not valid.",
            Self::InsufficientBalance => "The wallet balance does not cover this charge.",
            Self::OrgSuspended => "The organization is suspended.",
            Self::NotFound => "The resource was not found.",
            Self::PlanNotFound => "The plan was not found or is not enabled.",
            Self::Validation => "The request is not valid.",
            Self::InvalidStatusChange => "The status cannot be changed in this way.",
            Self::InvalidState => "The resource is in a state that does not allow this.",
            Self::InvalidPlan => "The plan is not available for this operation.",
            Self::IdempotencyMismatch => {
                "The idempotency key was already used for a different request."
            }
            Self::OperationInProgress(_) => "An operation under this key is still running.",
            Self::Config => "The service is not configured for this operation.",
            Self::Internal => "An internal error occurred.",
            Self::Provisioning => "The provider answered with an error.",
            Self::ProvisioningFailed => "The provider returned no result.",
            Self::Provider => "The provider could not carry out the operation.",
            Self::ProviderUnavailable(_) => "The provider is not available at the moment.",
            Self::ServiceUnavailable(_) => "The service is not available at the moment.",
            Self::MethodNotAllowed(_) => "The method is not allowed for this resource.",
            Self::UnsupportedMediaType => "The body must be application/json in UTF-8.",
            Self::PayloadTooLarge => "The body is too large.",
            Self::LengthRequired => {
                "A Transfer-Encoding is not accepted: send the body with a Content-Length."
            }
            Self::RequestTimeout => "The body did not arrive in time.",
            Self::HeadersTooLarge => "The headers are too large.",
            Self::RateLimited(_) => "Too many requests.",
        }
    }

    /// Whether the connection cannot be used after this answer, because the rest of the
    /// request is still under way or its end cannot be trusted.
    pub fn closes_connection(&self) -> bool {
        matches!(
            self,
            Self::LengthRequired
                | Self::RequestTimeout
                | Self::PayloadTooLarge
                | Self::HeadersTooLarge
        )
    }
}

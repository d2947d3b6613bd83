//! Every way in which the operator says no, with its status and code.

use std::io;

use actix_web::http::StatusCode;

use super::{
    cards::{Card, Iccid},
    catalogue::Plan,
    ids::EndpointId,
};

/// An error answer. `code()` and `status()` are the protocol; `Display` is its `message`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the card {0} has an endpoint")]
    SimInUse(Iccid),
    #[error("no plan `{0}`")]
    NoPlan(String),
    #[error("no such endpoint")]
    NoEndpoint,
    #[error("no such plan instance, or it is removed")]
    NoInstance,
    #[error("no such card")]
    NoSim,
    #[error("no such message")]
    NoSms,
    #[error("no such sponsor")]
    NoSponsor,
    #[error("{0}")]
    NotAllowed(String),
    /// Like `NotAllowed`, about what stands now rather than about what was sent.
    #[error("{0}")]
    NotAllowedNow(String),
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    #[error("the body is longer than 64 KiB or was cut")]
    BodyTooLong,
    #[error("{0}")]
    Invalid(String),
    #[error("no bearer token, or one that is not valid any more")]
    Unauthorized,
    #[error("controls answer to this machine only")]
    NotLoopback,
    #[error("too many requests")]
    TooManyRequests { retry_after_s: u64 },
    #[error("no such call")]
    NoCall,
    /// `error_rate`.
    #[error("internal error")]
    Injected,
    #[error("the state file cannot be written: {0}")]
    StateFile(io::Error),
}

impl Refusal {
    /// A terminated endpoint is final.
    pub fn terminated(id: EndpointId) -> Self {
        Self::NotAllowedNow(format!("the endpoint {id} is terminated"))
    }

    /// A plan sells on its sponsor's cards only.
    pub fn other_sponsor(card: Card, plan: &Plan) -> Self {
        let (plan_id, sells_on, carries) = (&plan.id, plan.sponsor.id, card.sponsor.id);
        Self::NotAllowed(format!("`{plan_id}` sells on cards of {sells_on}, this is of {carries}"))
    }

    /// The `code` of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SimInUse(_) => "SIM_IN_USE",
            Self::NoPlan(_) => "NO_PLAN",
            Self::NoEndpoint => "NO_ENDPOINT",
            Self::NoInstance => "NO_INSTANCE",
            Self::NoSim => "NO_SIM",
            Self::NoSms => "NO_SMS",
            Self::NoSponsor => "NO_SPONSOR",
            Self::NotAllowed(_) | Self::NotAllowedNow(_) => "NOT_ALLOWED",
            Self::Malformed(_) | Self::BodyTooLong => "MALFORMED",
            Self::Invalid(_) => "INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::NotLoopback => "FORBIDDEN",
            Self::TooManyRequests { .. } => "TOO_MANY_REQUESTS",
            Self::NoCall => "NOT_FOUND",
            Self::Injected | Self::StateFile(_) => "INTERNAL",
        }
    }

    /// The HTTP status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::BodyTooLong => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotLoopback => StatusCode::FORBIDDEN,
            Self::NoEndpoint | Self::NoInstance | Self::NoSim | Self::NoSms | Self::NoCall => {
                StatusCode::NOT_FOUND
            }
            Self::SimInUse(_) | Self::NotAllowedNow(_) => StatusCode::CONFLICT,
            Self::NoPlan(_) | Self::NoSponsor | Self::NotAllowed(_) | Self::Invalid(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Injected | Self::StateFile(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

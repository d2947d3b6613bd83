//! The mobile operator behind the platform, as the core sees it.
//!
//! An implementation sends each call once and tells three ends apart: a definite no, a definite
//! yes, and *unknown*, where the call was sent and may have taken effect.

use crate::model::{Coverage, CoverageType, Currency};
use crate::model::{Money, ProfileState, SimKind, Sponsor, Timestamp, Volume};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// A session's bearer token.
#[derive(Clone)]
pub struct AccessToken {
    /// The token itself; never logged.
    pub secret: Arc<str>,
    /// For how long the operator says it is good.
    pub expires_in: Duration,
}

/// A definite no: nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The ICCID has an endpoint.
    SimInUse,
    /// No such plan.
    NoPlan,
    /// No such endpoint.
    NoEndpoint,
    /// No such plan instance.
    NoInstance,
    /// Not allowed for this endpoint or plan.
    NotAllowed,
    /// Another 4xx, with the operator's code for the log.
    Other(String),
}

/// Why the outcome of a call that was sent is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownCause {
    /// An error answer: 5xx, or an unknown code in a 200.
    ErrorAnswer(String),
    /// An answer without the result.
    Unreadable(String),
    /// No answer in time.
    TimedOut,
    /// The connection was cut.
    Cut,
}

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// A definite no: nothing was done, and sending it again is useless.
    Refused(Refusal),
    /// The token is not accepted: nothing was done; log in and send it again.
    Unauthorized,
    /// Too many calls: nothing was done; send it again later.
    Throttled(Option<Duration>),
    /// No connection could be made: nothing was sent.
    Unreachable,
    /// It was sent; whether it took effect has to be read back.
    Unknown(UnknownCause),
}

/// What a new endpoint needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEndpoint<'a> {
    /// The card.
    pub iccid: &'a str,
    /// The plan at the operator.
    pub operator_plan_id: &'a str,
    /// A name for it.
    pub name: &'a str,
    /// Our operation's id.
    pub reference: &'a str,
}

/// Whether an endpoint serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointStatus {
    /// Serving.
    Active,
    /// Switched off.
    Suspended,
    /// Gone for good.
    Terminated,
}

/// Where a plan instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// In force.
    Active,
    /// Its volume is used up.
    Depleted,
    /// Its time is over.
    Expired,
    /// Taken off.
    Removed,
}

/// A plan on an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanInstance {
    /// The operator's id of it.
    pub instance_id: String,
    /// The plan at the operator.
    pub operator_plan_id: String,
    /// The reference it was made with.
    pub reference: Option<String>,
    /// Whether it can be used.
    pub state: InstanceState,
    /// Its volume.
    pub data_total: Volume,
    /// What was used of it.
    pub data_used: Volume,
    /// When it was first used.
    pub first_used_at: Option<Timestamp>,
    /// When it was activated.
    pub activated_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A card that the operator serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The operator's id of it.
    pub endpoint_id: String,
    /// The card.
    pub iccid: String,
    /// Its number (E.164).
    pub msisdn: Option<String>,
    /// Whether it serves.
    pub status: EndpointStatus,
    /// The reference it was made with.
    pub reference: Option<String>,
    /// The plans on it, in the operator's order.
    pub plans: Vec<PlanInstance>,
}

/// Whether a plan instance had to be taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Taken off now.
    Removed,
    /// Was not there any more.
    AlreadyGone,
}

/// A card that can be given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimCard {
    /// Its ICCID.
    pub iccid: String,
    /// What kind it is.
    pub kind: SimKind,
    /// The sponsor profile it belongs to.
    pub sponsor_id: String,
    /// SM-DP+ address of an eSIM.
    pub smdp_address: Option<String>,
    /// Matching id of an eSIM.
    pub matching_id: Option<String>,
}

/// A plan as the operator sells it.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogueItem {
    /// Its id at the operator.
    pub operator_plan_id: String,
    /// Its name.
    pub name: String,
    /// Data volume.
    pub data: Volume,
    /// Days from activation to expiry.
    pub validity_days: i32,
    /// What the operator charges us.
    pub wholesale_price: Money,
    /// In which currency.
    pub currency: Currency,
    /// The cards it runs on.
    pub sponsor: Sponsor,
    /// How wide its coverage is.
    pub coverage_type: CoverageType,
    /// Region code; none for global.
    pub region: Option<String>,
    /// Where it works.
    pub coverage: Coverage,
}

/// One page of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct CataloguePage {
    /// The plans.
    pub items: Vec<CatalogueItem>,
    /// How many there are in all.
    pub total: u64,
}

/// Whether a card is on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ConnectivityState {
    /// In a data session.
    Online,
    /// Registered on a network.
    Attached,
    /// Not registered.
    Offline,
    /// The operator said something else.
    Unknown,
}

/// The network a card is on, by its codes: the operator's words for it are not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// Mobile country code.
    pub mcc: String,
    /// Mobile network code.
    pub mnc: String,
    /// Network type, such as `4G`.
    pub technology: Option<String>,
}

/// Where a card is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connectivity {
    /// Whether it is on a network.
    pub state: ConnectivityState,
    /// Which one.
    pub network: Option<NetworkInfo>,
    /// Its address.
    pub ip_address: Option<String>,
    /// The device's IMEI.
    pub imei: Option<String>,
    /// When it was last seen.
    pub last_seen_at: Option<Timestamp>,
}

/// How far the operator has come with an SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsState {
    /// Taken, and not known to have arrived.
    Accepted,
    /// It has reached the card.
    Delivered,
    /// It cannot be delivered any more.
    Failed,
}

/// An SMS as the operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsReport {
    /// The operator's id of it.
    pub sms_id: String,
    /// How far it is.
    pub state: SmsState,
}

/// The operator protocol. `timeout` bounds the whole call; past it the end is unknown.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// Opens a session. [`CallError::Refused`] and [`CallError::Unauthorized`] mean that our
    /// credentials are not accepted.
    async fn login(&self, timeout: Duration) -> Result<AccessToken, CallError>;
    /// A page of the catalogue, from 1.
    async fn catalogue(
        &self,
        token: &AccessToken,
        page: u32,
        per_page: u32,
        timeout: Duration,
    ) -> Result<CataloguePage, CallError>;
    /// Free cards of a sponsor in ascending order, past `after`. Reserves nothing.
    async fn list_sims(
        &self,
        token: &AccessToken,
        sponsor_id: &str,
        kind: SimKind,
        limit: u32,
        after: Option<&str>,
        timeout: Duration,
    ) -> Result<Vec<SimCard>, CallError>;
    /// An eSIM's profile state.
    async fn profile_state(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<ProfileState, CallError>;
    /// Creates and activates an endpoint with its first plan.
    async fn create_endpoint(
        &self,
        token: &AccessToken,
        new: NewEndpoint<'_>,
        timeout: Duration,
    ) -> Result<Endpoint, CallError>;
    /// Reads an endpoint; none where the operator knows no such id.
    async fn endpoint(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Option<Endpoint>, CallError>;
    /// The endpoints that a card has or had.
    async fn endpoints_of_sim(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<Vec<Endpoint>, CallError>;
    /// Adds a plan. Sent twice, it adds two.
    async fn add_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        operator_plan_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<PlanInstance, CallError>;
    /// Takes a plan off.
    async fn remove_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        instance_id: &str,
        timeout: Duration,
    ) -> Result<Removal, CallError>;
    /// Suspends, reactivates or terminates an endpoint.
    async fn set_status(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        status: EndpointStatus,
        timeout: Duration,
    ) -> Result<(), CallError>;
    /// Where the card is now.
    async fn connectivity(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Connectivity, CallError>;
    /// Hands an SMS over. Sent twice, it arrives twice.
    async fn send_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        text: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<SmsReport, CallError>;
    /// The SMS to an endpoint under a reference; none where the operator knows none, or no such
    /// endpoint.
    async fn find_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError>;
    /// How far an SMS is; none where the operator knows no such id.
    async fn sms(
        &self,
        token: &AccessToken,
        sms_id: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError>;
    /// Whether the operator answers.
    async fn ping(&self, token: &AccessToken, timeout: Duration) -> Result<(), CallError>;
}

//! The protocol's JSON, read into the core's values.
//!
//! Called by `calls.rs`. Unknown fields are ignored, and so is an optional one that cannot be
//! read. Words that the protocol may grow:
//! - a plan instance in a state unknown here counts as active: only the three states named for it
//!   end one, and an undo must still find it;
//! - an endpoint in a status unknown here makes the answer unreadable: to call it active, suspended
//!   or gone would be a guess about money, and reading it again later costs nothing;
//! - an unknown profile or connectivity state is `unknown`, a value of its own.
//!
//! A text that partners are shown has the shape of its field or counts as absent
//! (`shown_text.rs`); a card whose activation code cannot be one is not sold.
//!
//! A 404 may come from something before the operator: a proxy, or an address that is not its own.
//! It is the operator's where it has the protocol's body, `{"code", "message"}` with a code, and
//! any code will do: then it is a no, and of a read that nothing is there. Any other 404 leaves the
//! outcome unknown: an endpoint that is taken for absent is never undone, and reading it again
//! later costs nothing. The one exception is a `DELETE`, whose 404 the protocol gives without a
//! body: that one counts as gone already, unless its content type is HTML.

use super::answer::unreadable;
use super::json_fields::{days, lenient, price, time};
use super::shown_text::{self, imei, ip_address, is_mcc, is_mnc, msisdn, technology};
use crate::reference::Region;
use bappy_actors::model::{
    Coverage, CoverageType, Currency, Money, ProfileState, SimKind, Sponsor, Timestamp, Volume,
};
use bappy_actors::ports::{
    CallError, CatalogueItem, CataloguePage, Connectivity, ConnectivityState, Endpoint,
    EndpointStatus, InstanceState, NetworkInfo, PlanInstance, SimCard, SmsReport, SmsState,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct LoginBody<'a> {
    pub username: &'a str,
    pub password: &'a str,
}

#[derive(Serialize)]
pub(super) struct NewEndpointBody<'a> {
    pub iccid: &'a str,
    pub plan_id: &'a str,
    pub name: &'a str,
    pub reference: &'a str,
}

#[derive(Serialize)]
pub(super) struct NewPlanBody<'a> {
    pub plan_id: &'a str,
    pub reference: &'a str,
}

#[derive(Serialize)]
pub(super) struct NewSmsBody<'a> {
    pub text: &'a str,
    pub reference: &'a str,
}

#[derive(Serialize)]
pub(super) struct StatusBody {
    pub status: &'static str,
}

#[derive(Deserialize)]
pub(super) struct Login {
    pub access_token: String,
    #[serde(default, deserialize_with = "lenient")]
    pub expires_in: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Items<T> {
    pub items: Vec<T>,
    #[serde(default, deserialize_with = "lenient")]
    pub total: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct CatalogueRow {
    plan_id: String,
    name: String,
    data_mb: Volume,
    #[serde(deserialize_with = "days")]
    validity_days: i32,
    #[serde(deserialize_with = "price")]
    wholesale_price: Money,
    currency: Currency,
    sponsor: SponsorRow,
    coverage_type: CoverageType,
    #[serde(default, deserialize_with = "lenient")]
    region: Option<String>,
    #[serde(default)]
    coverage: Coverage,
}

#[derive(Deserialize)]
struct SponsorRow {
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    color: Option<String>,
}

impl From<Items<CatalogueRow>> for CataloguePage {
    fn from(page: Items<CatalogueRow>) -> Self {
        let total = page.total.unwrap_or(page.items.len() as u64);
        Self { items: page.items.into_iter().map(Into::into).collect(), total }
    }
}

impl From<CatalogueRow> for CatalogueItem {
    fn from(row: CatalogueRow) -> Self {
        let SponsorRow { id, name, color } = row.sponsor;
        Self {
            operator_plan_id: row.plan_id,
            name: row.name,
            data: row.data_mb,
            validity_days: row.validity_days,
            wholesale_price: row.wholesale_price,
            currency: row.currency,
            sponsor: Sponsor {
                name: name.unwrap_or_else(|| id.clone()),
                color: color.unwrap_or_default(),
                id,
            },
            coverage_type: row.coverage_type,
            region: row.region.filter(|told| {
                row.coverage_type != CoverageType::Global
                    && Region::ALL.iter().any(|region| region.code() == told)
            }),
            coverage: row.coverage,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct SimRow {
    iccid: String,
    #[serde(default, deserialize_with = "lenient")]
    kind: Option<SimKind>,
    #[serde(default, deserialize_with = "lenient")]
    sponsor: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    smdp_address: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    matching_id: Option<String>,
}

impl SimRow {
    /// The card, of the kind and sponsor that were asked for where it does not say otherwise.
    /// What is wrong is said for the log, which holds no whole ICCID.
    pub(super) fn card(self, sponsor_id: &str, kind: SimKind) -> Result<SimCard, String> {
        let digits = self.iccid.bytes().all(|b| b.is_ascii_digit());
        if !digits || !(19..=20).contains(&self.iccid.len()) {
            let beginning: String = self.iccid.chars().take(6).collect();
            let length = self.iccid.chars().count();
            return Err(format!("{:?}, {length} characters, is not an ICCID", beginning + "…"));
        }
        if !self.smdp_address.as_deref().is_none_or(shown_text::is_smdp_address) {
            return Err("its SM-DP+ address is not a host name".to_owned());
        }
        if !self.matching_id.as_deref().is_none_or(shown_text::is_matching_id) {
            return Err("its matching id is not letters, digits and hyphens".to_owned());
        }
        Ok(SimCard {
            iccid: self.iccid,
            kind: self.kind.unwrap_or(kind),
            sponsor_id: self.sponsor.unwrap_or_else(|| sponsor_id.to_owned()),
            smdp_address: self.smdp_address,
            matching_id: self.matching_id,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct SimProfile {
    #[serde(default, deserialize_with = "lenient")]
    pub profile_state: Option<ProfileState>,
}

#[derive(Deserialize)]
pub(super) struct EndpointRow {
    endpoint_id: String,
    iccid: String,
    #[serde(default, deserialize_with = "msisdn")]
    msisdn: Option<String>,
    status: String,
    #[serde(default, deserialize_with = "lenient")]
    reference: Option<String>,
    #[serde(default)]
    plans: Vec<InstanceRow>,
}

impl TryFrom<EndpointRow> for Endpoint {
    type Error = CallError;

    fn try_from(row: EndpointRow) -> Result<Self, CallError> {
        if row.endpoint_id.is_empty() {
            return Err(unreadable("the endpoint has no id"));
        }
        Ok(Self {
            endpoint_id: row.endpoint_id,
            iccid: row.iccid,
            msisdn: row.msisdn,
            status: endpoint_status(&row.status)
                .ok_or_else(|| unreadable(&format!("unknown endpoint status `{}`", row.status)))?,
            reference: row.reference,
            plans: row.plans.into_iter().map(Into::into).collect(),
        })
    }
}

/// `{"items": […]}` or one endpoint: both stand for a read-back by ICCID.
#[derive(Deserialize)]
pub(super) struct Found {
    items: Option<Vec<EndpointRow>>,
}

impl Found {
    pub(super) fn endpoints(
        self,
        bare: impl FnOnce() -> Result<EndpointRow, CallError>,
    ) -> Result<Vec<Endpoint>, CallError> {
        let rows = match self.items {
            Some(rows) => rows,
            None => vec![bare()?],
        };
        rows.into_iter().map(TryInto::try_into).collect()
    }
}

#[derive(Deserialize)]
pub(super) struct InstanceRow {
    instance_id: String,
    #[serde(default, deserialize_with = "lenient")]
    plan_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    reference: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    data_total_mb: Option<Volume>,
    #[serde(default, deserialize_with = "lenient")]
    data_used_mb: Option<Volume>,
    #[serde(default, deserialize_with = "time")]
    first_used_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    activated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    expires_at: Option<Timestamp>,
}

impl From<InstanceRow> for PlanInstance {
    fn from(row: InstanceRow) -> Self {
        let state = match row.state.unwrap_or_default().to_ascii_lowercase().as_str() {
            "depleted" => InstanceState::Depleted,
            "expired" => InstanceState::Expired,
            "removed" => InstanceState::Removed,
            _ => InstanceState::Active,
        };
        Self {
            instance_id: row.instance_id,
            operator_plan_id: row.plan_id.unwrap_or_default(),
            reference: row.reference,
            state,
            data_total: row.data_total_mb.unwrap_or_default(),
            data_used: row.data_used_mb.unwrap_or_default(),
            first_used_at: row.first_used_at,
            activated_at: row.activated_at,
            expires_at: row.expires_at,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct SmsRow {
    sms_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub reference: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    state: Option<String>,
}

impl TryFrom<SmsRow> for SmsReport {
    type Error = CallError;

    fn try_from(row: SmsRow) -> Result<Self, CallError> {
        if row.sms_id.is_empty() {
            return Err(unreadable("an SMS without its id"));
        }
        // In a state unknown here it is under way: it is there, and nothing says that it is over.
        let state = match row.state.unwrap_or_default().to_ascii_lowercase().as_str() {
            "delivered" => SmsState::Delivered,
            "failed" => SmsState::Failed,
            _ => SmsState::Accepted,
        };
        Ok(Self { sms_id: row.sms_id, state })
    }
}

/// What a change of status answers; the field may be absent.
#[derive(Deserialize)]
pub(super) struct StatusAnswer {
    #[serde(default, deserialize_with = "lenient")]
    pub status: Option<String>,
}

pub(super) fn endpoint_status(word: &str) -> Option<EndpointStatus> {
    match word.to_ascii_lowercase().as_str() {
        "active" => Some(EndpointStatus::Active),
        "suspended" => Some(EndpointStatus::Suspended),
        "terminated" => Some(EndpointStatus::Terminated),
        _ => None,
    }
}

pub(super) fn status_word(status: EndpointStatus) -> &'static str {
    match status {
        EndpointStatus::Active => "active",
        EndpointStatus::Suspended => "suspended",
        EndpointStatus::Terminated => "terminated",
    }
}

pub(super) fn kind_word(kind: SimKind) -> &'static str {
    match kind {
        SimKind::Esim => "esim",
        SimKind::Physical => "physical",
    }
}

#[derive(Deserialize)]
pub(super) struct ConnectivityRow {
    state: String,
    #[serde(default, deserialize_with = "lenient")]
    network: Option<NetworkRow>,
    #[serde(default, deserialize_with = "ip_address")]
    ip_address: Option<String>,
    #[serde(default, deserialize_with = "imei")]
    imei: Option<String>,
    #[serde(default, deserialize_with = "time")]
    last_seen_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct NetworkRow {
    mcc: String,
    mnc: String,
    #[serde(default, deserialize_with = "technology")]
    technology: Option<String>,
}

impl From<ConnectivityRow> for Connectivity {
    fn from(row: ConnectivityRow) -> Self {
        let state = match row.state.to_ascii_lowercase().as_str() {
            "online" => ConnectivityState::Online,
            "attached" => ConnectivityState::Attached,
            "offline" => ConnectivityState::Offline,
            _ => ConnectivityState::Unknown,
        };
        let known = |network: &NetworkRow| is_mcc(&network.mcc) && is_mnc(&network.mnc);
        let network = row.network.filter(known).map(|network| NetworkInfo {
            mcc: network.mcc,
            mnc: network.mnc,
            technology: network.technology,
        });
        Self {
            state,
            network,
            ip_address: row.ip_address,
            imei: row.imei,
            last_seen_at: row.last_seen_at,
        }
    }
}

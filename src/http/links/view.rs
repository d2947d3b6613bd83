//! Links and activations as partners see them. The operator's ids never leave.

use crate::http::plans::view::CoverageView;
use crate::http::show;
use crate::reference::{ANDROID_LINK, APPLE_LINK};
use bappy_actors::link::Usage;
use bappy_actors::model::{
    Activation, ActivationId, ActivationStatus, Currency, EsimProfile, Link, LinkId, LinkSnapshot,
    LinkStatus, Money, PlanId, ProfileState, SimKind, Sponsor, Timestamp, Volume,
};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A Link in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkSummary {
    id: LinkId,
    /// Your name for it.
    #[schema(example = "Ada's phone")]
    name: Option<String>,
    /// The number of the card; it identifies the Link as well as `id` does.
    #[schema(pattern = "^[0-9]{19,20}$", example = "8988247000000000019")]
    iccid: String,
    /// The telephone number (E.164), where it is known.
    #[schema(example = "+447700900123")]
    msisdn: Option<String>,
    #[serde(rename = "type")]
    kind: SimKind,
    status: LinkStatus,
    sponsor_profile: Sponsor,
    /// Used so far, of all activations in force, in MB.
    data_used_mb: Volume,
    /// Left to use, of all activations in force, in MB.
    data_remaining_mb: Volume,
    #[serde(serialize_with = "show::at")]
    created_at: Timestamp,
    #[serde(serialize_with = "show::at")]
    updated_at: Timestamp,
}

impl From<Link> for LinkSummary {
    fn from(link: Link) -> Self {
        Self {
            id: link.id,
            name: link.name,
            iccid: link.iccid,
            msisdn: link.msisdn,
            kind: link.kind,
            status: link.status,
            sponsor_profile: link.sponsor,
            data_used_mb: link.data_used,
            data_remaining_mb: link.data_total.minus(link.data_used),
            created_at: link.created_at,
            updated_at: link.updated_at,
        }
    }
}

/// A Link: one card, eSIM or physical, with the plans on it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub struct LinkView {
    #[serde(flatten)]
    summary: LinkSummary,
    /// The activation code of an eSIM, `LPA:1$<SM-DP+ address>$<matching id>`; null for a
    /// physical SIM.
    #[schema(example = "LPA:1$smdp.example.com$K2-1A2B3C-4D5E6F")]
    lpa_profile: Option<String>,
    /// Opens the installation on an iPhone: the same as `apple_activation_url`.
    #[schema(format = "uri")]
    activation_url: Option<String>,
    /// Opens the installation on an iPhone (iOS 17.4 or newer).
    #[schema(format = "uri")]
    apple_activation_url: Option<String>,
    /// Opens the installation on an Android phone.
    #[schema(format = "uri")]
    android_activation_url: Option<String>,
    /// Path of the QR code; it needs the token.
    #[schema(format = "uri-reference")]
    qr_code_url: Option<String>,
    /// What the eSIM's profile is doing; null for a physical SIM.
    esim_profile: Option<EsimProfileView>,
    /// Newest first: all that are in force and the newest 100 others.
    activations: Vec<ActivationView>,
    /// What the activations in force cover together.
    coverage: CoverageView,
    /// Of all activations in force.
    usage: UsageView,
}

/// A new Link, with what it cost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedLink)]
pub struct CreatedLinkView {
    #[serde(flatten)]
    link: LinkView,
    /// What your wallet was charged.
    amount_charged: Money,
    currency: Currency,
}

/// What an eSIM's profile is doing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EsimProfile)]
struct EsimProfileView {
    state: ProfileState,
    /// When that was read from the provider; null where it never was.
    #[serde(serialize_with = "show::at_or_null")]
    updated_at: Option<Timestamp>,
}

/// How much data was used, in MB.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
struct UsageView {
    data_total_mb: Volume,
    data_used_mb: Volume,
    data_remaining_mb: Volume,
    /// When the figures were read from the provider; null where they never were.
    #[serde(serialize_with = "show::at_or_null")]
    updated_at: Option<Timestamp>,
    /// Whether they are fresh; false where the provider could not be reached and these are the
    /// last known ones.
    live: bool,
}

/// A plan on a Link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activation)]
pub struct ActivationView {
    id: ActivationId,
    plan_id: PlanId,
    #[schema(example = "France 1 GB, 7 days")]
    plan_name: String,
    status: ActivationStatus,
    #[serde(serialize_with = "show::at")]
    activation_date: Timestamp,
    /// Null until data is used for the first time.
    #[serde(serialize_with = "show::at_or_null")]
    first_used_at: Option<Timestamp>,
    /// Null where no end is known.
    #[serde(serialize_with = "show::at_or_null")]
    expiry_date: Option<Timestamp>,
    data_total_mb: Volume,
    data_used_mb: Volume,
    data_remaining_mb: Volume,
    /// ISO 3166-1 alpha-2 codes.
    #[schema(example = json!(["FR"]))]
    coverage_countries: Vec<String>,
    /// What your wallet was charged for it.
    amount_charged: Money,
    currency: Currency,
}

impl From<Activation> for ActivationView {
    fn from(activation: Activation) -> Self {
        Self {
            id: activation.id,
            plan_id: activation.plan_id,
            plan_name: activation.plan_name,
            status: activation.status,
            activation_date: activation.activated_at,
            first_used_at: activation.first_used_at,
            expiry_date: activation.expires_at,
            data_total_mb: activation.data_total,
            data_used_mb: activation.data_used,
            data_remaining_mb: activation.data_total.minus(activation.data_used),
            coverage_countries: activation.countries,
            amount_charged: activation.amount,
            currency: activation.currency,
        }
    }
}

/// A Link's snapshot with what the operator last said of it, as that is stored and as it stands at
/// `now`.
pub fn refreshed(
    mut snapshot: LinkSnapshot,
    usage: Option<&Usage>,
    now: Timestamp,
) -> LinkSnapshot {
    snapshot.usage_live = usage.is_some();
    // What another instance has read since is stored, and stands.
    let newest = usage.filter(|usage| snapshot.link.usage_at.is_none_or(|last| last <= usage.at));
    for activation in &mut snapshot.activations {
        let made = newest.and_then(|usage| usage.of_activation(activation));
        if let Some((status, used, first_used_at)) = made {
            activation.status = status;
            activation.data_used = used;
            activation.first_used_at = first_used_at;
        }
    }
    snapshot.age(now);
    if let Some(usage) = newest {
        snapshot.link.usage_at = Some(usage.at);
        snapshot.link.profile = usage.profile.clone().or(snapshot.link.profile);
        if usage.terminated && snapshot.link.status != LinkStatus::Inactive {
            snapshot.link.status = LinkStatus::Inactive;
            snapshot.link.updated_at = usage.at;
        }
    }
    snapshot
}

/// The plans of which an activation is in force.
pub fn plans_in_force(snapshot: &LinkSnapshot) -> BTreeSet<PlanId> {
    snapshot.in_force().map(|a| a.plan_id).collect()
}

impl LinkView {
    /// The Link as the snapshot has it. `base` is what stands before `/links` in our addresses.
    pub fn new(snapshot: LinkSnapshot, base: &str) -> Self {
        let LinkSnapshot { link, activations, countries, operators_total, usage_live } = snapshot;
        let lpa = lpa_profile(&link);
        // RFC 3986: everything but the unreserved characters is encoded.
        let code = lpa.as_deref().map(percent_encode);
        let universal_link = |begin: &str| code.as_ref().map(|code| format!("{begin}{code}"));
        let apple = universal_link(APPLE_LINK);
        let is_esim = link.kind == SimKind::Esim;
        Self {
            activation_url: apple.clone(),
            apple_activation_url: apple,
            android_activation_url: universal_link(ANDROID_LINK),
            qr_code_url: lpa.is_some().then(|| format!("{base}/links/{}/qr-code", link.id)),
            lpa_profile: lpa,
            esim_profile: is_esim.then(|| profile(link.profile.as_ref())),
            activations: activations.into_iter().map(Into::into).collect(),
            coverage: CoverageView::new(countries, operators_total),
            usage: UsageView {
                data_total_mb: link.data_total,
                data_used_mb: link.data_used,
                data_remaining_mb: link.data_total.minus(link.data_used),
                updated_at: link.usage_at,
                live: usage_live,
            },
            summary: link.into(),
        }
    }
}

impl CreatedLinkView {
    /// A new Link with what it cost.
    pub fn new(snapshot: LinkSnapshot, amount: Money, currency: Currency, base: &str) -> Self {
        Self { link: LinkView::new(snapshot, base), amount_charged: amount, currency }
    }
}

fn profile(profile: Option<&EsimProfile>) -> EsimProfileView {
    EsimProfileView {
        state: profile.map_or(ProfileState::Unknown, |profile| profile.state),
        updated_at: profile.and_then(|profile| profile.updated_at),
    }
}

/// The activation code of an eSIM (SGP.22 §4.1): `LPA:1$<SM-DP+ address>$<matching id>`.
pub fn lpa_profile(link: &Link) -> Option<String> {
    let (address, matching_id) = (link.smdp_address.as_ref()?, link.matching_id.as_ref()?);
    (link.kind == SimKind::Esim).then(|| format!("LPA:1${address}${matching_id}"))
}

fn percent_encode(text: &str) -> String {
    // A query component that form-encoding would write with `+` for a space has none here.
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activation_code_is_percent_encoded_in_the_universal_links() {
        assert_eq!(
            percent_encode("LPA:1$smdp.example.com$AB-12"),
            "LPA%3A1%24smdp.example.com%24AB-12"
        );
    }
}

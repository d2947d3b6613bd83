//! `GET /organization`: who the token speaks for.

use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::show;
use crate::http::tenant::AnyTenant;
use bappy_actors::model::{Currency, Money, OrgId, OrgStatus, Timestamp};
use serde::Serialize;

/// An organization.
#[derive(Debug, Serialize)]
pub struct OrganizationView {
    id: OrgId,
    name: String,
    slug: String,
    status: OrgStatus,
    currency: Currency,
    pricing: Pricing,
    #[serde(serialize_with = "show::at")]
    created_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct Pricing {
    price_per_sms: Money,
    price_per_link: Money,
}

pub(super) async fn get(
    AnyTenant(organization): AnyTenant,
) -> Result<Success<OrganizationView>, ApiError> {
    Ok(Success::new(OrganizationView {
        id: organization.id,
        name: organization.name.clone(),
        slug: organization.slug.clone(),
        status: organization.status,
        currency: organization.currency,
        pricing: Pricing {
            price_per_sms: organization.price_per_sms,
            price_per_link: organization.price_per_link,
        },
        created_at: organization.created_at,
    }))
}

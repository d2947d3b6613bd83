//! `GET /organization`: who the token speaks for.

use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::show;
use crate::http::tenant::AnyTenant;
use bappy_actors::model::{Currency, Money, OrgId, OrgStatus, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// An organization: who the token speaks for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
pub struct OrganizationView {
    id: OrgId,
    #[schema(example = "Acme Travel")]
    name: String,
    #[schema(example = "acme")]
    slug: String,
    status: OrgStatus,
    /// The currency of the wallet.
    currency: Currency,
    pricing: Pricing,
    #[serde(serialize_with = "show::at")]
    created_at: Timestamp,
}

/// What is charged beside plans.
#[derive(Debug, Serialize, ToSchema)]
struct Pricing {
    /// For each SMS.
    price_per_sms: Money,
    /// For each Link and calendar month.
    price_per_link: Money,
}

/// Read your organization
///
/// Answered to a suspended organization too.
#[utoipa::path(
    get,
    path = "/organization",
    operation_id = "getOrganization",
    tag = "Organization",
    responses(
        (status = 200, description = "The organization.", body = OrganizationView),
    ),
)]
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

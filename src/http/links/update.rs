//! `PUT /links/{identifier}`: a Link's status and name.

use super::create::{told_success, validate_name};
use super::link_id;
use super::view::LinkView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::idempotency_key::{OptionalKey, RequestDigest};
use crate::http::identifier::Identifier;
use crate::http::json::StrictJson;
use crate::http::keyed_call::KeyedCall;
use crate::http::request_id::RequestContext;
use crate::http::tenant::Tenant;
use actix_web::{HttpRequest, web};
use bappy_actors::model::{Answer, LinkStatus, NameChange};
use bappy_actors::operation::UpdateLink;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

/// What is to change: at least one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkChanges {
    /// `active` or `suspended`.
    #[schema(nullable = false)]
    status: Option<LinkStatus>,
    /// Your name for it. Absent: the name stays. Null: the Link has none any more.
    #[serde(default, deserialize_with = "name_change")]
    #[schema(value_type = Option<String>, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    name: NameChange,
}

/// A field that is there, with null standing for no name.
fn name_change<'de, D: Deserializer<'de>>(input: D) -> Result<NameChange, D::Error> {
    Ok(match Option::deserialize(input)? {
        Some(name) => NameChange::Set(name),
        None => NameChange::Clear,
    })
}

impl Validate for LinkChanges {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.status.is_none() && self.name == NameChange::Keep {
            errors.add("body", "body must have at least one of status and name.");
        }
        if let NameChange::Set(name) = &self.name {
            validate_name(Some(name), errors);
        }
    }
}

/// Change a Link
///
/// Suspends it, reactivates it, or renames it. A change of status is carried out at the provider
/// before it is answered. Reactivating a Link that was suspended for a fee charges the fee that is
/// due.
#[utoipa::path(
    put,
    path = "/links/{identifier}",
    operation_id = "updateLink",
    tag = "Links",
    params(Identifier, OptionalKey),
    request_body = LinkChanges,
    responses(
        (status = 200, description = "The Link as it is now.", body = LinkView),
        (status = 402, description = "INSUFFICIENT_BALANCE"),
        (status = 404, description = "NOT_FOUND"),
        (status = 422, description = "INVALID_STATUS_CHANGE"),
        (status = 500, description = "CONFIG_ERROR"),
        (status = 502, description = "PROVIDER_ERROR PROVISIONING_ERROR PROVISIONING_FAILED"),
        (status = 503, description = "PROVIDER_UNAVAILABLE"),
    ),
)]
pub(super) async fn update(
    Tenant(organization): Tenant,
    identifier: Identifier,
    api: web::Data<Api>,
    request: HttpRequest,
    context: RequestContext,
    OptionalKey(key): OptionalKey,
    body: StrictJson<LinkChanges>,
) -> Result<Success<LinkView>, ApiError> {
    let digest = RequestDigest::of(&request, &body.json);
    let LinkChanges { status, name } = body.value;
    let call = KeyedCall::new(&api, &context, &organization, key, digest);
    let link = link_id(&api, organization.id, identifier).await?;
    let update = UpdateLink { link, status, name };
    let told = call.run(async |caller| api.operations.update_link(caller, update).await).await?;
    let Answer::LinkUpdated { snapshot } = told.answer else {
        return Err(ApiError::internal("an update that answers something else"));
    };
    let view = LinkView::new(*snapshot, &api.base());
    Ok(told_success(Success::new(view), told.operation_id, told.replayed))
}

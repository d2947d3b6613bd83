//! `POST /links`: a new Link with its first plan.

use super::view::CreatedLinkView;
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
use bappy_actors::model::{Answer, PlanId};
use bappy_actors::operation::CreateLink;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The contract's bound of a Link's name.
pub(super) const NAME_CHARACTERS_MAX: usize = 100;

/// A Link to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// The plan that it starts with.
    plan_id: Uuid,
    /// Your name for it.
    #[schema(max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    name: Option<String>,
    /// A physical SIM of your stock; absent: a new eSIM.
    #[schema(pattern = "^[0-9]{19,20}$")]
    iccid: Option<String>,
}

impl Validate for NewLink {
    fn validate(&self, errors: &mut FieldErrors) {
        validate_name(self.name.as_deref(), errors);
        if let Some(iccid) = &self.iccid
            && !matches!(Identifier::parse(iccid), Some(Identifier::Iccid(_)))
        {
            errors.add("iccid", "iccid must be 19 or 20 digits.");
        }
    }
}

pub(super) fn validate_name(name: Option<&str>, errors: &mut FieldErrors) {
    let Some(name) = name else { return };
    if name.chars().count() > NAME_CHARACTERS_MAX {
        errors.add("name", format!("name must be at most {NAME_CHARACTERS_MAX} characters."));
    }
    // PostgreSQL keeps no NUL in text, and no name needs control characters.
    if name.chars().any(char::is_control) {
        errors.add("name", "name must not contain control characters.");
    }
}

/// Create a Link
///
/// Takes a card, activates the plan on it and charges your wallet. The answer is final: 201 means
/// charged and activated; an error means that nothing was charged, or that it was given back.
#[utoipa::path(
    post,
    path = "/links",
    operation_id = "createLink",
    tag = "Links",
    params(OptionalKey),
    request_body = NewLink,
    responses(
        (status = 201, description = "The new Link, with what it cost.", body = CreatedLinkView),
        (status = 402, description = "INSUFFICIENT_BALANCE"),
        (status = 404, description = "PLAN_NOT_FOUND NOT_FOUND"),
        (status = 422, description = "INVALID_STATE INVALID_PLAN"),
        (status = 500, description = "CONFIG_ERROR"),
        (status = 502, description = "PROVISIONING_ERROR PROVISIONING_FAILED"),
        (status = 503, description = "PROVIDER_UNAVAILABLE"),
    ),
)]
pub(super) async fn create(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    request: HttpRequest,
    context: RequestContext,
    OptionalKey(key): OptionalKey,
    body: StrictJson<NewLink>,
) -> Result<Success<CreatedLinkView>, ApiError> {
    let digest = RequestDigest::of(&request, &body.json);
    let NewLink { plan_id, name, iccid } = body.value;
    let create = CreateLink { plan: PlanId(plan_id), name, iccid };
    let call = KeyedCall::new(&api, &context, &organization, key, digest);
    let told = call.run(async |caller| api.operations.create_link(caller, create).await).await?;
    let Answer::LinkCreated { snapshot, amount, currency } = told.answer else {
        return Err(ApiError::internal("a creation that answers something else"));
    };
    let view = CreatedLinkView::new(*snapshot, amount, currency, &api.base());
    Ok(told_success(Success::created(view), told.operation_id, told.replayed))
}

pub(in crate::http) fn told_success<T: serde::Serialize>(
    success: Success<T>,
    operation_id: Option<bappy_actors::model::OperationId>,
    replayed: bool,
) -> Success<T> {
    let success = success.replayed(replayed);
    match operation_id {
        Some(id) => success.operation_id(id),
        None => success,
    }
}

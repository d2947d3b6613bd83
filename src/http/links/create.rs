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
use uuid::Uuid;

/// The contract's bound of a Link's name.
pub(super) const NAME_CHARACTERS_MAX: usize = 100;

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    plan_id: Uuid,
    name: Option<String>,
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

pub(super) fn told_success<T: serde::Serialize>(
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

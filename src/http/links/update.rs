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

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkChanges {
    status: Option<LinkStatus>,
    /// Absent: the name stays. Null: the Link has none any more.
    #[serde(default, deserialize_with = "name_change")]
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

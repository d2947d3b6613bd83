//! `PUT /links/{identifier}/plans`: plans added to a Link, or taken off it.

use super::create::told_success;
use super::link_id;
use super::view::ActivationView;
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
use bappy_actors::model::{ActivationId, Answer, Currency, LinkId, Money, PlanId};
use bappy_actors::operation::{AddPlans, RemovePlans};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use utoipa::ToSchema;
use uuid::Uuid;

/// The contract's bound of plans in one call.
const ITEMS_MAX: usize = 10;

/// Plans to add, or activations to remove: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePlans {
    /// Ids of plans, as often as they are wanted. All or none are added.
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    add: Option<Vec<Uuid>>,
    /// Ids of activations of this Link, each once. They are removed in this order.
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    remove: Option<Vec<Uuid>>,
}

impl Validate for ChangePlans {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.add.is_some() == self.remove.is_some() {
            let sentence = "body must have exactly one of add and remove.";
            errors.add("body", sentence);
        }
        for (field, items) in [("add", &self.add), ("remove", &self.remove)] {
            let count = items.as_ref().map_or(1, Vec::len);
            if !(1..=ITEMS_MAX).contains(&count) {
                errors.add(field, format!("{field} must have from 1 to {ITEMS_MAX} items."));
            }
        }
        if let Some(remove) = &self.remove
            && remove.iter().collect::<HashSet<_>>().len() < remove.len()
        {
            errors.add("remove", "remove must name each activation only once.");
        }
    }
}

/// What was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlansChanged {
    link_id: LinkId,
    #[schema(pattern = "^[0-9]{19,20}$", example = "8988247000000000019")]
    iccid: String,
    added: Vec<ActivationView>,
    removed: Vec<ActivationView>,
    /// What your wallet was charged.
    amount_charged: Money,
    currency: Currency,
}

/// Top up a Link, or remove plans from it
///
/// With `add`, plans are added and your wallet is charged for all of them: either all are added,
/// or none is and nothing is charged. With `remove`, activations are cancelled; nothing is given
/// back for them.
#[utoipa::path(
    put,
    path = "/links/{identifier}/plans",
    operation_id = "topUpLink",
    tag = "Links",
    params(Identifier, OptionalKey),
    request_body = ChangePlans,
    responses(
        (status = 200, description = "What was added or removed.", body = PlansChanged),
        (status = 402, description = "INSUFFICIENT_BALANCE"),
        (status = 404, description = "NOT_FOUND PLAN_NOT_FOUND"),
        (status = 422, description = "INVALID_STATE INVALID_PLAN"),
        (status = 500, description = "CONFIG_ERROR"),
        (status = 502, description = "PROVISIONING_ERROR PROVISIONING_FAILED PROVIDER_ERROR"),
        (status = 503, description = "PROVIDER_UNAVAILABLE"),
    ),
)]
pub(super) async fn change_plans(
    Tenant(organization): Tenant,
    identifier: Identifier,
    api: web::Data<Api>,
    request: HttpRequest,
    context: RequestContext,
    OptionalKey(key): OptionalKey,
    body: StrictJson<ChangePlans>,
) -> Result<Success<PlansChanged>, ApiError> {
    let digest = RequestDigest::of(&request, &body.json);
    let ChangePlans { add, remove } = body.value;
    let call = KeyedCall::new(&api, &context, &organization, key, digest);
    let call = call.removing(remove.is_some());
    let link = link_id(&api, organization.id, identifier).await?;
    let told = call
        .run(async |caller| match (add, remove) {
            (Some(add), _) => {
                let plans = add.into_iter().map(PlanId).collect();
                api.operations.add_plans(caller, AddPlans { link, plans }).await
            }
            (None, remove) => {
                let activations =
                    remove.unwrap_or_default().into_iter().map(ActivationId).collect();
                api.operations.remove_plans(caller, RemovePlans { link, activations }).await
            }
        })
        .await?;
    let Answer::PlansChanged { link_id, iccid, added, removed, amount, currency } = told.answer
    else {
        return Err(ApiError::internal("a change of plans that answers something else"));
    };
    let view = PlansChanged {
        link_id,
        iccid,
        added: added.into_iter().map(Into::into).collect(),
        removed: removed.into_iter().map(Into::into).collect(),
        amount_charged: amount,
        currency,
    };
    Ok(told_success(Success::new(view), told.operation_id, told.replayed))
}

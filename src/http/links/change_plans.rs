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
use uuid::Uuid;

/// The contract's bound of plans in one call.
const ITEMS_MAX: usize = 10;

/// The body: exactly one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePlans {
    add: Option<Vec<Uuid>>,
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
#[derive(Debug, Serialize)]
pub struct PlansChanged {
    link_id: LinkId,
    iccid: String,
    added: Vec<ActivationView>,
    removed: Vec<ActivationView>,
    amount_charged: Money,
    currency: Currency,
}

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

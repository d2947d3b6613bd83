//! `POST /sms`: charges a message to a Link and queues it.

use super::view::SmsView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::idempotency_key::{OptionalKey, RequestDigest};
use crate::http::identifier::Identifier;
use crate::http::json::StrictJson;
use crate::http::keyed_call::KeyedCall;
use crate::http::links::{link_id, told_success};
use crate::http::rate_limit::SmsSends;
use crate::http::request_id::RequestContext;
use crate::http::tenant::Tenant;
use actix_web::{HttpRequest, web};
use bappy_actors::model::{Answer, SmsText};
use bappy_actors::operation::SendSms;
use serde::Deserialize;
use utoipa::ToSchema;

/// The contract's bound, in Unicode scalar values.
const MESSAGE_CHARACTERS_MAX: usize = 80;

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSms {
    /// The Link's id or the ICCID of its card.
    link_id: String,
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
    )]
    message: String,
}

impl Validate for NewSms {
    fn validate(&self, errors: &mut FieldErrors) {
        if !(1..=MESSAGE_CHARACTERS_MAX).contains(&self.message.chars().count()) {
            let bounds = format!("message must be from 1 to {MESSAGE_CHARACTERS_MAX} characters.");
            errors.add("message", bounds);
        }
        // A message may have lines. PostgreSQL keeps no NUL in text, and no telephone shows the
        // other control characters.
        if self.message.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            errors.add("message", "message must not contain control characters.");
        }
    }
}

/// Send an SMS
///
/// Charges your wallet and queues the message. Where it finally cannot be delivered to the
/// network, its status becomes `failed` and the charge is given back.
#[utoipa::path(
    post,
    path = "/sms",
    operation_id = "sendSms",
    tag = "SMS",
    params(OptionalKey),
    request_body = NewSms,
    responses(
        (status = 202, description = "The message, queued.", body = SmsView),
        (status = 402, description = "INSUFFICIENT_BALANCE"),
        (status = 404, description = "NOT_FOUND"),
        (status = 422, description = "INVALID_STATE"),
        (status = 500, description = "CONFIG_ERROR"),
        (status = 503, description = "PROVIDER_UNAVAILABLE"),
    ),
)]
pub(super) async fn create(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    request: HttpRequest,
    context: RequestContext,
    OptionalKey(key): OptionalKey,
    sends: SmsSends,
    body: StrictJson<NewSms>,
) -> Result<Success<SmsView>, ApiError> {
    let digest = RequestDigest::of(&request, &body.json);
    let NewSms { link_id: named, message } = body.value;
    let call = KeyedCall::new(&api, &context, &organization, key, digest);
    let identifier = Identifier::parse(&named).ok_or_else(ApiError::not_found)?;
    let link = link_id(&api, organization.id, identifier).await?;
    sends.take()?;
    let send = SendSms { link, message: SmsText::new(message), price: organization.price_per_sms };
    let told = call.run(async |caller| api.operations.send_sms(caller, send).await).await?;
    let Answer::SmsQueued { sms, currency } = told.answer else {
        return Err(ApiError::internal("an SMS that answers something else"));
    };
    let view = SmsView::queued(*sms, currency);
    Ok(told_success(Success::accepted(view), told.operation_id, told.replayed))
}

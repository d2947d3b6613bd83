//! The `{identifier}` of a Link in a path: its UUID or its ICCID.
//!
//! Handlers of Link endpoints take [`Identifier`] as an extractor; `POST /sms` parses its
//! `link_id` with [`Identifier::parse`].
//!
//! **Invariant:** the Luhn digit of an ICCID (ITU-T E.118) is not checked: real cards in the
//! field fail it. **Invariant:** what is neither is `NOT_FOUND`, like an unknown Link.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};
use uuid::Uuid;

use super::error::ApiError;

/// How a path names a Link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// By the Link's id.
    Id(Uuid),
    /// By the card: 19 or 20 digits.
    Iccid(String),
}

impl Identifier {
    /// `None` for what is neither. A UUID has its hyphens; its case does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        match text.len() {
            19 | 20 if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Self::Iccid(text.to_owned()))
            }
            36 => Uuid::try_parse(text).ok().map(Self::Id),
            _ => None,
        }
    }
}

/// A UUID, or 19 to 20 digits.
const PATTERN: &str = "^([0-9]{19,20}|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$";

impl IntoParams for Identifier {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        let parameter = ParameterBuilder::new()
            .name("identifier")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The Link's id or the ICCID of its card."))
            .schema(Some(schema.examples(["8988247000000000019"])));
        vec![parameter.build()]
    }
}

impl FromRequest for Identifier {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("identifier");
        ready(text.and_then(Self::parse).ok_or_else(ApiError::not_found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_or_an_iccid_is_an_identifier_and_nothing_else_is() {
        let id = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(Identifier::parse(id), Uuid::parse_str(id).ok().map(Identifier::Id));
        for iccid in ["8901010000000000001", "89010100000000000019"] {
            assert_eq!(Identifier::parse(iccid), Some(Identifier::Iccid(iccid.to_owned())));
        }
        for other in [
            "",
            "890101000000000000",
            "890101000000000000123",
            "89010100000000000a1",
            "８９01010000000",
            "550e8400e29b41d4a716446655440000",
            "{550e8400-e29b-41d4-a716-44665544000}",
        ] {
            assert_eq!(Identifier::parse(other), None, "{other}");
        }
    }
}

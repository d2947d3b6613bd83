//! JSON schemas of the values that write themselves, for the API's `OpenAPI` document.
//!
//! The other values derive theirs. Compiled with the feature `openapi` alone: the core itself
//! needs none of it.
//!
//! **Invariant:** each says what the value's `Serialize` writes.

use super::{Currency, Money, Volume};
use std::borrow::Cow;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^-?(0|[1-9][0-9]{0,12})\.[0-9]{2,6}$"))
            .examples(["4.50"])
            .into()
    }
}

impl ToSchema for Money {
    fn name() -> Cow<'static, str> {
        "Money".into()
    }
}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Z]{3}$"))
            .examples(["USD"])
            .into()
    }
}

impl ToSchema for Currency {
    fn name() -> Cow<'static, str> {
        "Currency".into()
    }
}

impl PartialSchema for Volume {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).examples([1000]).into()
    }
}

impl ToSchema for Volume {
    fn name() -> Cow<'static, str> {
        "Volume".into()
    }
}

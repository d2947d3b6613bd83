//! `GET /info/instructions`: how an eSIM is installed, in six languages.
//!
//! **Invariant:** a language that is asked for by name is one of ours, or an error; one that a
//! browser would like is ours if there is one, or English.

use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::Validate;
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::reference::{Instructions, Language, instructions as guide};
use actix_web::HttpRequest;
use actix_web::http::header::{self, AcceptLanguage, Header, HeaderValue};
use serde::Deserialize;

/// The parameters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Absent: the first of our languages that `Accept-Language` names, else English.
    lang: Option<Language>,
}

impl Validate for Parameters {}

/// Read how an eSIM is installed
///
/// Guides for the people who install it, in six languages.
#[utoipa::path(
    get,
    path = "/info/instructions",
    operation_id = "getInstructions",
    tag = "Info",
    params(Parameters),
    responses(
        (status = 200, description = "The guides.", body = Instructions),
    ),
)]
pub(super) async fn instructions(
    Tenant(_): Tenant,
    request: HttpRequest,
    StrictQuery(parameters): StrictQuery<Parameters>,
) -> Result<Success<&'static Instructions>, ApiError> {
    let language = parameters.lang.or_else(|| preferred(&request)).unwrap_or_default();
    let success = Success::new(guide(language));
    let content_language = HeaderValue::from_static(language.code());
    Ok(success
        .header(header::CONTENT_LANGUAGE, content_language)
        .header(header::VARY, HeaderValue::from_static("Accept-Language")))
}

/// The first of our languages in the order of the client's wishes; a header that cannot be read
/// wishes nothing.
fn preferred(request: &HttpRequest) -> Option<Language> {
    let wished = AcceptLanguage::parse(request).ok()?;
    let mut wished: Vec<_> =
        wished.0.into_iter().filter(|wish| wish.quality > header::Quality::ZERO).collect();
    // Stable: among equals the first named is first.
    wished.sort_by_key(|wish| std::cmp::Reverse(wish.quality));
    wished.into_iter().find_map(|wish| {
        let header::Preference::Specific(tag) = wish.item else { return Some(Language::default()) };
        Language::of_code(tag.primary_language())
    })
}

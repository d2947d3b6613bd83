//! `GET /links/{identifier}/qr-code`: an eSIM's activation code as a QR image.

use super::link_id;
use super::qr_image::QrImage;
use super::view::lpa_profile;
use crate::http::api::Api;
use crate::http::error::ApiError;
use crate::http::error_kind::ErrorKind;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::identifier::Identifier;
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::Deserialize;

/// Pixels of a side where none are asked for: sharp on a phone, large enough to scan off a screen.
const SIZE_DEFAULT: u32 = 512;
/// The smallest side: an activation code of the 255 characters that SGP.22 allows has 69 modules
/// with its margin, and cameras want a pixel for each at the very least.
const SIZE_MIN: u32 = 128;
/// The largest: enough for print, and some 20 kB of PNG.
const SIZE_MAX: u32 = 2048;

/// The formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Svg,
    Png,
}

/// The parameters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    #[param(value_type = Option<String>, pattern = "^(svg|png)$", default = "svg")]
    format: Option<Format>,
    /// Pixels of a side.
    #[param(minimum = 128, maximum = 2048, default = 512)]
    size: Option<u32>,
}

impl Validate for Parameters {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.size.is_some_and(|size| !(SIZE_MIN..=SIZE_MAX).contains(&size)) {
            errors.add("size", format!("size must be from {SIZE_MIN} to {SIZE_MAX} pixels."));
        }
    }
}

/// Draw a Link's QR code
///
/// The activation code of an eSIM, to be scanned by the phone that takes it.
#[utoipa::path(
    get,
    path = "/links/{identifier}/qr-code",
    operation_id = "getQrCode",
    tag = "Links",
    params(Identifier, Parameters),
    responses(
        (
            status = 200,
            description = "The image.",
            content((String = "image/svg+xml"), (Vec<u8> = "image/png")),
        ),
        (status = 404, description = "NOT_FOUND"),
        (status = 422, description = "INVALID_STATE"),
    ),
)]
pub(super) async fn qr_code(
    Tenant(organization): Tenant,
    identifier: Identifier,
    api: web::Data<Api>,
    StrictQuery(parameters): StrictQuery<Parameters>,
) -> Result<HttpResponse, ApiError> {
    let id = link_id(&api, organization.id, identifier).await?;
    let link = api.store.link(organization.id, id).await?.ok_or_else(ApiError::not_found)?;
    let lpa = lpa_profile(&link).ok_or_else(|| {
        ApiError::new(ErrorKind::InvalidState)
            .with_message("The Link is a physical SIM: it has no activation code.")
    })?;
    let image = QrImage::of(&lpa).map_err(ApiError::internal)?;
    let size = parameters.size.unwrap_or(SIZE_DEFAULT);
    let (content_type, body) = match parameters.format.unwrap_or_default() {
        Format::Svg => ("image/svg+xml", image.svg(size).into_bytes()),
        Format::Png => ("image/png", image.png(size).map_err(ApiError::internal)?),
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
    // Who has the code can take the eSIM: no cache that others share may hold it.
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private")));
    Ok(response.body(body))
}

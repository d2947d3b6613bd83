//! `GET /api/catalogue`: a page of plans.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Input;
use crate::sandbox::operator::{catalogue::catalogue, input, refusal::Refusal, reply::Reply};

const PER_PAGE_DEFAULT: usize = 50;
/// A global plan is some 50 KB: two hundred plans stay a few megabytes.
const PER_PAGE_MAX: usize = 200;

#[derive(Deserialize)]
struct Paging {
    page: Option<usize>,
    per_page: Option<usize>,
}

#[derive(Serialize)]
struct Page<'a> {
    items: &'a [Box<RawValue>],
    total: usize,
}

pub(super) fn page(input: &Input<'_>) -> Result<Reply, Refusal> {
    let paging: Paging = input::query(input.query)?;
    let page = paging.page.unwrap_or(1);
    let per_page = paging.per_page.unwrap_or(PER_PAGE_DEFAULT);
    if page == 0 {
        return Err(Refusal::Invalid("page: pages count from 1".to_owned()));
    }
    if !(1..=PER_PAGE_MAX).contains(&per_page) {
        return Err(Refusal::Invalid(format!("per_page: not within 1 and {PER_PAGE_MAX}")));
    }
    let catalogue = catalogue();
    let page = Page { items: catalogue.page(page, per_page), total: catalogue.len() };
    Ok(Reply::json(StatusCode::OK, &page))
}

//! Pages of a list: what is asked for, and the list envelope.
//!
//! List handlers take a [`PageRequest`], read the part of the list in its
//! [`window`](PageRequest::window), and return a [`Page`] of it.
//!
//! **Invariant:** `next_cursor` is null exactly where the rows are known to end.
//! **Invariant:** no page number is an error; one past the end, however far, is empty.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::cursor::Cursor;
use super::error::ApiError;
use super::field_errors::{FieldErrors, Validate};
use super::query;
use crate::store::page::{Part, Place, Window};

/// The contract's.
const PER_PAGE_DEFAULT: u32 = 20;
/// The contract's: a page stays one small read.
const PER_PAGE_MAX: u32 = 100;
/// The largest offset that a database takes; also what larger page numbers are cut to.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// The page asked for: by number, or by cursor, which wins where both are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    page: u64,
    per_page: u32,
    cursor: Option<Cursor>,
}

impl PageRequest {
    /// The part of a list to read; `parse` reads a cursor's key, which came from outside.
    pub fn window<K>(&self, parse: impl FnOnce(&str) -> Option<K>) -> Result<Window<K>, ApiError> {
        let place = match &self.cursor {
            Some(cursor) => Place::After(parse(&cursor.key).ok_or_else(Cursor::malformed)?),
            None => Place::Page(self.page),
        };
        Ok(Window { place, size: self.per_page })
    }

    /// Rows shown on a page.
    pub fn per_page(&self) -> u32 {
        self.per_page
    }

    /// Rows before this page; `None` where that is past every list.
    fn offset(&self) -> Option<u64> {
        match &self.cursor {
            Some(cursor) => Some(cursor.offset),
            None => (self.page - 1)
                .checked_mul(u64::from(self.per_page))
                .filter(|offset| *offset <= OFFSET_MAX),
        }
    }

    fn current_page(&self) -> u64 {
        match &self.cursor {
            Some(cursor) => cursor.offset / u64::from(self.per_page) + 1,
            None => self.page,
        }
    }
}

/// The parameters as they are sent.
#[derive(Deserialize, IntoParams)]
struct Parameters {
    /// The page, from 1. One past the end is empty.
    #[param(schema_with = page_number)]
    page: Option<PageNumber>,
    /// Rows on a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    per_page: Option<u32>,
    /// `meta.next_cursor` of the page before: walks the list with no row twice and none skipped,
    /// however it grows meanwhile. Wins over `page`.
    cursor: Option<String>,
}

impl Validate for Parameters {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.page.as_ref().is_some_and(|page| page.0 == 0) {
            errors.add("page", "page must be at least 1.");
        }
        if self.per_page.is_some_and(|rows| !(1..=PER_PAGE_MAX).contains(&rows)) {
            errors.add("per_page", format!("per_page must be from 1 to {PER_PAGE_MAX}."));
        }
    }
}

/// A whole number without an upper bound.
fn page_number() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).default(Some(1.into())).build()
}

/// Digits. More of them than fit are a page past the end like any other.
struct PageNumber(u64);

impl<'de> Deserialize<'de> for PageNumber {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(serde::de::Error::custom("must be a whole number"));
        }
        Ok(Self(text.parse().map_or(OFFSET_MAX, |page: u64| page.min(OFFSET_MAX))))
    }
}

impl PageRequest {
    /// Reads `page`, `per_page` and `cursor` from a query.
    fn from_query(text: &str) -> Result<Self, ApiError> {
        let parameters: Parameters = query::parse(text).map_err(FieldErrors::into_error)?;
        let cursor = match parameters.cursor {
            Some(text) => Some(Cursor::decode(&text).ok_or_else(Cursor::malformed)?),
            None => None,
        };
        Ok(Self {
            page: parameters.page.map_or(1, |page| page.0),
            per_page: parameters.per_page.unwrap_or(PER_PAGE_DEFAULT),
            cursor,
        })
    }
}

impl IntoParams for PageRequest {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Parameters::into_params(|| Some(ParameterIn::Query))
    }
}

impl FromRequest for PageRequest {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::from_query(request.query_string()))
    }
}

/// One page of a list, as `data` holds it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    data: Vec<T>,
    meta: PageMeta,
}

/// Where a page is in its list.
#[derive(Debug, Serialize, ToSchema)]
struct PageMeta {
    current_page: u64,
    last_page: u64,
    per_page: u32,
    /// Rows in the whole list.
    total: u64,
    /// Number of the first row on this page, from 1; null where there is none.
    from: Option<u64>,
    /// Number of the last row on this page; null where there is none.
    to: Option<u64>,
    /// Give it back as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The page that a part of a list makes; `key` writes the key of its last row.
    pub fn of<K>(request: &PageRequest, part: Part<T, K>, key: impl FnOnce(&K) -> String) -> Self {
        let Part { rows, total, next } = part;
        let per_page = u64::from(request.per_page);
        let before = request.offset().unwrap_or(OFFSET_MAX);
        let seen = before.saturating_add(rows.len() as u64);
        // A total that was counted a moment before the rows must not fall behind them.
        let total = u64::try_from(total).unwrap_or(0);
        let total = if rows.is_empty() { total } else { total.max(seen) };
        let next_cursor = next.map(|next| Cursor { key: key(&next), offset: seen }.encode());
        let meta = PageMeta {
            current_page: request.current_page(),
            last_page: total.div_ceil(per_page).max(1),
            per_page: request.per_page,
            total,
            from: (!rows.is_empty()).then_some(before.saturating_add(1)),
            to: (!rows.is_empty()).then_some(seen),
            next_cursor,
        };
        Self { data: rows, meta }
    }

    /// The same page with each row turned into what is shown.
    pub fn map<U>(self, show: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(show).collect(), meta: self.meta }
    }
}

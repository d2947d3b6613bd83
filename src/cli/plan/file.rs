//! Reads plans from CSV and JSON. The fields are those of the operator's catalogue.

use super::item::{BadField, Draft};
use crate::cli::rows::{self, BadRow, CsvRow};
use bappy_actors::model::{Coverage, CoverageCountry};
use bappy_actors::ports::CatalogueItem;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The columns; the first nine are required.
const COLUMNS: [&str; 12] = [
    "plan_id",
    "name",
    "data_mb",
    "validity_days",
    "wholesale_price",
    "currency",
    "sponsor_id",
    "coverage_type",
    "coverage",
    "sponsor_name",
    "sponsor_color",
    "region",
];
const REQUIRED: usize = 9;

/// The plans of a CSV text, or the sentence that names a bad row.
pub(super) fn csv(text: &str) -> Result<Vec<CatalogueItem>, String> {
    let mut seen = Seen::default();
    rows::csv(text, &COLUMNS, REQUIRED, |row| {
        let draft = from_row(row).map_err(|bad| at(row.line, bad))?;
        seen.check(row.line, draft)
    })
}

fn from_row(row: &CsvRow<'_>) -> Result<Draft, BadField> {
    let cell = |column: &str| row.cell(column).to_owned();
    Ok(Draft {
        plan_id: cell("plan_id"),
        name: cell("name"),
        data_mb: cell("data_mb"),
        validity_days: cell("validity_days"),
        wholesale_price: cell("wholesale_price"),
        currency: cell("currency"),
        sponsor_id: cell("sponsor_id"),
        sponsor_name: cell("sponsor_name"),
        sponsor_color: cell("sponsor_color"),
        coverage_type: cell("coverage_type"),
        region: cell("region"),
        coverage: coverage(row.cell("coverage"))?,
    })
}

/// Countries with spaces between them, or JSON.
fn coverage(cell: &str) -> Result<Coverage, BadField> {
    if cell.starts_with('[') {
        return serde_json::from_str(cell).map_err(|error| ("coverage", error.to_string()));
    }
    let country = |code: &str| CoverageCountry { country: code.to_owned(), networks: Vec::new() };
    Ok(Coverage(cell.split_ascii_whitespace().map(country).collect()))
}

/// A plan in JSON.
#[derive(Deserialize)]
struct Item {
    #[serde(deserialize_with = "scalar")]
    plan_id: String,
    name: String,
    #[serde(deserialize_with = "scalar")]
    data_mb: String,
    #[serde(deserialize_with = "scalar")]
    validity_days: String,
    #[serde(deserialize_with = "scalar")]
    wholesale_price: String,
    currency: String,
    sponsor: SponsorItem,
    coverage_type: String,
    #[serde(default)]
    region: Option<String>,
    coverage: Coverage,
}

#[derive(Deserialize)]
struct SponsorItem {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    color: Option<String>,
}

/// As the operator pages its catalogue.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// The plans of a JSON text, or the sentence that names a bad one.
pub(super) fn json(text: &str) -> Result<Vec<CatalogueItem>, String> {
    let mut seen = Seen::default();
    let mut items = Vec::new();
    for raw in raw_items(text)? {
        let line = line_of(text, raw);
        let mut json = serde_json::Deserializer::from_str(raw.get());
        let item: Result<Item, _> = serde_path_to_error::deserialize(&mut json);
        let item = item.map_err(|error| {
            let path = error.path().to_string();
            let (inner, field) = (error.inner(), path.trim_start_matches('.'));
            let line = line + (inner.line() as u64).saturating_sub(1);
            bad_json(line, field, &inner.to_string()).to_string()
        })?;
        items.push(seen.check(line, item.into()).map_err(|bad| bad.to_string())?);
    }
    Ok(items)
}

fn raw_items(text: &str) -> Result<Vec<&RawValue>, String> {
    let read = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(text)
    } else {
        serde_json::from_str::<Page<'_>>(text).map(|page| page.items)
    };
    read.map_err(|error| format!("it is not a list of plans in JSON: {error}"))
}

/// The line that a value begins on, from 1.
fn line_of(text: &str, raw: &RawValue) -> u64 {
    let offset = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.split(|byte| *byte == b'\n').skip(1).count() as u64
}

/// serde names a field that is missing in its sentence only, and a place that is not the file's.
fn bad_json(line: u64, path: &str, sentence: &str) -> BadRow {
    let why = sentence.split(" at line ").next().unwrap_or(sentence);
    let missing = why.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let field = match (path, missing) {
        ("", Some(missing)) => missing.to_owned(),
        (path, Some(missing)) => format!("{path}.{missing}"),
        (path, None) => path.to_owned(),
    };
    let why = if missing.is_some() { "it is missing" } else { why };
    BadRow { line, field, why: why.to_owned() }
}

/// A text or a number, as text.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("`{other}` is not a text or a number"))),
    }
}

impl From<Item> for Draft {
    fn from(item: Item) -> Self {
        Self {
            plan_id: item.plan_id,
            name: item.name,
            data_mb: item.data_mb,
            validity_days: item.validity_days,
            wholesale_price: item.wholesale_price,
            currency: item.currency,
            sponsor_id: item.sponsor.id,
            sponsor_name: item.sponsor.name.unwrap_or_default(),
            sponsor_color: item.sponsor.color.unwrap_or_default(),
            coverage_type: item.coverage_type,
            region: item.region.unwrap_or_default(),
            coverage: item.coverage,
        }
    }
}

/// The plans read so far, by the line they are on.
#[derive(Default)]
struct Seen(HashMap<String, u64>);

impl Seen {
    fn check(&mut self, line: u64, draft: Draft) -> Result<CatalogueItem, BadRow> {
        let item = draft.check().map_err(|bad| at(line, bad))?;
        match self.0.insert(item.operator_plan_id.clone(), line) {
            Some(first) => Err(at(line, ("plan_id", format!("also on line {first}")))),
            None => Ok(item),
        }
    }
}

fn at(line: u64, (field, why): BadField) -> BadRow {
    BadRow { line, field: field.to_owned(), why }
}

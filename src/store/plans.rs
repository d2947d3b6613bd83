//! Plans of the catalogue.

use super::{DbError, Text, Tx, text};
use bappy_actors::model::{Coverage, CoverageType, Money, Plan, PlanId, Sponsor, Volume};
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    operator_plan_id: String,
    name: String,
    data_kb: i64,
    validity_days: i32,
    coverage_type: String,
    region: Option<String>,
    coverage: String,
    countries: String,
    operators_total: i64,
    sponsor_id: String,
    sponsor_name: String,
    sponsor_color: String,
}

impl TryFrom<Row> for Plan {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: PlanId(row.id),
            operator_plan_id: row.operator_plan_id,
            name: row.name,
            price: Money::ZERO,
            data: Volume::from_kb(row.data_kb),
            validity_days: row.validity_days,
            coverage_type: CoverageType::from_word(&row.coverage_type)?,
            region: row.region,
            sponsor: Sponsor {
                id: row.sponsor_id,
                name: row.sponsor_name,
                color: row.sponsor_color,
            },
            coverage: text::from_json::<Coverage>("coverage", &row.coverage)?,
            countries: text::codes_from_text(&row.countries),
            operators_total: row.operators_total,
        })
    }
}

/// A plan, whether offered or not, at the price of no organization (zero).
pub async fn plan(tx: &mut Tx, id: PlanId) -> Result<Option<Plan>, DbError> {
    let row = opt!(
        tx,
        Row,
        "SELECT p.id, p.operator_plan_id, p.name, p.data_kb, p.validity_days, p.coverage_type,
             p.region, p.coverage, p.countries, p.operators_total, p.sponsor_id,
             s.name AS sponsor_name, s.color AS sponsor_color
         FROM plans p JOIN sponsors s ON s.id = p.sponsor_id
         WHERE p.id = $1",
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// Where a plan works.
pub async fn coverage(tx: &mut Tx, id: PlanId) -> Result<Option<Coverage>, DbError> {
    let row = opt!(tx, (String,), "SELECT coverage FROM plans WHERE id = $1", id.0)?;
    row.map(|(coverage,)| text::from_json("coverage", &coverage)).transpose()
}

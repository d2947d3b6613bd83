//! Plans of the catalogue: their rows, which `catalogue` reads too, and one by its id.

use super::{DbError, Text, Tx, text};
use bappy_actors::model::{Coverage, CoverageType, Money, Plan, PlanId, Sponsor, Volume};
use uuid::Uuid;

/// Columns of [`Row`] but for the price, for tables `plans p` and `sponsors s`. Coverage is left
/// out: a page of worldwide plans would be megabytes of networks.
macro_rules! plan_columns {
    () => {
        "p.id, p.operator_plan_id, p.name, p.data_kb, p.validity_days, p.coverage_type, p.region,
         p.countries, p.operators_total, p.sponsor_id, s.name AS sponsor_name,
         s.color AS sponsor_color"
    };
}
pub(super) use plan_columns;

/// A plan at some price, without its coverage's networks.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    operator_plan_id: String,
    name: String,
    price: i64,
    data_kb: i64,
    validity_days: i32,
    coverage_type: String,
    region: Option<String>,
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
            price: Money::from_micros(row.price),
            data: Volume::from_kb(row.data_kb),
            validity_days: row.validity_days,
            coverage_type: CoverageType::from_word(&row.coverage_type)?,
            region: row.region,
            sponsor: Sponsor {
                id: row.sponsor_id,
                name: row.sponsor_name,
                color: row.sponsor_color,
            },
            coverage: Coverage::default(),
            countries: text::codes_from_text(&row.countries),
            operators_total: row.operators_total,
        })
    }
}

/// A plan at some price, with its coverage's networks.
#[derive(sqlx::FromRow)]
pub(super) struct WithCoverage {
    #[sqlx(flatten)]
    plan: Row,
    coverage: String,
}

impl TryFrom<WithCoverage> for Plan {
    type Error = DbError;

    fn try_from(row: WithCoverage) -> Result<Self, DbError> {
        let coverage = text::from_json("coverage", &row.coverage)?;
        Ok(Self { coverage, ..row.plan.try_into()? })
    }
}

/// A plan, whether offered or not, at the price of no organization (zero).
pub async fn plan(tx: &mut Tx, id: PlanId) -> Result<Option<Plan>, DbError> {
    let row = opt!(
        tx,
        WithCoverage,
        concat!(
            "SELECT ",
            plan_columns!(),
            ", CAST(0 AS BIGINT) AS price, p.coverage
             FROM plans p JOIN sponsors s ON s.id = p.sponsor_id WHERE p.id = $1"
        ),
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// Where a plan works.
pub async fn coverage(tx: &mut Tx, id: PlanId) -> Result<Option<Coverage>, DbError> {
    let row = opt!(tx, (String,), "SELECT coverage FROM plans WHERE id = $1", id.0)?;
    row.map(|(coverage,)| text::from_json("coverage", &coverage)).transpose()
}

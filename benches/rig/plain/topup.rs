//! The handler itself.

use super::{CALL_TIMEOUT, Plain};
use actix_web::web;
use bappy::http::envelope::Success;
use bappy::http::error::ApiError;
use bappy::http::error_kind::ErrorKind;
use bappy::http::tenant::Tenant;
use bappy_actors::model::{Money, OrgId, Timestamp};
use bappy_actors::ports::{Ids, PlanInstance};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Body {
    add: [Uuid; 1],
}

#[derive(Serialize)]
pub struct Changed {
    link_id: Uuid,
    iccid: String,
    added: [Activation; 1],
    removed: [(); 0],
    amount_charged: Money,
    currency: String,
}

#[derive(Serialize)]
struct Activation {
    id: Uuid,
    plan_id: Uuid,
    plan_name: String,
    status: &'static str,
    #[serde(rename = "activation_date")]
    at: Timestamp,
    expiry_date: Option<Timestamp>,
    data_total_mb: i64,
    data_used_mb: i64,
    data_remaining_mb: i64,
    coverage_countries: Vec<String>,
    amount_charged: Money,
    currency: String,
}

#[derive(sqlx::FromRow)]
struct Link {
    iccid: String,
    status: String,
    sponsor_id: String,
    endpoint_id: String,
}

#[derive(sqlx::FromRow)]
struct Offer {
    operator_plan_id: String,
    name: String,
    data_kb: i64,
    sponsor_id: String,
    countries: String,
    price: i64,
}

struct Debit {
    operation: Uuid,
    activation: Uuid,
    link: Uuid,
    plan: Uuid,
    at: Timestamp,
}

pub async fn topup(
    Tenant(organization): Tenant,
    id: web::Path<Uuid>,
    body: web::Json<Body>,
    plain: web::Data<Plain>,
) -> Result<Success<Changed>, ApiError> {
    let (org, id) = (organization.id, id.into_inner());
    let Body { add: [plan_id] } = body.into_inner();
    let link = sqlx::query_as::<_, Link>(
        "SELECT iccid, status, sponsor_id, endpoint_id FROM links WHERE org_id = $1 AND id = $2",
    )
    .bind(org.0)
    .bind(id)
    .fetch_optional(&plain.pool)
    .await
    .map_err(database)?
    .ok_or_else(ApiError::not_found)?;
    if link.status != "active" {
        return Err(ApiError::new(ErrorKind::InvalidState));
    }
    let offer = sqlx::query_as::<_, Offer>(
        "SELECT p.operator_plan_id, p.name, p.data_kb, p.sponsor_id, p.countries, op.price
         FROM organization_plans op JOIN plans p ON p.id = op.plan_id
         WHERE op.org_id = $1 AND op.plan_id = $2 AND op.enabled AND p.offered",
    )
    .bind(org.0)
    .bind(plan_id)
    .fetch_optional(&plain.pool)
    .await
    .map_err(database)?
    .ok_or_else(|| ApiError::new(ErrorKind::PlanNotFound))?;
    if offer.sponsor_id != link.sponsor_id {
        return Err(ApiError::new(ErrorKind::InvalidPlan));
    }
    let (operation, activation) = (plain.ids.next(), plain.ids.next());
    let at = plain.clock.now();
    let debit = Debit { operation, activation, link: id, plan: plan_id, at };
    charge(&plain, org, &debit, &link, &offer).await?;
    let reference = operation.to_string();
    let (endpoint, operator_plan) = (&link.endpoint_id, &offer.operator_plan_id);
    let session = &plain.session;
    let instance =
        plain.operator.add_plan(session, endpoint, operator_plan, &reference, CALL_TIMEOUT);
    let Ok(instance) = instance.await else {
        refund(&plain, org, &debit, &link, &offer).await?;
        return Err(ApiError::new(ErrorKind::Provisioning));
    };
    let currency = organization.currency.to_string();
    settle(&plain, org, &debit, &offer, &instance, &currency).await?;
    let amount = Money::from_micros(offer.price);
    Ok(Success::new(Changed {
        link_id: id,
        iccid: link.iccid,
        added: [Activation {
            id: activation,
            plan_id,
            plan_name: offer.name,
            status: "active",
            at,
            expiry_date: instance.expires_at,
            data_total_mb: offer.data_kb / 1_000,
            data_used_mb: 0,
            data_remaining_mb: offer.data_kb / 1_000,
            coverage_countries: offer.countries.split(',').map(str::to_owned).collect(),
            amount_charged: amount,
            currency: currency.clone(),
        }],
        removed: [],
        amount_charged: amount,
        currency,
    }))
}

/// Writes down what the operator has done.
async fn settle(
    plain: &Plain,
    org: OrgId,
    debit: &Debit,
    offer: &Offer,
    instance: &PlanInstance,
    currency: &str,
) -> Result<(), ApiError> {
    let mut tx = plain.pool.begin().await.map_err(database)?;
    sqlx::query(
        "INSERT INTO activations (org_id, id, link_id, operation_id, plan_id, plan_name, status,
             instance_id, activated_at, expires_at, data_total_kb, data_used_kb, countries, amount,
             currency)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, $10, 0, $11, $12, $13)",
    )
    .bind(org.0)
    .bind(debit.activation)
    .bind(debit.link)
    .bind(debit.operation)
    .bind(debit.plan)
    .bind(&offer.name)
    .bind(&instance.instance_id)
    .bind(debit.at)
    .bind(instance.expires_at)
    .bind(offer.data_kb)
    .bind(&offer.countries)
    .bind(offer.price)
    .bind(currency)
    .execute(&mut *tx)
    .await
    .map_err(database)?;
    sqlx::query(
        "UPDATE links SET data_total_kb = data_total_kb + $3, updated_at = $4
         WHERE org_id = $1 AND id = $2",
    )
    .bind(org.0)
    .bind(debit.link)
    .bind(offer.data_kb)
    .bind(debit.at)
    .execute(&mut *tx)
    .await
    .map_err(database)?;
    tx.commit().await.map_err(database)
}

/// Takes the price out of the wallet, whose row is locked from the read to the commit.
async fn charge(
    plain: &Plain,
    org: OrgId,
    debit: &Debit,
    link: &Link,
    offer: &Offer,
) -> Result<(), ApiError> {
    let mut tx = plain.pool.begin().await.map_err(database)?;
    let (balance, _) = lock(&mut tx, org).await?;
    if balance < offer.price {
        return Err(ApiError::new(ErrorKind::InsufficientBalance));
    }
    enter(plain, &mut tx, org, debit, link, offer, None).await?;
    tx.commit().await.map_err(database)
}

async fn refund(
    plain: &Plain,
    org: OrgId,
    debit: &Debit,
    link: &Link,
    offer: &Offer,
) -> Result<(), ApiError> {
    let mut tx = plain.pool.begin().await.map_err(database)?;
    lock(&mut tx, org).await?;
    enter(plain, &mut tx, org, debit, link, offer, Some(debit.operation)).await?;
    tx.commit().await.map_err(database)
}

async fn lock(tx: &mut Transaction<'_, Postgres>, org: OrgId) -> Result<(i64, i64), ApiError> {
    sqlx::query_as("SELECT balance, version FROM wallets WHERE org_id = $1 FOR UPDATE")
        .bind(org.0)
        .fetch_one(&mut **tx)
        .await
        .map_err(database)
}

/// Changes the balance and writes the ledger entry.
async fn enter(
    plain: &Plain,
    tx: &mut Transaction<'_, Postgres>,
    org: OrgId,
    debit: &Debit,
    link: &Link,
    offer: &Offer,
    refund_of: Option<Uuid>,
) -> Result<(), ApiError> {
    let amount = if refund_of.is_some() { offer.price } else { -offer.price };
    let (balance, version): (i64, i64) = sqlx::query_as(
        "UPDATE wallets SET balance = balance + $2, version = version + 1, updated_at = $3
         WHERE org_id = $1 RETURNING balance, version",
    )
    .bind(org.0)
    .bind(amount)
    .bind(debit.at)
    .fetch_one(&mut **tx)
    .await
    .map_err(database)?;
    sqlx::query(
        "INSERT INTO ledger_entries (org_id, sequence, id, kind, amount, balance_after, link_id,
             iccid, activation_id, plan_id, plan_name, refund_of, operation_id, description,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(org.0)
    .bind(version)
    .bind(plain.ids.next())
    .bind(if refund_of.is_some() { "refund" } else { "topup" })
    .bind(amount)
    .bind(balance)
    .bind(debit.link)
    .bind(&link.iccid)
    .bind(debit.activation)
    .bind(debit.plan)
    .bind(&offer.name)
    .bind(refund_of)
    .bind(debit.operation)
    .bind(format!("Top-up: {}", offer.name))
    .bind(debit.at)
    .execute(&mut **tx)
    .await
    .map_err(database)?;
    Ok(())
}

fn database(error: sqlx::Error) -> ApiError {
    ApiError::internal(error)
}

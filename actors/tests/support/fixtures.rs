//! Values that tests begin with.

use async_trait::async_trait;
use bappy_actors::model::{
    Coverage, CoverageType, Currency, Money, OrgId, Plan, PlanId, RequestKey, Sponsor, Volume,
};
use bappy_actors::operation::Caller;
use bappy_actors::ports::{Offers, StoreError};
use std::{cell::RefCell, collections::HashMap, sync::Arc};
use uuid::Uuid;

thread_local! {
    /// What every organization may buy. A test has one thread.
    static OFFERED: RefCell<HashMap<PlanId, Arc<Plan>>> = RefCell::default();
}

/// Offers a plan from now on.
pub fn offer(plan: Plan) -> PlanId {
    let id = plan.id;
    OFFERED.with_borrow_mut(|offered| offered.insert(id, Arc::new(plan)));
    id
}

/// What was offered.
pub struct Offered;

#[async_trait]
impl Offers for Offered {
    async fn plan(&self, _: OrgId, id: PlanId) -> Result<Option<Arc<Plan>>, StoreError> {
        Ok(OFFERED.with_borrow(|offered| offered.get(&id).cloned()))
    }
}

pub const SPONSOR: &str = "S1";

/// What a Link costs a month.
pub const PRICE_PER_LINK: Money = Money::from_micros(1_500_000);

pub fn org(n: u128) -> OrgId {
    OrgId(Uuid::from_u128(0xA000_0000 + n))
}

pub fn usd() -> Currency {
    "USD".parse().unwrap()
}

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub fn plan(n: u128, price: &str) -> Plan {
    Plan {
        id: PlanId(Uuid::from_u128(0xB000_0000 + n)),
        operator_plan_id: format!("op-plan-{n}"),
        name: format!("Plan {n}"),
        price: money(price),
        data: Volume::from_kb(1_000_000),
        validity_days: 30,
        coverage_type: CoverageType::Country,
        region: Some("EU".to_owned()),
        sponsor: Sponsor {
            id: SPONSOR.to_owned(),
            name: "One".to_owned(),
            color: "#0a7".to_owned(),
        },
        coverage: Coverage(Vec::new()),
        countries: vec!["FR".to_owned()],
        operators_total: 1,
    }
}

pub fn caller(org: OrgId) -> Caller {
    Caller { org, currency: usd(), key: None }
}

pub fn keyed(org: OrgId, key: &str) -> Caller {
    let key = RequestKey { key: key.to_owned(), request_hash: [7; 32] };
    Caller { key: Some(key), ..caller(org) }
}

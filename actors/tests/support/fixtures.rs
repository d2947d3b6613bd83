//! Values that tests begin with.

use bappy_actors::model::{
    Coverage, CoverageType, Currency, Money, OrgId, Plan, PlanId, RequestKey, Sponsor, Volume,
};
use bappy_actors::operation::Caller;
use uuid::Uuid;

pub const SPONSOR: &str = "S1";

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

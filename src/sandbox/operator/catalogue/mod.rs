//! The plans that can be sold, built from the reference data: single countries, regions, global.
//!
//! **Invariants:** built once, the same on each start; plan ids never change (a database of an
//! earlier run holds them); a plan sells on its sponsor's cards only; every plan covers at least
//! one country with at least one network.

mod build;
mod coverage;
mod plan;
mod price;

use std::{collections::HashMap, sync::OnceLock};

use serde_json::value::RawValue;

pub(super) use coverage::CoveredCountry;
pub(super) use plan::Plan;

/// Every plan, by position and by id.
pub(super) struct Catalogue {
    plans: Vec<Plan>,
    /// Each plan as it is sent: a page is many of them, some with a thousand networks.
    json: Vec<Box<RawValue>>,
    by_id: HashMap<String, usize>,
}

impl Catalogue {
    /// The plan with this id.
    pub fn plan(&self, plan_id: &str) -> Option<&Plan> {
        self.plans.get(*self.by_id.get(plan_id)?)
    }

    /// The plans of one page as JSON (`page` from 1); empty past the end.
    pub fn page(&self, page: usize, per_page: usize) -> &[Box<RawValue>] {
        let start = page.saturating_sub(1).saturating_mul(per_page).min(self.json.len());
        let end = start.saturating_add(per_page).min(self.json.len());
        self.json.get(start..end).unwrap_or_default()
    }

    /// How many plans there are.
    pub const fn len(&self) -> usize {
        self.plans.len()
    }
}

/// The catalogue.
#[expect(clippy::expect_used, reason = "plans are strings and numbers, which are always JSON")]
pub(super) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let plans = build::plans();
        let json = plans.iter().map(serde_json::value::to_raw_value).collect::<Result<_, _>>();
        let ids = plans.iter().enumerate().map(|(at, plan)| (plan.id.clone(), at));
        let by_id = ids.collect();
        Catalogue { json: json.expect("a plan is JSON"), plans, by_id }
    })
}

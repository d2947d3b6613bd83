//! Builds the plans in a fixed order: countries by code, then regions, then global.

use super::{CoveredCountry, Plan, coverage::covered, plan::CoverageType, price::PriceOf};
use crate::{
    reference::{Country, Region, countries},
    sandbox::operator::sponsor::SPONSORS,
};

/// A volume and a time that are sold together.
#[derive(Clone, Copy)]
struct Offer {
    data_mb: u64,
    validity_days: u32,
}

const fn offer(gigabytes: u64, validity_days: u32) -> Offer {
    Offer { data_mb: gigabytes * 1_000, validity_days }
}

/// Two plans a country from the sponsor whose turn it is, one from the next.
const COUNTRY_OFFERS: [(usize, Offer); 3] =
    [(0, offer(1, 7)), (0, offer(5, 30)), (1, offer(10, 30))];
const REGIONAL_OFFERS: [Offer; 3] = [offer(1, 7), offer(5, 30), offer(20, 60)];
const GLOBAL_OFFERS: [Offer; 3] = [offer(1, 15), offer(5, 30), offer(20, 180)];

pub(super) fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for country in countries() {
        // By its letters, so that another country in the data changes no other's plans.
        let turn: usize = country.code.bytes().map(usize::from).sum();
        for (shift, offer) in COUNTRY_OFFERS {
            plans.extend(country_plan(country, (turn + shift) % SPONSORS.len(), offer));
        }
    }
    for sponsor in 0..SPONSORS.len() {
        for region in Region::ALL {
            plans.extend(REGIONAL_OFFERS.map(|offer| wide_plan(Some(region), sponsor, offer)));
        }
        plans.extend(GLOBAL_OFFERS.map(|offer| wide_plan(None, sponsor, offer)));
    }
    plans
}

/// `None` where the sponsor has no network in the country.
fn country_plan(country: &'static Country, sponsor: usize, offer: Offer) -> Option<Plan> {
    let coverage = vec![covered(country, sponsor)?];
    let slug = country.code.to_lowercase();
    let area = Area {
        slug: &slug,
        name: &country.name,
        coverage_type: CoverageType::Country,
        region: Some(country.region),
    };
    Some(area.plan(sponsor, offer, coverage))
}

/// A regional plan, or a global one where `region` is `None`.
fn wide_plan(region: Option<Region>, sponsor: usize, offer: Offer) -> Plan {
    let within = countries().iter().filter(|country| region.is_none_or(|r| r == country.region));
    let coverage = within.filter_map(|country| covered(country, sponsor)).collect();
    let slug =
        region.map_or("global".to_owned(), |r| format!("region-{}", r.code().to_lowercase()));
    let area = Area {
        slug: &slug,
        name: region.map_or("Global", Region::name),
        coverage_type: if region.is_some() { CoverageType::Regional } else { CoverageType::Global },
        region,
    };
    area.plan(sponsor, offer, coverage)
}

/// Where a plan works, for its id, name and price.
struct Area<'a> {
    slug: &'a str,
    name: &'a str,
    coverage_type: CoverageType,
    region: Option<Region>,
}

impl Area<'_> {
    fn plan(&self, sponsor: usize, offer: Offer, coverage: Vec<CoveredCountry>) -> Plan {
        let Offer { data_mb, validity_days } = offer;
        let sponsor = &SPONSORS[sponsor];
        let gigabytes = data_mb / 1_000;
        let price = PriceOf {
            data_mb,
            validity_days,
            region: self.region,
            roams: self.coverage_type != CoverageType::Country,
            sponsor_percent: sponsor.price_percent,
        };
        Plan {
            id: format!("{}-{}-{gigabytes}gb-{validity_days}d", sponsor.id, self.slug),
            name: format!("{} {gigabytes} GB, {validity_days} days", self.name),
            data_mb,
            validity_days,
            wholesale_price: price.decimal(),
            currency: "USD",
            sponsor,
            coverage_type: self.coverage_type,
            region: self.region,
            coverage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_keeps_its_id_and_price_from_one_version_to_the_next() {
        let plans = plans();
        let france = plans.iter().find(|plan| plan.name == "France 1 GB, 7 days").unwrap();
        assert_eq!(france.id, "pacifica-fr-1gb-7d");
        assert_eq!(france.wholesale_price, "1.18");
    }

    #[test]
    fn a_bigger_plan_costs_more() {
        let plans = plans();
        let cents = |id: &str| {
            let plan = plans.iter().find(|plan| plan.id == id).unwrap();
            plan.wholesale_price.replace('.', "").parse::<u64>().unwrap()
        };
        assert!(cents("meridian-global-1gb-15d") < cents("meridian-global-5gb-30d"));
        assert!(cents("meridian-region-eu-20gb-60d") < cents("meridian-global-20gb-180d"));
    }
}

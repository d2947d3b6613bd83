//! Mobile networks by country, and by mobile country code and mobile network code (ITU-T E.212).

use super::country::countries_found;
use super::{Country, country, tables::tables};
use std::collections::BTreeMap;

/// An operational national mobile network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// ISO 3166-1 alpha-2 of the country it serves.
    pub country: String,
    /// Mobile country code, three digits.
    pub mcc: String,
    /// Mobile network code, two or three digits; leading zeros count.
    pub mnc: String,
    /// The name customers know; may be empty.
    pub brand: String,
    /// The company; may be empty.
    pub operator: String,
    /// Such as `4G`; empty where the source does not say.
    pub network_types: Vec<String>,
}

impl Network {
    /// The name to show: the brand, or the company where there is no brand.
    pub fn name(&self) -> &str {
        if self.brand.is_empty() { &self.operator } else { &self.brand }
    }
}

/// Every network, ordered by country; those of one country in the order of the source.
pub fn networks() -> &'static [Network] {
    &tables().networks
}

/// The networks of one country (upper-case alpha-2); empty where none is known.
pub fn networks_in(country: &str) -> &'static [Network] {
    let networks = networks();
    let start = networks.partition_point(|network| network.country.as_str() < country);
    let end = networks.partition_point(|network| network.country.as_str() <= country);
    networks.get(start..end).unwrap_or_default()
}

/// The network with this MCC and MNC. A few codes serve several countries (505 01 is Australia
/// and its territories): `country` chooses among them; without it, or where it does not fit, it
/// is the first of the source.
pub fn network(mcc: &str, mnc: &str, country: Option<&str>) -> Option<&'static Network> {
    let tables = tables();
    let same = tables.by_code.get(mcc)?.get(mnc)?;
    let in_country = |at: &&usize| {
        let network = tables.networks.get(**at);
        country.is_some() && network.map(|network| network.country.as_str()) == country
    };
    tables.networks.get(*same.iter().find(in_country).or_else(|| same.first())?)
}

/// Its islands have the very networks of the mainland, which is where nearly everybody is.
const AUSTRALIA: &str = "AU";

/// The country that a network is in: its own or, where the network is not known or serves several,
/// the one of these in which most networks of its mobile country code are (310 is the United
/// States before it is Guam). None where that is no one country (340 is five of the Antilles).
pub fn country_of_network(mcc: &str, mnc: &str) -> Option<&'static Country> {
    let tables = tables();
    let of_mcc = tables.by_code.get(mcc)?;
    let countries = |at: &[usize]| {
        at.iter().filter_map(|at| tables.networks.get(*at)).map(|n| n.country.as_str()).collect()
    };
    let candidates: Vec<&str> = match of_mcc.get(mnc) {
        Some(same) => countries(same),
        None => of_mcc.values().flat_map(|at| countries(at)).collect(),
    };
    let mut counts: BTreeMap<&str, usize> =
        candidates.into_iter().map(|country| (country, 0)).collect();
    for network in of_mcc.values().flatten().filter_map(|at| tables.networks.get(*at)) {
        counts.entry(network.country.as_str()).and_modify(|count| *count += 1);
    }
    let most = *counts.values().max()?;
    let first: Vec<&str> =
        counts.into_iter().filter(|(_, count)| *count == most).map(|(code, _)| code).collect();
    match first[..] {
        [code] => country(code),
        _ if first.contains(&AUSTRALIA) => country(AUSTRALIA),
        _ => None,
    }
}

/// The networks of the countries that a text means: the one with this ISO code, else those with
/// the text in one of their names, in any case.
pub fn networks_found(search: &str) -> Vec<(&'static Network, &'static Country)> {
    let found = countries_found(search);
    found.into_iter().flat_map(|c| networks_in(&c.code).iter().map(move |n| (n, c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_found_by_its_codes() {
        let found = network("208", "01", None).unwrap();
        assert_eq!((found.country.as_str(), found.name()), ("FR", "Orange"));
        assert_eq!(network("208", "1", None), None);
    }

    #[test]
    fn a_code_that_serves_two_countries_is_told_apart_by_the_country() {
        let shared: Vec<_> =
            networks().iter().filter(|n| n.mcc == "505" && n.mnc == "01").collect();
        assert!(shared.len() > 1);
        for one in shared {
            assert_eq!(network("505", "01", Some(&one.country)), Some(one));
        }
    }

    #[test]
    fn a_network_is_in_the_country_that_has_most_of_its_code() {
        for (mcc, mnc, expected) in [
            ("208", "01", Some("FR")),
            ("208", "999", Some("FR")),
            ("310", "260", Some("US")),
            ("310", "999", Some("US")),
            ("505", "01", Some("AU")),
            ("234", "55", Some("GB")),
            ("255", "999", Some("UA")),
            ("340", "01", None),
            ("340", "999", None),
            ("000", "01", None),
        ] {
            let found = country_of_network(mcc, mnc).map(|country| country.code.as_str());
            assert_eq!(found, expected, "{mcc} {mnc}");
        }
    }

    #[test]
    fn every_network_is_in_a_known_country_and_has_a_name() {
        for network in networks() {
            assert!(country(&network.country).is_some(), "{network:?}");
            assert!(!network.name().is_empty(), "{network:?}");
            assert!(networks_in(&network.country).contains(network));
        }
    }
}

//! Countries by their ISO 3166-1 alpha-2 code.

use super::{Region, tables::tables};

/// A country or territory with a code of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2, upper case (`AC` and a few others are exceptional reservations).
    pub code: String,
    /// English name.
    pub name: String,
    /// The region it is counted in.
    pub region: Region,
}

/// Every country, ordered by code.
pub fn countries() -> &'static [Country] {
    &tables().countries
}

/// The country with this upper-case alpha-2 code.
pub fn country(code: &str) -> Option<&'static Country> {
    let countries = countries();
    let at = countries.binary_search_by(|country| country.code.as_str().cmp(code)).ok()?;
    countries.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_found_by_its_code() {
        let france = country("FR").unwrap();
        assert_eq!((france.name.as_str(), france.region), ("France", Region::Eu));
        assert_eq!(country("fr"), None);
        assert_eq!(country("XX"), None);
    }

    #[test]
    fn each_region_has_countries() {
        for region in Region::ALL {
            assert!(countries().iter().any(|country| country.region == region), "{region}");
        }
    }
}

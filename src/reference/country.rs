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

/// Names in wide use beside those of the table.
const OTHER_NAMES: [(&str, &str); 20] = [
    ("AE", "UAE"),
    ("CD", "DR Congo"),
    ("CI", "Côte d'Ivoire"),
    ("CV", "Cape Verde"),
    ("CW", "Curaçao"),
    ("CZ", "Czech Republic"),
    ("GB", "UK"),
    ("GB", "Great Britain"),
    ("MM", "Burma"),
    ("MO", "Macau"),
    ("NL", "Holland"),
    ("RE", "Réunion"),
    ("RU", "Russian Federation"),
    ("SZ", "Swaziland"),
    ("TL", "Timor-Leste"),
    ("TR", "Turkey"),
    ("TR", "Turkiye"),
    ("US", "USA"),
    ("US", "United States of America"),
    ("VN", "Viet Nam"),
];

/// The countries that a text means, by code: the one with this alpha-2 code, else those with the
/// text in one of their names. Case does not matter.
pub(super) fn countries_found(search: &str) -> Vec<&'static Country> {
    if let Some(country) = country(&search.to_ascii_uppercase()) {
        return vec![country];
    }
    let wanted = search.to_lowercase();
    let is_named = |name: &str| name.to_lowercase().contains(&wanted);
    let is_meant = |country: &&Country| {
        let mut others = OTHER_NAMES.iter().filter(|(code, _)| *code == country.code);
        is_named(&country.name) || others.any(|(_, name)| is_named(name))
    };
    countries().iter().filter(is_meant).collect()
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
    fn countries_are_found_by_code_or_by_a_part_of_a_name() {
        let codes = |search: &str| {
            countries_found(search).into_iter().map(|c| c.code.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(codes("in"), ["IN"], "a code before the names that hold it");
        assert_eq!(codes("FRANCE"), ["FR"]);
        assert_eq!(codes("korea"), ["KP", "KR"]);
        assert_eq!(codes("türk"), ["TR"]);
        assert_eq!(codes("turkey"), ["TR"]);
        assert_eq!(codes("uk"), ["GB", "UA"], "Ukraine has it in its name");
        assert!(codes("nowhere").is_empty());
        assert!(OTHER_NAMES.iter().all(|(code, _)| country(code).is_some()));
    }

    #[test]
    fn each_region_has_countries() {
        for region in Region::ALL {
            assert!(countries().iter().any(|country| country.region == region), "{region}");
        }
    }
}

//! Parses the embedded CSV files once and keeps them indexed.

use std::{collections::HashMap, sync::OnceLock};

use serde::Deserialize;

use super::{Country, Network, Region, region::UnknownRegion};

const COUNTRIES: &str = include_str!("../../data/countries.csv");
const NETWORKS: &str = include_str!("../../data/mobile_operators.csv");

/// Everything that was parsed.
pub(super) struct Tables {
    /// Ordered by code.
    pub countries: Vec<Country>,
    /// Ordered by country.
    pub networks: Vec<Network>,
    /// MCC, then MNC, to positions in `networks`.
    pub by_code: HashMap<String, HashMap<String, Vec<usize>>>,
}

/// Why the embedded data cannot be used: a mistake of whoever changed it.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidData {
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error(transparent)]
    Region(#[from] UnknownRegion),
}

#[derive(Deserialize)]
struct CountryRow {
    country_code: String,
    name: String,
    region: String,
}

#[derive(Deserialize)]
struct NetworkRow {
    country_code: String,
    mcc: String,
    mnc: String,
    brand: String,
    operator: String,
    network_types: String,
}

#[expect(clippy::expect_used, reason = "the data is part of the binary and a test parses it")]
pub(super) fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| parse().expect("the embedded reference data parses"))
}

fn parse() -> Result<Tables, InvalidData> {
    let countries = parse_countries()?;
    let networks = parse_networks()?;
    let mut by_code: HashMap<String, HashMap<String, Vec<usize>>> = HashMap::new();
    for (at, network) in networks.iter().enumerate() {
        let of_country = by_code.entry(network.mcc.clone()).or_default();
        of_country.entry(network.mnc.clone()).or_default().push(at);
    }
    Ok(Tables { countries, networks, by_code })
}

fn parse_countries() -> Result<Vec<Country>, InvalidData> {
    let mut countries = Vec::new();
    for row in csv::Reader::from_reader(COUNTRIES.as_bytes()).deserialize() {
        let CountryRow { country_code, name, region } = row?;
        countries.push(Country { code: country_code, name, region: region.parse::<Region>()? });
    }
    countries.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(countries)
}

fn parse_networks() -> Result<Vec<Network>, InvalidData> {
    let mut networks = Vec::new();
    for row in csv::Reader::from_reader(NETWORKS.as_bytes()).deserialize() {
        let row: NetworkRow = row?;
        let types = row.network_types.split('|').filter(|kind| !kind.is_empty());
        networks.push(Network {
            country: row.country_code,
            mcc: row.mcc,
            mnc: row.mnc,
            brand: row.brand,
            operator: row.operator,
            network_types: types.map(str::to_owned).collect(),
        });
    }
    // Stable: the networks of one country stay in the order of the source.
    networks.sort_by(|a, b| a.country.cmp(&b.country));
    Ok(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_data_parses() {
        let tables = parse().unwrap();
        assert_eq!(tables.countries.len(), 247);
        assert_eq!(tables.networks.len(), 1_672);
    }
}

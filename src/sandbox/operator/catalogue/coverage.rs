//! Where a sponsor's cards work: its roaming agreements, made up from the reference data.

use serde::Serialize;

use crate::{
    reference::{Country, Network, networks_in},
    sandbox::operator::sponsor::SPONSORS,
};

/// How many networks of one country a sponsor has agreements with. Enough to have a choice, and
/// few enough for a global plan to stay a readable answer.
const AGREEMENTS_PER_COUNTRY_MAX: usize = 3;

/// One country of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in super::super) struct CoveredCountry {
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// The networks there; never empty.
    pub networks: Vec<CoveredNetwork>,
}

/// One network of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in super::super) struct CoveredNetwork {
    /// What the operator calls it.
    pub name: &'static str,
    /// Mobile country code.
    pub mcc: &'static str,
    /// Mobile network code, with its leading zeros.
    pub mnc: &'static str,
    /// Such as `["3G", "4G"]`; never empty.
    pub technologies: &'static [String],
}

/// What the sponsor number `sponsor` of `SPONSORS` covers in a country; `None` where no network
/// carries data. Sponsors begin at different networks, so their plans differ.
pub(super) fn covered(country: &'static Country, sponsor: usize) -> Option<CoveredCountry> {
    let carries_data = |network: &&Network| {
        network.network_types.iter().any(|kind| matches!(kind.as_str(), "3G" | "4G" | "5G"))
    };
    let candidates: Vec<&'static Network> =
        networks_in(&country.code).iter().filter(carries_data).collect();
    let count = candidates.len().min(AGREEMENTS_PER_COUNTRY_MAX);
    let first = sponsor * candidates.len() / SPONSORS.len();
    let chosen = candidates.iter().cycle().skip(first).take(count);
    let networks: Vec<_> = chosen.map(|network| covered_network(network)).collect();
    (!networks.is_empty()).then_some(CoveredCountry { country: &country.code, networks })
}

fn covered_network(network: &'static Network) -> CoveredNetwork {
    CoveredNetwork {
        name: network.name(),
        mcc: &network.mcc,
        mnc: &network.mnc,
        technologies: &network.network_types,
    }
}

//! Reference data shipped with the binary: countries and mobile networks.
//!
//! Parsed once, on first use, from `data/countries.csv` and `data/mobile_operators.csv` (their
//! sources and licences are in `data/README.md`). Who calls it: plan coverage, network names in
//! the network status, the search for operators, the guides to an installation, and the sandbox operator's catalogue.
//!
//! **Invariant:** every network's country is a country of the table; codes are as in the source
//! (an MNC keeps its leading zeros: `03` and `003` are two networks).

mod country;
mod instructions;
mod network;
mod region;
mod tables;

pub use country::{Country, countries, country};
pub use instructions::{
    ANDROID_LINK, APPLE_LINK, Guide, Instructions, Language, Step, instructions,
};
pub use network::{Network, country_of_network, network, networks, networks_found, networks_in};
pub use region::Region;

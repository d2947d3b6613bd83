//! The three sponsors whose profiles the cards carry. A plan sells on its sponsor's cards only.
//!
//! **Invariant:** ids and issuer numbers never change: databases of earlier runs hold them.

use serde::Serialize;

/// A sponsor: the network operator that lends its identity (IMSI range) to a card.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Sponsor {
    /// Its id, as in `sponsor=` and in a plan.
    pub id: &'static str,
    /// What customers see.
    pub name: &'static str,
    /// `#rrggbb`, for badges.
    pub color: &'static str,
    /// The first seven digits of its ICCIDs (ITU-T E.118: 89, country, issuer).
    #[serde(skip)]
    pub issuer: u64,
    /// What it charges, in percent of the list price.
    #[serde(skip)]
    pub price_percent: u64,
}

/// All sponsors, ordered by issuer.
pub(super) static SPONSORS: [Sponsor; 3] = [
    Sponsor {
        id: "meridian",
        name: "Meridian Mobile",
        color: "#1F6FEB",
        issuer: 8_931_440,
        price_percent: 100,
    },
    Sponsor {
        id: "northstar",
        name: "Northstar Telecom",
        color: "#D9730D",
        issuer: 8_944_180,
        price_percent: 92,
    },
    Sponsor {
        id: "pacifica",
        name: "Pacifica Wireless",
        color: "#0F9D58",
        issuer: 8_985_230,
        price_percent: 108,
    },
];

/// The sponsor with this id.
pub(super) fn sponsor(id: &str) -> Option<&'static Sponsor> {
    SPONSORS.iter().find(|sponsor| sponsor.id == id)
}

//! The six regions that plans are grouped in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A region of the world. `LA` is Mexico, Central and South America and the Caribbean.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Region {
    /// Europe.
    Eu,
    /// Africa.
    Af,
    /// Asia.
    As,
    /// Latin America.
    La,
    /// North America.
    Na,
    /// Oceania.
    Oc,
}

impl Region {
    /// All regions, in the order in which the API lists them.
    pub const ALL: [Self; 6] = [Self::Eu, Self::Af, Self::As, Self::La, Self::Na, Self::Oc];

    /// The two-letter code, such as `EU`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Eu => "EU",
            Self::Af => "AF",
            Self::As => "AS",
            Self::La => "LA",
            Self::Na => "NA",
            Self::Oc => "OC",
        }
    }

    /// The English name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eu => "Europe",
            Self::Af => "Africa",
            Self::As => "Asia",
            Self::La => "Latin America",
            Self::Na => "North America",
            Self::Oc => "Oceania",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The text is not the code of a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a region")]
pub struct UnknownRegion(pub String);

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(code: &str) -> Result<Self, UnknownRegion> {
        Self::ALL
            .into_iter()
            .find(|region| region.code() == code)
            .ok_or_else(|| UnknownRegion(code.to_owned()))
    }
}

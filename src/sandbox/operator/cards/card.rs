//! What a card is by itself, before anything happened to it.

use serde::{Deserialize, Serialize};

use super::{Iccid, series};
use crate::sandbox::operator::{random::mix, sponsor::Sponsor};

/// Where profiles are downloaded from (SGP.22: the SM-DP+).
const SMDP_ADDRESS: &str = "smdp.sandbox.example";

/// Letters of a matching id: no 0, 1, I and O, which people mistake for each other.
const MATCHING_ID_LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// What a card is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum CardKind {
    /// A profile to download.
    Esim,
    /// A plastic card.
    Physical,
}

/// A generated card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Card {
    /// Whose profile it carries.
    pub sponsor: &'static Sponsor,
    /// eSIM or physical.
    pub kind: CardKind,
    /// Its number in its series, from 0, at most ten digits.
    pub serial: u64,
}

impl Card {
    /// The card with this ICCID, if it belongs to a series.
    pub fn from_iccid(iccid: Iccid) -> Option<Self> {
        series::card_of(iccid.payload()?)
    }

    /// Its ICCID.
    pub const fn iccid(self) -> Iccid {
        Iccid::from_payload(series::payload_of(self))
    }

    /// Its telephone number in E.164 (an international network under +882): fifteen digits.
    pub fn msisdn(self) -> String {
        let kind = match self.kind {
            CardKind::Esim => 1,
            CardKind::Physical => 2,
        };
        format!("+882{}{kind}{:010}", self.sponsor.issuer / 10 % 10, self.serial)
    }

    /// The SM-DP+ address; `None` for a physical card.
    pub const fn smdp_address(self) -> Option<&'static str> {
        match self.kind {
            CardKind::Esim => Some(SMDP_ADDRESS),
            CardKind::Physical => None,
        }
    }

    /// The matching id of the activation code, such as `K2-7QF3MA-9XWT4D`; `None` for a
    /// physical card. It looks random and is the same on each start.
    pub fn matching_id(self) -> Option<String> {
        if self.kind == CardKind::Physical {
            return None;
        }
        let number = self.iccid().number();
        let mut bits = u128::from(mix(number)) << 64 | u128::from(mix(!number));
        let mut id = String::with_capacity(16);
        for at in 0..14 {
            if at == 2 || at == 8 {
                id.push('-');
            }
            id.push(char::from(MATCHING_ID_LETTERS[(bits & 31) as usize]));
            bits >>= 5;
        }
        Some(id)
    }
}

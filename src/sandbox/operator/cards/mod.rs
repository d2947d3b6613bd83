//! Cards: unlimited, generated from their number, never stored.
//!
//! Each sponsor has a series of eSIMs and a series of physical cards. A card is its series and
//! its serial number; ICCID, MSISDN and activation code follow from them.
//!
//! **Invariant:** `Card::from_iccid(card.iccid()) == Some(card)`, and ICCIDs ascend with serials,
//! so that a list can be walked by `after` without keeping anything.

mod card;
mod iccid;
mod series;

pub(super) use card::{Card, CardKind};
pub(super) use iccid::{Iccid, luhn_digit};
pub(super) use series::cards_after;

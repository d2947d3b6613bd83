//! The series of ICCIDs: sponsor's issuer number (7 digits), kind (1), serial (10), check digit.

use super::{Card, CardKind, Iccid};
use crate::sandbox::operator::sponsor::{SPONSORS, Sponsor};

/// Serials have ten digits: ten thousand million cards a series, which is unlimited enough.
const SERIALS: u64 = 10_000_000_000;

/// Kinds in the order of their digit.
const KINDS: [CardKind; 2] = [CardKind::Esim, CardKind::Physical];

const fn first_payload(sponsor: &Sponsor, kind: CardKind) -> u64 {
    let digit = match kind {
        CardKind::Esim => 1,
        CardKind::Physical => 2,
    };
    (sponsor.issuer * 10 + digit) * SERIALS
}

pub(super) const fn payload_of(card: Card) -> u64 {
    first_payload(card.sponsor, card.kind) + card.serial
}

pub(super) fn card_of(payload: u64) -> Option<Card> {
    let prefix = payload / SERIALS;
    let sponsor = SPONSORS.iter().find(|sponsor| sponsor.issuer == prefix / 10)?;
    let kind = match prefix % 10 {
        1 => CardKind::Esim,
        2 => CardKind::Physical,
        _ => return None,
    };
    Some(Card { sponsor, kind, serial: payload % SERIALS })
}

/// The cards past `after`, by ascending ICCID, of one sponsor and kind or of all. Lazy: it goes
/// on for as long as it is asked.
pub(in super::super) fn cards_after(
    after: Option<Iccid>,
    sponsor: Option<&'static Sponsor>,
    kind: Option<CardKind>,
) -> impl Iterator<Item = Card> {
    let sponsors = SPONSORS.iter().filter(move |one| sponsor.is_none_or(|wanted| wanted == *one));
    let series = sponsors.flat_map(move |sponsor| {
        let kinds = KINDS.into_iter().filter(move |one| kind.is_none_or(|wanted| wanted == *one));
        kinds.map(move |kind| (sponsor, kind))
    });
    series.flat_map(move |(sponsor, kind)| {
        let first = first_payload(sponsor, kind);
        // The check digit is last: an ICCID is past `after` when its payload is.
        let start = after.map_or(0, |after| (after.number() / 10 + 1).saturating_sub(first));
        (start..SERIALS).map(move |serial| Card { sponsor, kind, serial })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_again_by_its_iccid() {
        for card in cards_after(None, None, None).take(100) {
            assert_eq!(Card::from_iccid(card.iccid()), Some(card));
        }
    }

    #[test]
    fn iccids_ascend_and_go_on_past_the_last_one_seen() {
        let all: Vec<_> = cards_after(None, None, None).take(50).map(Card::iccid).collect();
        assert!(all.is_sorted());
        let rest: Vec<_> =
            cards_after(all.get(19).copied(), None, None).take(30).map(Card::iccid).collect();
        assert_eq!(rest, all[20..]);
    }

    #[test]
    fn each_series_has_its_own_iccids_and_numbers() {
        let mut numbers = std::collections::HashSet::new();
        for sponsor in &SPONSORS {
            for kind in KINDS {
                let card = cards_after(None, Some(sponsor), Some(kind)).next().unwrap();
                assert_eq!((card.sponsor, card.kind), (sponsor, kind));
                assert!(numbers.insert(card.msisdn()));
                assert!(numbers.insert(card.iccid().to_string()));
            }
        }
    }
}

//! What must hold between a wallet and its ledger: pure.

use crate::store::ledger_sample::{Line, Newest, Totals};
use bappy_actors::model::Money;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// The line at this place does not follow from the one before it, or is missing.
    Chain(i64),
    /// The wallet is not what its last line says.
    Wallet,
    /// The daily totals do not add up to the wallet.
    Totals,
}

/// Compares lines that should follow each other from `from` to `to`, the line before them first
/// where there is one.
pub(super) fn chain(before: Option<Line>, from: i64, to: i64, lines: &[Line]) -> Vec<Mismatch> {
    let mut found = Vec::new();
    // Without a line before them, only the first of all lines is known to start from nothing.
    let mut balance = match before {
        Some(line) => Some(line.balance_after),
        None => (from == 1).then_some(Money::ZERO),
    };
    let mut expected = from;
    for line in lines {
        let is_next = line.sequence == expected;
        let follows = balance
            .is_none_or(|balance| balance.checked_add(line.amount) == Some(line.balance_after));
        if !(is_next && follows) {
            found.push(Mismatch::Chain(expected.min(line.sequence)));
        }
        balance = Some(line.balance_after);
        expected = line.sequence + 1;
    }
    if expected <= to {
        found.push(Mismatch::Chain(expected));
    }
    found
}

/// Compares a wallet with the newest lines of its ledger; `count` were asked for.
pub(super) fn newest(newest: &Newest, count: i64) -> Vec<Mismatch> {
    let from = (newest.version - count + 1).max(1);
    // All but the first have the line before them; the first has, if it is the first of all.
    let (before, lines) = match newest.lines.split_first() {
        Some((first, rest)) if from > 1 && first.sequence == from => (Some(*first), rest),
        _ => (None, &newest.lines[..]),
    };
    let from = if before.is_some() { from + 1 } else { from };
    let mut found = chain(before, from, newest.version, lines);
    let last = newest.lines.last();
    let told = last.map_or((0, Money::ZERO), |last| (last.sequence, last.balance_after));
    if told != (newest.version, newest.balance) {
        found.push(Mismatch::Wallet);
    }
    found
}

/// Compares a wallet with its daily totals.
pub(super) fn totals(totals: Totals) -> Option<Mismatch> {
    let told = (totals.entries, totals.sum);
    (told != (totals.version, totals.balance)).then_some(Mismatch::Totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(amounts: &[i64]) -> Vec<Line> {
        let mut balance = 0;
        let line = |(&amount, sequence): (&i64, i64)| {
            balance += amount;
            let (amount, after) = (Money::from_micros(amount), Money::from_micros(balance));
            Line { sequence, amount, balance_after: after }
        };
        amounts.iter().zip(1..).map(line).collect()
    }

    fn whole(amounts: &[i64]) -> Newest {
        let lines = lines(amounts);
        let last = lines.last().copied();
        let balance = last.map_or(Money::ZERO, |last| last.balance_after);
        Newest { balance, version: last.map_or(0, |last| last.sequence), lines }
    }

    #[test]
    fn a_ledger_as_the_service_writes_it_is_clean() {
        for amounts in [&[][..], &[100], &[100, -30, -30, 30, 5]] {
            let whole = whole(amounts);
            assert_eq!(newest(&whole, 10), []);
            // A part of it, whose first line only says what was before.
            let mut part = whole.clone();
            part.lines.drain(..amounts.len().saturating_sub(2));
            assert_eq!(newest(&part, 2), []);
            let count = whole.version;
            assert_eq!(chain(None, 1, count, &whole.lines), []);
        }
    }

    #[test]
    fn any_figure_of_any_line_changed_by_hand_is_found() {
        let clean = whole(&[100, -30, -20, 30, 5]);
        for (place, sequence) in (0..5).zip(1..) {
            let broken = Mismatch::Chain(sequence);
            let mut amount = clean.clone();
            amount.lines[place].amount = Money::from_micros(7);
            assert_eq!(newest(&amount, 10), [broken]);
            let mut after = clean.clone();
            after.lines[place].balance_after = Money::from_micros(7);
            assert!(newest(&after, 10).contains(&broken));
            let mut gone = clean.clone();
            gone.lines.remove(place);
            assert!(newest(&gone, 10).contains(&broken), "{place}");
        }
    }

    #[test]
    fn a_wallet_changed_by_hand_is_found() {
        let mut wallet = whole(&[100, -30]);
        wallet.balance = Money::from_micros(71);
        assert_eq!(newest(&wallet, 10), [Mismatch::Wallet]);
        let mut wallet = whole(&[]);
        wallet.balance = Money::from_micros(1);
        assert_eq!(newest(&wallet, 10), [Mismatch::Wallet]);
        let mut line_too_many = whole(&[100, -30]);
        line_too_many.version = 1;
        line_too_many.balance = Money::from_micros(100);
        assert_eq!(newest(&line_too_many, 10), [Mismatch::Wallet]);
    }

    #[test]
    fn totals_that_miss_an_entry_or_an_amount_are_found() {
        let money = Money::from_micros;
        let clean = Totals { balance: money(70), version: 2, entries: 2, sum: money(70) };
        assert_eq!(totals(clean), None);
        for wrong in [Totals { entries: 3, ..clean }, Totals { sum: money(71), ..clean }] {
            assert_eq!(totals(wrong), Some(Mismatch::Totals));
        }
    }
}

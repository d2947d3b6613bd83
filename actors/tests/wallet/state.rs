//! What a wallet decides, on random commands.

use crate::support::commands::{credit, debit_of, link_fee, reactivation_of, refund_of};
use crate::support::environment::epoch;
use crate::support::fixtures::{money, org};
use bappy_actors::model::{EntryId, EntryKind, Money};
use bappy_actors::ports::WalletRow;
use bappy_actors::wallet::state::decide;
use bappy_actors::wallet::{Command, Credit, Refused};
use proptest::prelude::*;
use uuid::Uuid;

#[derive(Clone, Debug)]
enum Ask {
    Debit(Vec<i64>),
    Refund(Vec<i64>),
    Adjust(i64),
    Fee(i64),
}

fn command(ask: &Ask, n: u128) -> Command {
    let text = |micros: i64| Money::from_micros(micros).to_string();
    let ids = n * 1000..;
    match ask {
        Ask::Debit(amounts) => Command::Debit(
            amounts.iter().zip(ids).map(|(a, n)| debit_of(org(1), n, &text(*a))).collect(),
        ),
        Ask::Refund(amounts) => Command::Refund(
            amounts.iter().zip(ids).map(|(a, n)| refund_of(org(1), n, &text(*a))).collect(),
        ),
        Ask::Fee(amount) => link_fee(n, &text(*amount)),
        Ask::Adjust(amount) => Command::Credit(Credit {
            entry_id: EntryId(Uuid::from_u128(n)),
            kind: EntryKind::Adjustment,
            amount: Money::from_micros(*amount),
            reference: None,
            description: String::new(),
        }),
    }
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = prop_oneof![
        4 => prop::collection::vec(0i64..60_000_000, 1..4).prop_map(Ask::Debit),
        2 => prop::collection::vec(0i64..60_000_000, 1..4).prop_map(Ask::Refund),
        2 => (-80_000_000i64..80_000_000).prop_map(Ask::Adjust),
        2 => (1i64..60_000_000).prop_map(Ask::Fee),
    ];
    prop::collection::vec(ask, 0..40)
}

proptest! {
    #[test]
    fn the_ledger_adds_up_whatever_is_asked(
        asks in asks(), start in 0i64..200_000_000, version in 0i64..1_000_000,
    ) {
        let commands: Vec<_> = asks.iter().zip(1..).map(|(ask, n)| command(ask, n)).collect();
        let before = WalletRow { balance: Money::from_micros(start), version, fence: 3 };
        let decided = decide(org(1), before, &commands, epoch());
        prop_assert_eq!(decided.batch.before, before);
        prop_assert_eq!(decided.verdicts.len(), commands.len());
        let (mut balance, mut sequence, mut taken) = (start, version, 0);
        for (command, verdict) in commands.iter().zip(&decided.verdicts) {
            let Ok(place) = verdict else { continue };
            prop_assert_eq!(*place, taken);
            taken += 1;
            let item = &decided.batch.items[*place];
            let parts = match command {
                Command::Debit(parts) => parts.len(),
                Command::Refund(parts) => parts.len(),
                Command::Settle(_) | Command::Credit(_) | Command::LinkFee(_) => 1,
            };
            // Whole or not at all.
            prop_assert_eq!(item.entries.len(), parts);
            prop_assert_eq!(item.opened.len() + item.closed.len(),
                if matches!(command, Command::Credit(_) | Command::LinkFee(_)) { 0 } else { parts });
            prop_assert_eq!(item.fees.len(), usize::from(matches!(command, Command::LinkFee(_))));
            for entry in &item.entries {
                sequence += 1;
                balance += entry.amount.micros();
                prop_assert_eq!(entry.sequence, sequence);
                prop_assert_eq!(entry.balance_after.micros(), balance);
                prop_assert!(balance >= 0);
            }
        }
        prop_assert_eq!(decided.batch.items.len(), taken);
        prop_assert_eq!(decided.batch.balance.micros(), balance);
        prop_assert_eq!(decided.batch.version, sequence);
    }

    #[test]
    fn what_is_refused_leaves_no_trace(asks in asks(), start in 0i64..100_000_000) {
        let commands: Vec<_> = asks.iter().zip(1..).map(|(ask, n)| command(ask, n)).collect();
        let before = WalletRow { balance: Money::from_micros(start), version: 0, fence: 0 };
        let all = decide(org(1), before, &commands, epoch());
        let taken = commands.iter().zip(&all.verdicts).filter(|(_, verdict)| verdict.is_ok());
        let without = decide(org(1), before, taken.map(|(command, _)| command), epoch());
        prop_assert_eq!(format!("{:?}", all.batch), format!("{:?}", without.batch));
    }
}

#[test]
fn an_amount_out_of_range_is_refused_whole() {
    let before = WalletRow { balance: Money::from_micros(i64::MAX - 5), version: 0, fence: 0 };
    let command =
        Command::Refund(vec![refund_of(org(1), 1, "0.000003"), refund_of(org(1), 2, "0.000003")]);
    let decided = decide(org(1), before, [&command], epoch());
    assert_eq!(decided.verdicts, [Err(Refused::OutOfRange)]);
    assert!(decided.batch.items.is_empty());
    assert_eq!(decided.batch.version, 0);
}

#[test]
fn a_refusal_says_what_is_there_after_the_commands_before_it() {
    let before = WalletRow { balance: money("100"), version: 0, fence: 0 };
    let commands = [
        Command::Debit(vec![debit_of(org(1), 1, "80")]),
        Command::Debit(vec![debit_of(org(1), 2, "30")]),
        credit(1, "15"),
        Command::Debit(vec![debit_of(org(1), 3, "35")]),
    ];
    let decided = decide(org(1), before, &commands, epoch());
    let refused = Refused::InsufficientFunds { balance: money("20"), needed: money("30") };
    assert_eq!(decided.verdicts, [Ok(0), Err(refused), Ok(1), Ok(2)]);
}

#[test]
fn a_fee_is_charged_with_its_link_and_month_or_refused_whole() {
    let before = WalletRow { balance: money("1.2"), version: 4, fence: 0 };
    let commands = [link_fee(1, "0.5"), link_fee(2, "0.5"), link_fee(3, "0.5")];
    let decided = decide(org(1), before, &commands, epoch());
    let refused = Refused::InsufficientFunds { balance: money("0.2"), needed: money("0.5") };
    assert_eq!(decided.verdicts, [Ok(0), Ok(1), Err(refused)]);
    assert_eq!(decided.batch.balance, money("0.2"));
    let Command::LinkFee(first) = &commands[0] else { panic!() };
    let item = &decided.batch.items[0];
    let (entry, charged) = (&item.entries[0], item.fees[0]);
    assert_eq!((entry.kind, entry.amount), (EntryKind::LinkFee, money("-0.5")));
    assert_eq!((entry.sequence, entry.balance_after), (5, money("0.7")));
    assert_eq!((entry.link_id, entry.operation_id), (Some(first.fee.link_id), None));
    assert_eq!((entry.iccid.as_deref(), &*entry.description), (Some("8900"), "Link fee: 2026-12"));
    assert_eq!((charged.fee, charged.entry_id), (first.fee, entry.id));
    assert!(!charged.was_due && item.opened.is_empty() && item.fees_returned.is_empty());
}

#[test]
fn a_reactivation_pays_the_fee_that_is_due_and_its_refund_returns_it() {
    let before = WalletRow { balance: money("1"), version: 0, fence: 0 };
    let (debit, refund) = reactivation_of(org(1), 1, "0.5");
    let decided = decide(org(1), before, [&debit, &refund], epoch());
    assert_eq!(decided.verdicts, [Ok(0), Ok(1)]);
    assert_eq!(decided.batch.balance, before.balance);
    let [paid, back] = &decided.batch.items[..] else { panic!() };
    let entry = &paid.entries[0];
    assert_eq!((entry.kind, entry.amount), (EntryKind::LinkFee, money("-0.5")));
    assert_eq!((paid.opened.len(), paid.fees.len()), (1, 1));
    assert!(paid.fees[0].was_due);
    assert_eq!(paid.fees[0].fee.month.to_string(), "2026-12");
    assert_eq!((back.fees.len(), back.closed.len()), (0, 1));
    assert_eq!(back.fees_returned, [(paid.fees[0].fee.link_id, entry.id)]);
    assert_eq!(back.entries[0].refund_of, Some(entry.id));
}

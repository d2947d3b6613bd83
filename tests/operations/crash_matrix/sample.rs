//! The cells that are always played: each point at least once, each kind, each outcome, each way
//! for a life to end, and a death of who brings to its end what another death has left.

use super::cell::{Cell, End};
use super::kind::Kind;
use super::outcome::Outcome;

pub const CELLS: [&str; 38] = [
    "CreateEsim × Yes × store.claim_sim@1",
    "CreateEsim × Yes × ledger.commit@1",
    "CreateEsim × Yes × operator.create_endpoint@1",
    "CreateEsim × Yes × ledger.commit@2",
    "CreateEsim × Yes × told",
    "CreateEsim × No × store.release_sim@1",
    "CreateEsim × InUse × store.retire_sim@1",
    "CreateEsim × InUse × store.rewrite_request@1",
    "CreateEsim × InUse × operator.create_endpoint@2",
    "CreateEsim × LostYes × operator.find_endpoint@1",
    "CreateEsim × LateYes × operator.set_status@1",
    "CreateEsim × Hang × in flight",
    "CreateEsim × Yes × operator.create_endpoint@1 × store.claim_due@1",
    "CreatePhysical × Yes × store.claim_stock_sim@1",
    "CreatePhysical × Garbage × operator.create_endpoint@1",
    "Topup × LateYes × in flight",
    "Topup × LostYes × operator.get_endpoint@1",
    "Topup × Error × operator.add_plan@1",
    "TopupGroup × Wrapped × operator.add_plan@2",
    "TopupGroup × LateYes × operator.remove_plan@1",
    "TopupGroup × Yes × operator.add_plan@2 × ledger.commit@1",
    "RemovePlans × Yes × store.close_operation@1",
    "RemovePlans × Down × store.reschedule@1",
    "RemovePlans × Hang × operator.remove_plan@2",
    "Suspend × LostYes × store.open_operation@1",
    "Suspend × Hang × operator.set_status@1",
    "Reactivate × Yes × operator.set_status@1",
    "ReactivateOwing × Yes × ledger.commit@1",
    "ReactivateOwing × LateYes × store.open_suspensions@1",
    "Rename × Yes × store.open_operation@1",
    "SendSms × Yes × ledger.commit@1",
    "SendSms × Yes × operator.send_sms@1",
    "SendSms × LostYes × operator.find_sms@1",
    "SendSms × Yes × store.sms_handed_over@1",
    "SendSms × Yes × operator.get_sms@1 × store.sms_ended@1",
    "SendSms × Garbage × operator.send_sms@1",
    "MonthlyFees × Yes × store.waive@1",
    "MonthlyFees × Yes × store.complete@1",
];

/// Those in which a service stands still while another takes over, for which it takes a database
/// that two may use.
pub const STOPS: [&str; 10] = [
    "CreateEsim × Yes × stop ledger.commit@1",
    "CreateEsim × LateYes × stop operator.create_endpoint@1",
    "TopupGroup × Yes × stop operator.add_plan@2",
    "Topup × LateYes × stop operator.remove_plan@1",
    "RemovePlans × Yes × stop store.close_operation@1",
    "ReactivateOwing × Yes × stop operator.set_status@1",
    "SendSms × Yes × stop store.claim_due@1",
    "SendSms × Yes × stop store.claim_due@1 × stop store.rewrite_request@1",
    "RemovePlans × Yes × stop store.close_operation@1 × stop store.claim_due@1",
    "MonthlyFees × Yes × stop store.waive@1",
];

/// The cell of a name, as cells are shown.
pub fn parse(name: &str) -> Cell {
    let mut words = name.split(" × ");
    let (kind, outcome) = (words.next().unwrap(), words.next().unwrap());
    let kind = Kind::ALL.into_iter().find(|known| format!("{known:?}") == kind);
    let outcome = Outcome::ALL.into_iter().find(|known| format!("{known:?}") == outcome);
    let end = |word: &str| match (word, word.split_once('@')) {
        (_, Some((point, nth))) if point.starts_with("stop ") => {
            End::Stop(point["stop ".len()..].to_owned(), nth.parse().unwrap())
        }
        ("in flight", _) => End::InFlight,
        ("told", _) => End::Told,
        (_, Some((point, nth))) => End::Point(point.to_owned(), nth.parse().unwrap()),
        _ => panic!("{word} is no end"),
    };
    Cell {
        kind: kind.unwrap_or_else(|| panic!("{name}: no such kind")),
        outcome: outcome.unwrap_or_else(|| panic!("{name}: no such outcome")),
        ends: words.map(end).collect(),
    }
}

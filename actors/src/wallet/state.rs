//! What a wallet decides: pure, no clock, no I/O.
//!
//! **Invariants.** The balance never goes below zero; entry n has sequence n; the balance after
//! each entry is the balance before it plus its amount; a command is taken whole or not at all.

use crate::model::{
    Activation, Answer, ChargedFee, Cleanup, EntryId, EntryKind, Failure, LedgerEntry, Link,
    LinkFee, Money, Operation, OperationId, OperationKind, OperationState, OrgId, Request, Sms,
    Timestamp,
};
use crate::ports::{Batch, Closing, Planned, WalletRow};

/// A charge that opens an operation. One without a `debit_id` charges nothing: it is recorded, and
/// nothing is entered.
#[derive(Clone, Debug, PartialEq)]
pub struct Debit {
    /// The operation, pending; its `amount` is charged under its `debit_id`.
    pub operation: Operation,
    /// The ledger entry's id; the same as the operation's `debit_id`.
    pub entry_id: EntryId,
    /// The card, where known.
    pub iccid: Option<String>,
    /// The plan's name.
    pub plan_name: Option<String>,
    /// A sentence for the ledger.
    pub description: String,
    /// The SMS that is queued with it.
    pub sms: Option<Box<Sms>>,
}

/// The good end of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The operation.
    pub operation_id: OperationId,
    /// The epoch it is held under.
    pub epoch: i64,
    /// The Link it made.
    pub link: Option<Link>,
    /// The activation it made.
    pub activation: Activation,
    /// What to repeat for its idempotency key.
    pub answer: Option<Box<Answer>>,
}

/// The bad end of an operation: its debit is given back.
#[derive(Clone, Debug, PartialEq)]
pub struct RefundOrder {
    /// The operation as it was debited.
    pub debit: Debit,
    /// The refund's ledger entry.
    pub entry_id: EntryId,
    /// The epoch it is held under.
    pub epoch: i64,
    /// Why it failed.
    pub failure: Failure,
    /// Whether the operator may hold something of it.
    pub cleanup: Cleanup,
    /// When the resolver shall look at it.
    pub due_at: Option<Timestamp>,
}

/// Money paid in, or corrected by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Credit {
    /// The ledger entry's id.
    pub entry_id: EntryId,
    /// [`EntryKind::Credit`] or [`EntryKind::Adjustment`].
    pub kind: EntryKind,
    /// Negative only for adjustments.
    pub amount: Money,
    /// The payer's reference, unique in the organization.
    pub reference: Option<String>,
    /// A sentence for the ledger.
    pub description: String,
}

/// A Link's monthly fee, charged by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct FeeCharge {
    /// The ledger entry's id.
    pub entry_id: EntryId,
    /// The fee.
    pub fee: LinkFee,
    /// The Link's card.
    pub iccid: String,
}

/// What a wallet is asked to do. Lists belong together: all or nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Charge a group of operations.
    Debit(Vec<Debit>),
    /// End a group well.
    Settle(Vec<Settlement>),
    /// End a group badly.
    Refund(Vec<RefundOrder>),
    /// Pay in, or correct.
    Credit(Credit),
    /// Charge a Link's monthly fee.
    LinkFee(FeeCharge),
}

impl Command {
    /// Its kind, in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Debit(_) => "debit",
            Self::Settle(_) => "settle",
            Self::Refund(_) => "refund",
            Self::Credit(_) => "credit",
            Self::LinkFee(_) => "link_fee",
        }
    }

    /// Whether it takes money out that must not be taken when nobody waits for it any more.
    pub fn is_charge(&self) -> bool {
        matches!(self, Self::Debit(_) | Self::LinkFee(_))
    }
}

/// Why a wallet says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The balance does not cover it.
    #[error("the balance of {balance} does not cover {needed}")]
    InsufficientFunds {
        /// What is there.
        balance: Money,
        /// What is asked for.
        needed: Money,
    },
    /// The sum would be out of range.
    #[error("the amount is out of range")]
    OutOfRange,
}

/// The commands of one commit, decided in order.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What to write; its items are the commands that were taken, in order.
    pub batch: Batch,
    /// For each command: its item's place in the batch, or why it was refused.
    pub verdicts: Vec<Result<usize, Refused>>,
}

/// Decides commands in order on a wallet as it stands.
pub fn decide<'a>(
    org_id: OrgId,
    before: WalletRow,
    commands: impl IntoIterator<Item = &'a Command>,
    at: Timestamp,
) -> Decided {
    let mut state = State { balance: before.balance, version: before.version };
    let mut items = Vec::new();
    let mut verdicts = Vec::new();
    for command in commands {
        verdicts.push(state.apply(command).map(|(next, planned)| {
            state = next;
            items.push(planned);
            items.len() - 1
        }));
    }
    let batch = Batch { org_id, at, before, balance: state.balance, version: state.version, items };
    Decided { batch, verdicts }
}

#[derive(Clone, Copy)]
struct State {
    balance: Money,
    version: i64,
}

impl State {
    /// The state after a command, and what it writes.
    fn apply(self, command: &Command) -> Result<(Self, Planned), Refused> {
        let mut state = self;
        let mut planned = Planned::default();
        match command {
            Command::Debit(debits) => {
                let needed = Money::checked_sum(debits.iter().map(|d| d.operation.amount))
                    .ok_or(Refused::OutOfRange)?;
                if needed > self.balance {
                    return Err(Refused::InsufficientFunds { balance: self.balance, needed });
                }
                for debit in debits {
                    let amount = debit.operation.amount.negated();
                    if debit.operation.debit_id.is_some() {
                        planned.entries.push(state.append(debit_entry(debit, amount))?);
                    }
                    planned.opened.push(debit.operation.clone());
                    planned.sms.extend(debit.sms.as_deref().cloned());
                    planned.fees.extend(fee_paid(debit));
                }
            }
            Command::Settle(settlements) => {
                for settlement in settlements {
                    planned.links.extend(settlement.link.clone());
                    planned.activations.push(settlement.activation.clone());
                    planned.closed.push(Closing {
                        operation_id: settlement.operation_id,
                        epoch: settlement.epoch,
                        state: OperationState::Succeeded,
                        failure: None,
                        cleanup: Cleanup::None,
                        lease_until: None,
                        answer: settlement.answer.clone(),
                    });
                }
            }
            Command::Refund(refunds) => {
                for refund in refunds {
                    let operation = &refund.debit.operation;
                    let charged = operation.debit_id.is_some();
                    if charged {
                        planned.entries.push(state.append(refund_entry(refund))?);
                    }
                    if operation.kind == OperationKind::SendSms {
                        planned.sms_failed.push(operation.id);
                    }
                    if let Some(paid) = fee_paid(&refund.debit) {
                        planned.fees_returned.push((paid.fee.link_id, paid.entry_id));
                    }
                    planned.closed.push(Closing {
                        operation_id: operation.id,
                        epoch: refund.epoch,
                        state: if charged {
                            OperationState::Refunded
                        } else {
                            OperationState::Rejected
                        },
                        failure: Some(refund.failure),
                        cleanup: refund.cleanup,
                        lease_until: refund.due_at,
                        answer: None,
                    });
                }
            }
            Command::Credit(credit) => {
                let after = self.balance.checked_add(credit.amount).ok_or(Refused::OutOfRange)?;
                if after.is_negative() {
                    let needed = credit.amount.negated();
                    return Err(Refused::InsufficientFunds { balance: self.balance, needed });
                }
                planned.entries.push(state.append(credit_entry(credit))?);
            }
            Command::LinkFee(charge) => {
                let needed = charge.fee.amount;
                if needed > self.balance {
                    return Err(Refused::InsufficientFunds { balance: self.balance, needed });
                }
                planned.entries.push(state.append(fee_entry(charge))?);
                let (fee, entry_id) = (charge.fee, charge.entry_id);
                planned.fees.push(ChargedFee { fee, was_due: false, entry_id });
            }
        }
        Ok((state, planned))
    }

    /// Gives an entry its sequence and the balance after it.
    fn append(&mut self, mut entry: LedgerEntry) -> Result<LedgerEntry, Refused> {
        let balance = self.balance.checked_add(entry.amount).ok_or(Refused::OutOfRange)?;
        let version = self.version.checked_add(1).ok_or(Refused::OutOfRange)?;
        (self.balance, self.version) = (balance, version);
        entry.sequence = version;
        entry.balance_after = balance;
        Ok(entry)
    }
}

fn debit_entry(debit: &Debit, amount: Money) -> LedgerEntry {
    let operation = &debit.operation;
    LedgerEntry {
        id: debit.entry_id,
        sequence: 0,
        kind: match operation.kind {
            OperationKind::CreateLink => EntryKind::Activation,
            OperationKind::Topup | OperationKind::RemovePlan => EntryKind::Topup,
            OperationKind::UpdateLink => EntryKind::LinkFee,
            OperationKind::SendSms => EntryKind::Sms,
        },
        amount,
        balance_after: Money::ZERO,
        link_id: Some(operation.link_id),
        iccid: debit.iccid.clone(),
        activation_id: operation.activation_id,
        plan_id: operation.plan_id,
        plan_name: debit.plan_name.clone(),
        refund_of: None,
        operation_id: Some(operation.id),
        reference: None,
        description: debit.description.clone(),
    }
}

fn refund_entry(refund: &RefundOrder) -> LedgerEntry {
    let operation = &refund.debit.operation;
    LedgerEntry {
        id: refund.entry_id,
        kind: EntryKind::Refund,
        refund_of: Some(refund.debit.entry_id),
        description: format!("Refund: {}", refund.debit.description),
        ..debit_entry(&refund.debit, operation.amount)
    }
}

/// The fee that an operation pays to reactivate its Link.
fn fee_paid(debit: &Debit) -> Option<ChargedFee> {
    let Request::UpdateLink { fee: Some(month), .. } = debit.operation.request else { return None };
    let (link_id, amount) = (debit.operation.link_id, debit.operation.amount);
    let fee = LinkFee { link_id, month, amount };
    Some(ChargedFee { fee, was_due: true, entry_id: debit.entry_id })
}

fn fee_entry(charge: &FeeCharge) -> LedgerEntry {
    LedgerEntry {
        id: charge.entry_id,
        sequence: 0,
        kind: EntryKind::LinkFee,
        amount: charge.fee.amount.negated(),
        balance_after: Money::ZERO,
        link_id: Some(charge.fee.link_id),
        iccid: Some(charge.iccid.clone()),
        activation_id: None,
        plan_id: None,
        plan_name: None,
        refund_of: None,
        operation_id: None,
        reference: None,
        description: charge.fee.description(),
    }
}

fn credit_entry(credit: &Credit) -> LedgerEntry {
    LedgerEntry {
        id: credit.entry_id,
        sequence: 0,
        kind: credit.kind,
        amount: credit.amount,
        balance_after: Money::ZERO,
        link_id: None,
        iccid: None,
        activation_id: None,
        plan_id: None,
        plan_name: None,
        refund_of: None,
        operation_id: None,
        reference: credit.reference.clone(),
        description: credit.description.clone(),
    }
}

//! The database, as the core sees it.
//!
//! **Invariants** an implementation holds: [`Store::commit`] is all or nothing for its wallet; the
//! swap on version and fence is part of the same transaction as everything else in the batch;
//! a write that carries an epoch changes nothing where the epoch has moved on.

use super::{Connectivity, SimCard, SmsReport};
use crate::model::{
    Activation, ActivationId, Answer, ChargedFee, Cleanup, EntryId, EsimProfile, Failure,
    LedgerEntry, Link, LinkFee, LinkId, LinkSnapshot, LinkStatus, Money, Month, NameChange,
    Operation, OperationId, OperationState, OrgId, Plan, PlanId, Request, SimKind, Sms, SmsStatus,
    Timestamp, Volume,
};
use crate::model::{ActivationStatus, Currency};
use async_trait::async_trait;
use std::sync::Arc;

/// How the database failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be asked; nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The answer to a commit was lost: it may have taken effect, or may yet.
    #[error("the outcome of a commit is not known: {0}")]
    Unknown(String),
    /// It refused what must not be refused, or holds what cannot be read: a defect.
    #[error("the database and the program disagree: {0}")]
    Broken(String),
}

/// A wallet's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletRow {
    /// What is in it.
    pub balance: Money,
    /// How many ledger entries it has.
    pub version: i64,
    /// Raised to shut out a commit whose outcome was lost.
    pub fence: i64,
}

/// How an operation ends, or changes on its way there.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// The operation.
    pub operation_id: OperationId,
    /// The epoch it is held under.
    pub epoch: i64,
    /// Its end.
    pub state: OperationState,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whether the operator may hold something of it.
    pub cleanup: Cleanup,
    /// When the resolver shall look at it; none: never again.
    pub lease_until: Option<Timestamp>,
    /// What to repeat for its idempotency key.
    pub answer: Option<Box<Answer>>,
}

/// What one command writes.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Ledger entries.
    pub entries: Vec<LedgerEntry>,
    /// Operations that begin.
    pub opened: Vec<Operation>,
    /// Operations that end.
    pub closed: Vec<Closing>,
    /// New Links.
    pub links: Vec<Link>,
    /// New activations, each adding its volume to its Link.
    pub activations: Vec<Activation>,
    /// SMS that are queued.
    pub sms: Vec<Sms>,
    /// Queued SMS that were never handed over and have failed.
    pub sms_failed: Vec<OperationId>,
    /// Link fees that entries charge.
    pub fees: Vec<ChargedFee>,
    /// Link fees that are due again, because the entry that paid them is refunded.
    pub fees_returned: Vec<(LinkId, EntryId)>,
}

/// What goes down together for one wallet.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose wallet.
    pub org_id: OrgId,
    /// When it was decided.
    pub at: Timestamp,
    /// The wallet it was decided on.
    pub before: WalletRow,
    /// The balance after it.
    pub balance: Money,
    /// The version after it.
    pub version: i64,
    /// What it writes, a command at a time.
    pub items: Vec<Planned>,
}

/// Why one command of a batch cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Its idempotency key stands for another attempt that runs or succeeded.
    KeyTaken,
    /// Its operation is already recorded.
    AlreadyOpen,
    /// Its operation has ended, or another instance has taken it over.
    EpochLost,
    /// Its credit reference was used before.
    ReferenceTaken,
    /// Its card is another Link's.
    SimTaken,
    /// Another operation that must come first runs on the same Link.
    LinkBusy,
    /// The fee of its Link and month was charged, fell due or was waived already.
    FeeTaken,
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// All is written.
    Committed,
    /// Nothing is written: the wallet has changed since it was read.
    Stale,
    /// Nothing is written: these commands, by their place in the batch, cannot be.
    Guarded(Vec<(usize, Guard)>),
}

/// How recording an operation that charges nothing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenOutcome {
    /// Recorded.
    Opened,
    /// Its idempotency key stands for another attempt.
    KeyTaken,
    /// Another operation that must come first runs on the same Link.
    LinkBusy,
    /// It reactivates a Link of which a fee is due, and pays none.
    FeeDue,
}

/// Why a Link is suspended by the platform itself, or a suspension undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// Its fee falls due now, because the balance does not cover it.
    FallsDue(LinkFee),
    /// A fee that fell due earlier was not paid, and the Link is active with us all the same.
    Owing,
    /// It is suspended with us, and serves at the operator: a reactivation took effect after its
    /// refund, or after it was suspended again.
    Off,
    /// It is active with us, and off at the operator: a suspension took effect after it was
    /// reactivated. It is switched on again.
    Undone,
}

/// The suspension of a Link by the platform itself, or the undoing of one, to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspending {
    /// The operation that drives the operator to it; charges nothing.
    pub operation: Operation,
    /// When the resolver shall carry it out.
    pub lease_until: Timestamp,
    /// Why.
    pub because: Suspension,
}

/// How recording a suspension by the platform itself ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspensionOutcome {
    /// Recorded, with the fee that falls due.
    Opened,
    /// Another operation that must come first runs on the Link.
    LinkBusy,
    /// There is no reason (any more), or the Link is inactive.
    Unfounded,
    /// The balance covers the fee by now: it does not fall due, but is to be charged.
    Covered,
}

/// How claiming a physical card of an organization's stock ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockClaim {
    /// It is the operation's.
    Claimed(SimCard),
    /// The organization has no such card.
    NotInStock,
    /// It is a Link's, or another operation's, which is told.
    InUse(Option<OperationId>),
    /// Plans of another sponsor run on it.
    OtherSponsor,
}

/// What the end of an operation that charges nothing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// Nothing.
    None,
    /// The Link's status, where given, and its name.
    Update {
        /// The new status.
        status: Option<LinkStatus>,
        /// What becomes of the name.
        name: NameChange,
    },
    /// The activation is cancelled.
    Cancel(ActivationId),
}

/// Which of the operations that are due are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    /// The resolver's: all but SMS.
    Operations,
    /// SMS that are to be handed over, or looked for.
    SmsToSend,
    /// SMS that the operator has taken, to be asked after.
    SmsUnderWay,
}

/// An operation taken over by the resolver, under a new epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The operation.
    pub operation: Operation,
    /// When the resolver was asked to look.
    pub due_at: Timestamp,
}

/// What the operator said of a Link's use, to be kept as last known.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageReading {
    /// The Link's status, where the operator's differs for good (terminated).
    pub terminated: bool,
    /// Each activation: use, status, first use.
    pub activations: Vec<(ActivationId, Volume, ActivationStatus, Option<Timestamp>)>,
    /// The profile's state, if it could be read.
    pub profile: Option<EsimProfile>,
    /// When it was read.
    pub at: Timestamp,
}

/// What the operator said of where a Link's card is, to be kept as last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectivityReading {
    /// What it said.
    pub connectivity: Connectivity,
    /// When it was read.
    pub at: Timestamp,
}

/// The database.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A wallet as it stands.
    async fn wallet(&self, org: OrgId) -> Result<Option<WalletRow>, StoreError>;
    /// Raises the fence and reads the wallet: afterwards no earlier batch can take effect.
    async fn fence_wallet(&self, org: OrgId) -> Result<Option<WalletRow>, StoreError>;
    /// The currency of an organization's wallet.
    async fn currency(&self, org: OrgId) -> Result<Option<Currency>, StoreError>;
    /// Writes a batch.
    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError>;

    /// An operation.
    async fn operation(&self, org: OrgId, id: OperationId)
    -> Result<Option<Operation>, StoreError>;
    /// How far an operation is, whatever else is recorded of it.
    async fn operation_state(
        &self,
        org: OrgId,
        id: OperationId,
    ) -> Result<Option<OperationState>, StoreError>;
    /// All operations of a group, in order.
    async fn operation_group(
        &self,
        org: OrgId,
        group: OperationId,
    ) -> Result<Vec<Operation>, StoreError>;
    /// Records an operation that charges nothing, leased until `lease_until`.
    async fn open_operation(
        &self,
        operation: Operation,
        lease_until: Timestamp,
    ) -> Result<OpenOutcome, StoreError>;
    /// Ends an operation that charges nothing, with what it changes; `false` where its epoch has
    /// moved on or it has ended.
    async fn close_operation(
        &self,
        org: OrgId,
        link: LinkId,
        closing: Closing,
        change: LinkChange,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Changes what an operation is about to send; `false` where its epoch has moved on.
    async fn rewrite_request(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        request: Request,
    ) -> Result<bool, StoreError>;
    /// Takes over up to `limit` operations that are due, each until `lease_until`.
    async fn claim_due(
        &self,
        which: Due,
        now: Timestamp,
        lease_until: Timestamp,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError>;
    /// Takes over one operation whether due or not; none where it has nothing left to do.
    async fn claim_operation(
        &self,
        org: OrgId,
        id: OperationId,
        lease_until: Timestamp,
    ) -> Result<Option<Claimed>, StoreError>;
    /// Puts an operation back, to be looked at at `due_at` (none: never again); `false` where its
    /// epoch has moved on.
    async fn reschedule(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        cleanup: Cleanup,
        due_at: Option<Timestamp>,
    ) -> Result<bool, StoreError>;

    /// The fee that is due of a Link: fallen, not covered, and not paid since.
    async fn due_fee(&self, org: OrgId, link: LinkId) -> Result<Option<LinkFee>, StoreError>;
    /// Whether a Link's fee of a month is charged by this entry.
    async fn is_fee_charged(
        &self,
        org: OrgId,
        link: LinkId,
        month: Month,
        entry: EntryId,
    ) -> Result<bool, StoreError>;
    /// Records suspensions by the platform itself, together with the fees that fall due; says of each, in order,
    /// how that ended.
    async fn open_suspensions(
        &self,
        org: OrgId,
        suspensions: Vec<Suspending>,
    ) -> Result<Vec<SuspensionOutcome>, StoreError>;

    /// Gives a free card to an operation, and to no other.
    async fn claim_sim(
        &self,
        sponsor_id: &str,
        kind: SimKind,
        operation: OperationId,
        at: Timestamp,
    ) -> Result<Option<SimCard>, StoreError>;
    /// Gives a physical card of an organization's stock to an operation, and to no other, if plans
    /// of the sponsor run on it. A card that was claimed before `stale` for an operation that was
    /// never recorded is free, and so is one whose operation was refunded with nothing of it left
    /// at the operator.
    async fn claim_stock_sim(
        &self,
        org: OrgId,
        iccid: &str,
        sponsor_id: &str,
        operation: OperationId,
        at: Timestamp,
        stale: Timestamp,
    ) -> Result<StockClaim, StoreError>;
    /// Gives a claimed card back to the pool or the stock.
    async fn release_sim(&self, iccid: &str, operation: OperationId) -> Result<(), StoreError>;
    /// Marks a card as never to be given out again.
    async fn retire_sim(&self, iccid: &str) -> Result<(), StoreError>;
    /// A card, for the settlement of an operation.
    async fn sim(&self, iccid: &str) -> Result<Option<SimCard>, StoreError>;
    /// Adds cards that are not yet known; says how many were new.
    async fn add_sims(&self, sims: Vec<SimCard>, at: Timestamp) -> Result<u64, StoreError>;
    /// The highest ICCID known of a sponsor's cards of a kind.
    async fn last_sim(&self, sponsor_id: &str, kind: SimKind)
    -> Result<Option<String>, StoreError>;
    /// How many free cards of a sponsor there are, counted up to `limit`.
    async fn free_sims(
        &self,
        sponsor_id: &str,
        kind: SimKind,
        limit: i64,
    ) -> Result<i64, StoreError>;
    /// Frees the cards claimed before `before` whose operation was never recorded.
    async fn free_stale_claims(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// How often this process has changed a Link, top-ups aside; none where others may have as well.
    /// What was read of it before stands while this is the same.
    fn row_revision(&self, link: LinkId) -> Option<u64>;
    /// A Link.
    async fn link(&self, org: OrgId, id: LinkId) -> Result<Option<Link>, StoreError>;
    /// The Link with an ICCID.
    async fn link_by_iccid(&self, org: OrgId, iccid: &str) -> Result<Option<Link>, StoreError>;
    /// A Link as it stands at `now`, with its activations in force and the newest 100 others: one
    /// whose time is over is expired, whether that is stored yet or not.
    async fn link_snapshot(
        &self,
        org: OrgId,
        id: LinkId,
        now: Timestamp,
    ) -> Result<Option<LinkSnapshot>, StoreError>;
    /// An activation of a Link.
    async fn activation(
        &self,
        org: OrgId,
        link: LinkId,
        id: ActivationId,
    ) -> Result<Option<Activation>, StoreError>;
    /// Keeps what the operator said of a Link's use.
    async fn record_usage(
        &self,
        org: OrgId,
        link: LinkId,
        reading: UsageReading,
    ) -> Result<(), StoreError>;
    /// Stores that activations whose time is over at `now` are expired, and takes them off their
    /// Links' volumes: on the Links of the `limit` that are over for longest. Says how many; Links
    /// that someone else is just changing are left for the next time.
    async fn expire_activations(&self, now: Timestamp, limit: i64) -> Result<u64, StoreError>;
    /// Keeps what the operator said of where a Link's card is, unless a newer reading is kept.
    async fn record_connectivity(
        &self,
        org: OrgId,
        link: LinkId,
        reading: ConnectivityReading,
    ) -> Result<(), StoreError>;
    /// What the operator last said of where a Link's card is.
    async fn last_connectivity(
        &self,
        org: OrgId,
        link: LinkId,
    ) -> Result<Option<ConnectivityReading>, StoreError>;
    /// A plan, at the price of no organization (zero).
    async fn plan(&self, id: PlanId) -> Result<Option<Plan>, StoreError>;
    /// An SMS.
    async fn sms(&self, org: OrgId, id: OperationId) -> Result<Option<Sms>, StoreError>;
    /// Ends the operation of a queued SMS well: the operator has taken it. `due_at`: when to ask
    /// how far it is; `false` where its epoch has moved on or it has ended.
    async fn sms_handed_over(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        report: SmsReport,
        due_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Ends an SMS that the operator has taken; nothing asks after it any more. Changes nothing
    /// where it has ended.
    async fn sms_ended(
        &self,
        org: OrgId,
        id: OperationId,
        status: SmsStatus,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// A ledger entry's amount and description, for the refund of a debit.
    async fn debit_of(
        &self,
        org: OrgId,
        operation: OperationId,
    ) -> Result<Option<(EntryId, LedgerEntry)>, StoreError>;
}

/// What an organization may buy.
#[async_trait]
pub trait Offers: Send + Sync + 'static {
    /// A plan at the organization's price; none where it is unknown or not enabled for it. May be
    /// up to a second old.
    async fn plan(&self, org: OrgId, id: PlanId) -> Result<Option<Arc<Plan>>, StoreError>;
}

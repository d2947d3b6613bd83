//! What the core needs from the outside, as traits. The shell implements them; tests and the
//! simulation implement them otherwise.

mod environment;
mod fees;
mod operator;
mod store;

pub use environment::{Clock, Ids};
pub use fees::{Candidate, FeeBook, Payer};
pub use operator::{
    AccessToken, CallError, CatalogueItem, CataloguePage, Connectivity, ConnectivityState,
    Endpoint, EndpointStatus, InstanceState, NetworkInfo, NewEndpoint, Operator, PlanInstance,
    Refusal, Removal, SimCard, SmsReport, SmsState, UnknownCause,
};
pub use store::{
    Batch, Claimed, Closing, CommitOutcome, ConnectivityReading, Due, Guard, LinkChange, Offers,
    OpenOutcome, Planned, StockClaim, Store, StoreError, Suspending, Suspension, SuspensionOutcome,
    UsageReading, WalletRow,
};

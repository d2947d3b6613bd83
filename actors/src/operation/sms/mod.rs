//! SMS: charged and queued for a caller who does not wait, handed over behind his back, and asked
//! after until they are delivered.
//!
//! [`queue()`] is what `POST /sms` does. [`SmsSender`] works through the queue on every instance;
//! [`hand_over()`] and [`ask_after()`] are its two kinds of work, [`step`] what they decide by.
//!
//! **Invariants.** A message is sent at most once, ever: that it may have been sent is committed,
//! under the epoch of whoever sends it, before it is sent, and after that it is only looked for.
//! One that was found, or accepted, is never refunded. Absence is believed once nothing of it can
//! land any more.

mod ask_after;
mod hand_over;
mod queue;
mod sender;
mod step;

pub(super) use hand_over::hand_over;
pub(super) use queue::queue;
pub use sender::{SmsHandle, SmsSender};

use crate::operation::Services;
use std::time::Duration;

/// Waits for room at the operator, a part of a lease.
const PATIENCE: Duration = Duration::from_secs(2);

/// One look at the operator: it changes nothing, and another one comes.
const LOOK_TIMEOUT: Duration = Duration::from_secs(3);

/// For the database, before and after the calls to the operator.
const COMMIT_MARGIN: Duration = Duration::from_secs(2);

/// A message is one instance's for so long: room, a call, a look and the commits fit into it, so
/// that nobody takes it over from who is still at work.
fn lease(services: &Services) -> Duration {
    PATIENCE + services.gateway.call_timeout() + LOOK_TIMEOUT + COMMIT_MARGIN
}

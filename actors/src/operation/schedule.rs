//! When what could not be brought to its end is looked at again. Called by the resolver and by the
//! sender of SMS.

use crate::model::Timestamp;
use chrono::TimeDelta;

/// The first pause between looks, doubled each time.
const LOOK_AGAIN_MIN_S: i64 = 1;

/// The longest: what becomes certain in between shows within half a minute.
const LOOK_AGAIN_MAX_S: i64 = 30;

/// The next look after `attempts` of them: a little later each time but not past the time `by`
/// that decides.
pub(super) fn next_look(attempts: i32, now: Timestamp, by: Timestamp) -> Timestamp {
    let doubled = LOOK_AGAIN_MIN_S << attempts.clamp(0, 5);
    let later = now + TimeDelta::seconds(doubled.min(LOOK_AGAIN_MAX_S));
    if now < by { later.min(by) } else { later }
}

//! The plan instances of an endpoint and how they are used up.
//!
//! While a card is in use, its usage grows at a steady rate into the oldest instance that has
//! room, then the next; where none has, nothing is used. `settle` brings the figures up to a
//! time, and is called before everything that changes what stands. Setting usage stops the
//! growth for good: from then on it is what was set last.
//!
//! **Invariants:** instances are ordered by id; none before `open_from` can take usage again
//! (until usage is set), so settling passes each of them once.

use serde::{Deserialize, Serialize};

use super::instance::Instance;
use crate::sandbox::operator::{cards::Iccid, clock::Timestamp, ids::InstanceId, random::mix};

#[derive(Debug)]
pub(super) struct Plans {
    instances: Vec<Instance>,
    open_from: usize,
    settled_at: Timestamp,
    mb_per_second: f64,
    /// The card is in use and its endpoint active.
    in_use: bool,
    /// Usage was set, so it does not grow.
    set: bool,
}

/// The figures of usage, for compaction of the state file: what was used of which instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlansMeter {
    settled_at: Timestamp,
    set: bool,
    used: Vec<(InstanceId, f64, Option<Timestamp>)>,
}

impl PlansMeter {
    pub const fn settled_at(&self) -> Timestamp {
        self.settled_at
    }
}

impl Plans {
    #[expect(clippy::cast_precision_loss, reason = "a number below 100")]
    pub fn new(iccid: Iccid, now: Timestamp) -> Self {
        // Between 0.02 and 0.12 MB a second: 1 GB lasts from two hours and a half to a night.
        let mb_per_second = 0.02 + (mix(iccid.number()) % 100) as f64 / 1_000.0;
        Self {
            instances: Vec::with_capacity(1),
            open_from: 0,
            settled_at: now,
            mb_per_second,
            in_use: false,
            set: false,
        }
    }

    pub fn all(&self) -> &[Instance] {
        &self.instances
    }

    pub fn find(&self, id: InstanceId) -> Option<&Instance> {
        self.instances.get(self.position(id)?)
    }

    fn position(&self, id: InstanceId) -> Option<usize> {
        self.instances.binary_search_by_key(&id, |instance| instance.id).ok()
    }

    pub fn add(&mut self, instance: Instance) {
        self.settle(instance.activated_at);
        self.instances.push(instance);
    }

    pub fn remove(&mut self, id: InstanceId, now: Timestamp) {
        self.settle(now);
        let found = self.position(id).and_then(|at| self.instances.get_mut(at));
        if let Some(instance) = found {
            instance.removed = true;
        }
    }

    pub fn set_in_use(&mut self, in_use: bool, now: Timestamp) {
        self.settle(now);
        self.in_use = in_use;
    }

    /// Brings usage up to `now`.
    pub fn settle(&mut self, now: Timestamp) {
        let mut at = self.settled_at;
        if now <= at {
            return;
        }
        self.settled_at = now;
        if !self.in_use || self.set {
            return;
        }
        // Not past `now`: the next instance has not begun then, and must not be passed over.
        while at < now {
            let Some(instance) = self.instances.get_mut(self.open_from) else { return };
            let until = instance.expires_at().min(now);
            let room_mb = instance.total_mb() - instance.used_mb;
            if instance.removed || room_mb <= 0.0 || until <= at {
                self.open_from += 1;
                continue;
            }
            instance.first_used_at.get_or_insert(at);
            let growth_mb = self.mb_per_second * until.seconds_since(at);
            if growth_mb < room_mb {
                instance.used_mb += growth_mb;
                at = until;
            } else {
                instance.used_mb = instance.total_mb();
                at = at.plus_seconds(room_mb / self.mb_per_second);
            }
        }
    }

    /// Spreads `used_mb` over what stands, oldest first; what has no room is lost.
    #[expect(clippy::cast_precision_loss, reason = "megabytes are far below 2^53")]
    pub fn set_used(&mut self, used_mb: u64, now: Timestamp) {
        self.settle(now);
        self.set = true;
        let mut left_mb = used_mb as f64;
        for instance in self.instances.iter_mut().filter(|instance| instance.stands(now)) {
            instance.used_mb = left_mb.min(instance.total_mb());
            left_mb -= instance.used_mb;
            if instance.used_mb > 0.0 {
                instance.first_used_at.get_or_insert(now);
            } else {
                instance.first_used_at = None;
            }
        }
    }

    pub fn meter(&self) -> PlansMeter {
        let used = self.instances.iter().filter(|instance| instance.first_used_at.is_some());
        PlansMeter {
            settled_at: self.settled_at,
            set: self.set,
            used: used.map(|one| (one.id, one.used_mb, one.first_used_at)).collect(),
        }
    }

    pub fn restore(&mut self, meter: &PlansMeter) {
        self.settled_at = meter.settled_at;
        self.set = meter.set;
        self.open_from = 0;
        for (id, used_mb, first_used_at) in &meter.used {
            let found = self.position(*id).and_then(|at| self.instances.get_mut(at));
            if let Some(instance) = found {
                instance.used_mb = *used_mb;
                instance.first_used_at = *first_used_at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::operator::{
        cards::cards_after, catalogue::catalogue, ids::IdSource, state::instance::InstanceState,
    };

    fn at(seconds: f64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    fn plans() -> (IdSource, Plans) {
        let iccid = cards_after(None, None, None).next().unwrap().iccid();
        let mut plans = Plans::new(iccid, at(0.0));
        plans.mb_per_second = 1.0;
        (IdSource::new(), plans)
    }

    fn add(ids: &IdSource, plans: &mut Plans, seconds: f64) {
        plans.add(Instance {
            id: InstanceId::new(ids),
            plan: catalogue().plan("pacifica-fr-1gb-7d").unwrap(),
            reference: None,
            activated_at: at(seconds),
            used_mb: 0.0,
            first_used_at: None,
            removed: false,
        });
    }

    fn used(plans: &mut Plans, seconds: f64) -> Vec<f64> {
        plans.settle(at(seconds));
        plans.instances.iter().map(|instance| instance.used_mb.round()).collect()
    }

    #[test]
    fn usage_grows_only_while_the_card_is_in_use_and_fills_the_oldest_first() {
        let (ids, mut plans) = plans();
        add(&ids, &mut plans, 0.0);
        add(&ids, &mut plans, 0.0);
        assert_eq!(used(&mut plans, 500.0), [0.0, 0.0]);
        plans.set_in_use(true, at(500.0));
        assert_eq!(used(&mut plans, 1_000.0), [500.0, 0.0]);
        assert_eq!(used(&mut plans, 1_700.0), [1_000.0, 200.0]);
        assert_eq!(plans.instances[0].state(at(1_700.0)), InstanceState::Depleted);
        assert_eq!(plans.instances[1].first_used_at, Some(at(1_500.0)));
    }

    #[test]
    fn how_often_usage_is_read_does_not_change_it() {
        let (ids, mut often) = plans();
        let (_, mut once) = plans();
        for plans in [&mut often, &mut once] {
            add(&ids, plans, 0.0);
            add(&ids, plans, 0.0);
            plans.set_in_use(true, at(0.0));
        }
        for second in 1..=1_300 {
            often.settle(at(f64::from(second)));
        }
        assert_eq!(used(&mut often, 1_300.0), used(&mut once, 1_300.0));
    }

    #[test]
    fn a_plan_added_when_nothing_was_left_starts_at_zero() {
        let (ids, mut plans) = plans();
        add(&ids, &mut plans, 0.0);
        plans.set_in_use(true, at(0.0));
        add(&ids, &mut plans, 5_000.0);
        assert_eq!(used(&mut plans, 5_010.0), [1_000.0, 10.0]);
    }

    #[test]
    fn an_expired_plan_is_used_no_more() {
        let (ids, mut plans) = plans();
        let week = 7.0 * 86_400.0;
        add(&ids, &mut plans, 0.0);
        add(&ids, &mut plans, 1_000.0);
        plans.set_in_use(true, at(week - 10.0));
        assert_eq!(used(&mut plans, week + 5.0), [10.0, 5.0]);
    }

    #[test]
    fn usage_that_was_set_stays_and_is_spread_over_what_stands() {
        let (ids, mut plans) = plans();
        for _ in 0..3 {
            add(&ids, &mut plans, 0.0);
        }
        plans.set_in_use(true, at(0.0));
        plans.remove(plans.instances[0].id, at(0.0));
        plans.set_used(1_200, at(10.0));
        assert_eq!(used(&mut plans, 900.0), [0.0, 1_000.0, 200.0]);
        add(&ids, &mut plans, 900.0);
        assert_eq!(used(&mut plans, 990.0), [0.0, 1_000.0, 200.0, 0.0]);
        plans.set_used(0, at(1_000.0));
        assert_eq!(plans.instances[1].first_used_at, None);
    }
}

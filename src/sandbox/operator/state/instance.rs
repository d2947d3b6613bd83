//! A plan instance: one sale of a plan on an endpoint.

use serde::Serialize;

use super::Reference;
use crate::sandbox::operator::{catalogue::Plan, clock::Timestamp, ids::InstanceId};

/// Shown volumes are whole megabytes; this much is forgiven so that a sum of fractions which is
/// a whole number but for rounding shows as that number.
const ROUNDING_MB: f64 = 1e-6;

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub id: InstanceId,
    pub plan: &'static Plan,
    pub reference: Reference,
    /// It lasts from here.
    pub activated_at: Timestamp,
    /// As far as usage is settled; at most the plan's volume.
    pub used_mb: f64,
    /// `None` while nothing is used.
    pub first_used_at: Option<Timestamp>,
    pub removed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InstanceState {
    Active,
    Depleted,
    Expired,
    Removed,
}

impl Instance {
    #[expect(clippy::cast_precision_loss, reason = "volumes are far below 2^53 MB")]
    pub fn total_mb(&self) -> f64 {
        self.plan.data_mb as f64
    }

    pub fn expires_at(&self) -> Timestamp {
        self.activated_at.plus_days(self.plan.validity_days)
    }

    pub fn state(&self, now: Timestamp) -> InstanceState {
        if self.removed {
            InstanceState::Removed
        } else if now >= self.expires_at() {
            InstanceState::Expired
        } else if self.used_mb + ROUNDING_MB >= self.total_mb() {
            InstanceState::Depleted
        } else {
            InstanceState::Active
        }
    }

    /// Neither removed nor expired: usage that is set is spread over these.
    pub fn stands(&self, now: Timestamp) -> bool {
        !self.removed && now < self.expires_at()
    }

    pub fn view(&self, now: Timestamp) -> InstanceView<'_> {
        InstanceView {
            instance_id: self.id,
            plan_id: &self.plan.id,
            reference: self.reference.as_deref(),
            state: self.state(now),
            data_total_mb: self.plan.data_mb,
            data_used_mb: whole_mb(self.used_mb),
            first_used_at: self.first_used_at,
            activated_at: self.activated_at,
            expires_at: self.expires_at(),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and at most a plan's volume"
)]
fn whole_mb(mb: f64) -> u64 {
    (mb + ROUNDING_MB) as u64
}

/// A plan instance as the operator shows it.
#[derive(Serialize)]
pub(in super::super) struct InstanceView<'a> {
    instance_id: InstanceId,
    plan_id: &'a str,
    reference: Option<&'a str>,
    state: InstanceState,
    data_total_mb: u64,
    data_used_mb: u64,
    first_used_at: Option<Timestamp>,
    activated_at: Timestamp,
    expires_at: Timestamp,
}

//! What an audit prints.

use crate::cli::output::counted;
use crate::store::audit::{Audit, Violation};
use bappy_actors::model::OrgId;
use serde::Serialize;
use std::collections::HashMap;
use uuid::Uuid;

/// Whether the operator was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum OperatorCheck {
    #[serde(rename = "checked")]
    Checked,
    #[serde(rename = "not configured")]
    NotConfigured,
    #[serde(rename = "not reachable")]
    NotReachable,
}

/// The outcome of an audit.
#[derive(Serialize)]
pub(super) struct Report {
    pub clean: bool,
    in_flight: i64,
    watched: i64,
    manual: i64,
    pub violations: Vec<ViolationView>,
    operator: OperatorCheck,
}

/// A row that breaks the invariant.
#[derive(Serialize)]
pub(super) struct ViolationView {
    organization: String,
    rule: &'static str,
    subject: Uuid,
    detail: String,
}

impl Report {
    pub(super) fn new(
        found: Audit,
        slugs: &HashMap<OrgId, String>,
        operator: OperatorCheck,
    ) -> Self {
        let view = |Violation { org_id, rule, subject, detail }| {
            // One that is no longer listed is named by its id.
            let organization = slugs.get(&org_id).cloned().unwrap_or_else(|| org_id.to_string());
            ViolationView { organization, rule, subject, detail }
        };
        Self {
            clean: found.is_clean(),
            in_flight: found.in_flight,
            watched: found.watched,
            manual: found.manual,
            violations: found.violations.into_iter().map(view).collect(),
            operator,
        }
    }

    /// A line for each violation, and a summary.
    pub(super) fn lines(&self) -> String {
        let mut lines = String::new();
        for ViolationView { organization, rule, subject, detail } in &self.violations {
            lines.extend([
                organization,
                "  ",
                rule,
                "  ",
                &subject.to_string(),
                "  ",
                detail,
                "\n",
            ]);
        }
        let verdict = if self.clean { "Clean" } else { "Not clean" };
        let operator = match self.operator {
            OperatorCheck::Checked => "checked",
            OperatorCheck::NotConfigured => "not configured",
            OperatorCheck::NotReachable => "not reachable",
        };
        let (in_flight, watched, manual) = (self.in_flight, self.watched, self.manual);
        let violations = counted(self.violations.len() as u64, "violation");
        lines
            + &format!(
                "{verdict}: {violations}; {in_flight} in flight, {watched} watched, \
                 {manual} manual; operator {operator}"
            )
    }
}

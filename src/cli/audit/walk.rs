//! Walks over all Links, reads each endpoint at the operator, and keeps what differs for certain.
//!
//! **Invariant:** what is in flight is no violation: a difference counts only if it is found twice,
//! each time on rows read anew, with nothing pending or watched on the Link.

use super::compare::{self, Difference, References};
use super::upstream::{ReadError, Upstream};
use crate::cli::Failed;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::store::audit::{
    self, LinkInForce, LinkKey, RefundedLink, Violation, is_unsettled, link_in_force,
    links_in_force, refunded_links,
};
use crate::store::{DbError, organizations};
use bappy_actors::model::OrgId;
use bappy_actors::ports::Operator;
use futures_util::StreamExt;
use futures_util::stream;
use std::sync::Arc;

/// Links read from the database at a time.
const PART: i64 = 500;
/// Reads at the operator at a time: beside a service that needs it more.
const READS: usize = 8;
/// Refunded creations of Links that are looked at, newest first.
const REFUNDED_MAX: i64 = 1_000;

/// What a walk found.
#[derive(Default)]
pub(super) struct Walked {
    /// What differs.
    pub violations: Vec<Violation>,
    /// Why the operator could not be read to the end, if it could not.
    pub stopped: Option<String>,
}

/// Why one thing was not compared.
enum Stop {
    Away(String),
    Database(DbError),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

/// Compares all Links, or those of one organization, with the operator.
pub(super) async fn walk(
    session: &Session,
    operator: Arc<dyn Operator>,
    org: Option<OrgId>,
) -> Result<Walked, Failed> {
    let mut walked = Walked::default();
    let upstream = match Upstream::login(operator, session.config.operator.call_timeout).await {
        Ok(upstream) => upstream,
        Err(why) => return Ok(Walked { stopped: Some(why), ..walked }),
    };
    let walk = Walk { session, upstream };
    match walk.links(org, &mut walked.violations).await {
        Ok(()) => {}
        Err(Stop::Away(why)) => return Ok(Walked { stopped: Some(why), ..walked }),
        Err(Stop::Database(error)) => return Err(error.into()),
    }
    match walk.refunded(org, &mut walked.violations).await {
        Ok(()) => Ok(walked),
        Err(Stop::Away(why)) => Ok(Walked { stopped: Some(why), ..walked }),
        Err(Stop::Database(error)) => Err(error.into()),
    }
}

struct Walk<'a> {
    session: &'a Session,
    upstream: Upstream,
}

impl Walk<'_> {
    async fn links(&self, org: Option<OrgId>, violations: &mut Vec<Violation>) -> Result<(), Stop> {
        let total = self.links_total(org).await?;
        let progress = Progress::new(total, "Links compared with the operator");
        let mut after: Option<LinkKey> = None;
        loop {
            let links = {
                let mut tx = self.session.parts.database.read().await?;
                links_in_force(&mut tx, org, after, PART).await?
            };
            let Some(last) = links.last() else {
                progress.end();
                return Ok(());
            };
            after = Some(last.key);
            let checks = stream::iter(links).map(async |link| {
                let org_id = link.key.0;
                self.link(link).await.map(|differences| (org_id, differences))
            });
            let mut checks = std::pin::pin!(checks.buffer_unordered(READS));
            while let Some(checked) = checks.next().await {
                let (org_id, differences) = checked?;
                violations.extend(differences.into_iter().map(|d| violation(org_id, d)));
                progress.step(1);
            }
        }
    }

    /// What differs on one Link, for certain.
    async fn link(&self, mut link: LinkInForce) -> Result<Vec<Difference>, Stop> {
        let key = link.key;
        let first = self.differences(&link).await?;
        if first.is_empty() {
            return Ok(first);
        }
        {
            let mut tx = self.session.parts.database.read().await?;
            if is_unsettled(&mut tx, key).await? {
                return Ok(Vec::new());
            }
            match link_in_force(&mut tx, key).await? {
                Some(again) => link = again,
                None => return Ok(Vec::new()),
            }
        }
        let mut certain = self.differences(&link).await?;
        certain.retain(|difference| first.contains(difference));
        let mut tx = self.session.parts.database.read().await?;
        Ok(if is_unsettled(&mut tx, key).await? { Vec::new() } else { certain })
    }

    async fn differences(&self, link: &LinkInForce) -> Result<Vec<Difference>, Stop> {
        let endpoint = match self.upstream.endpoint(&link.endpoint_id).await {
            Ok(endpoint) => endpoint,
            Err(ReadError::Away(why)) => return Err(Stop::Away(why)),
            Err(ReadError::Refused(refusal)) => {
                let detail =
                    format!("endpoint {}: the operator refuses: {refusal:?}", link.endpoint_id);
                return Ok(vec![Difference { rule: "endpoint", subject: link.key.1.0, detail }]);
            }
        };
        let ids = endpoint.as_ref().map(compare::references).unwrap_or_default();
        let mut tx = self.session.parts.database.read().await?;
        let known = audit::references(&mut tx, link.key.0, &ids).await?;
        let known: References = known.into_iter().map(|known| (known.id, known)).collect();
        let now = self.session.parts.clock.now();
        Ok(compare::differences(link, endpoint.as_ref(), &known, now))
    }

    /// Refunded creations have no Link: what is left of them is found by their cards.
    async fn refunded(
        &self,
        org: Option<OrgId>,
        violations: &mut Vec<Violation>,
    ) -> Result<(), Stop> {
        let refunded = {
            let mut tx = self.session.parts.database.read().await?;
            refunded_links(&mut tx, org, REFUNDED_MAX).await?
        };
        let reads = stream::iter(refunded).map(async |RefundedLink { org_id, id, iccid }| {
            (org_id, id, self.upstream.endpoints_of_sim(&iccid).await)
        });
        let mut reads = std::pin::pin!(reads.buffer_unordered(READS));
        while let Some((org_id, id, read)) = reads.next().await {
            match read {
                Ok(endpoints) => {
                    let remains = compare::remains(id, &endpoints).into_iter();
                    violations.extend(remains.map(|d| violation(org_id, d)));
                }
                // A card that the operator does not know holds nothing.
                Err(ReadError::Refused(_)) => {}
                Err(ReadError::Away(why)) => return Err(Stop::Away(why)),
            }
        }
        Ok(())
    }

    async fn links_total(&self, org: Option<OrgId>) -> Result<u64, DbError> {
        let accounts =
            organizations::list(&mut self.session.parts.database.read().await?).await?.into_iter();
        let wanted = accounts.filter(|a| org.is_none_or(|org| a.organization.id == org));
        let total: i64 = wanted.map(|account| account.links_total).sum();
        Ok(u64::try_from(total).unwrap_or_default())
    }
}

fn violation(org_id: OrgId, difference: Difference) -> Violation {
    let Difference { rule, subject, detail } = difference;
    Violation { org_id, rule, subject, detail }
}

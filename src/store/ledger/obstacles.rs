//! Why a batch was not written: read after the fact, on the writer's own connection.
//!
//! Both databases are asked the same way. SQLite does not name the index that refused a row, and
//! PostgreSQL names only the first.

use crate::store::{DbError, Tx, link_fees, operations, wallet};
use bappy_actors::model::{LinkId, Month, OrgId};
use bappy_actors::ports::{Batch, CommitOutcome, Guard, Planned};
use std::collections::HashSet;
use uuid::Uuid;

/// Commands that end an operation which an earlier command of the batch ends.
pub fn ended_twice(batch: &Batch) -> Vec<(usize, Guard)> {
    let mut ended = HashSet::new();
    let mut twice = Vec::new();
    for (index, item) in batch.items.iter().enumerate() {
        let ids: Vec<_> = item.closed.iter().map(|c| c.operation_id).collect();
        if ids.iter().enumerate().any(|(n, id)| ended.contains(id) || ids[..n].contains(id)) {
            twice.push((index, Guard::EpochLost));
        } else {
            // A command that is taken out does not stand in the way of a later one.
            ended.extend(ids);
        }
    }
    twice
}

/// Finds what keeps a batch from being written. None: nothing does, as far as can be seen now.
pub async fn find(tx: &mut Tx, batch: &Batch) -> Result<Option<CommitOutcome>, DbError> {
    let row = wallet::wallet(tx, batch.org_id).await?;
    if row.is_none_or(|w| w.version != batch.before.version || w.fence != batch.before.fence) {
        return Ok(Some(CommitOutcome::Stale));
    }
    let mut seen = Seen::default();
    let mut guards = Vec::new();
    for (index, item) in batch.items.iter().enumerate() {
        let guard = match seen.collision(item) {
            Some(guard) => Some(guard),
            None => in_database(tx, batch.org_id, item).await?,
        };
        match guard {
            Some(guard) => guards.push((index, guard)),
            None => seen.keep(item),
        }
    }
    Ok((!guards.is_empty()).then_some(CommitOutcome::Guarded(guards)))
}

/// What the commands before this one claim.
#[derive(Default)]
struct Seen<'a> {
    operations: HashSet<Uuid>,
    keys: HashSet<&'a str>,
    references: HashSet<&'a str>,
    sims: HashSet<&'a str>,
    busy: HashSet<LinkId>,
    fees: HashSet<(LinkId, Month)>,
    ended: HashSet<Uuid>,
}

impl<'a> Seen<'a> {
    fn collision(&self, item: &Planned) -> Option<Guard> {
        if item.opened.iter().any(|o| self.operations.contains(&o.id.0)) {
            return Some(Guard::AlreadyOpen);
        }
        let mut keys = item.opened.iter().filter_map(|o| o.key.as_ref());
        if keys.any(|k| self.keys.contains(k.key.as_str())) {
            return Some(Guard::KeyTaken);
        }
        if item.closed.iter().any(|c| self.ended.contains(&c.operation_id.0)) {
            return Some(Guard::EpochLost);
        }
        let mut references = item.entries.iter().filter_map(|e| e.reference.as_deref());
        if references.any(|r| self.references.contains(r)) {
            return Some(Guard::ReferenceTaken);
        }
        let mut exclusive = item.opened.iter().filter(|o| operations::is_exclusive(o));
        if exclusive.any(|o| self.busy.contains(&o.link_id)) {
            return Some(Guard::LinkBusy);
        }
        let mut fees = item.fees.iter().map(|charged| charged.fee);
        if fees.any(|fee| self.fees.contains(&(fee.link_id, fee.month))) {
            return Some(Guard::FeeTaken);
        }
        item.links.iter().any(|l| self.sims.contains(l.iccid.as_str())).then_some(Guard::SimTaken)
    }

    fn keep(&mut self, item: &'a Planned) {
        self.operations.extend(item.opened.iter().map(|o| o.id.0));
        self.keys.extend(item.opened.iter().filter_map(|o| o.key.as_ref()).map(|k| k.key.as_str()));
        self.references.extend(item.entries.iter().filter_map(|e| e.reference.as_deref()));
        self.sims.extend(item.links.iter().map(|l| l.iccid.as_str()));
        let exclusive = item.opened.iter().filter(|o| operations::is_exclusive(o));
        self.busy.extend(exclusive.map(|o| o.link_id));
        self.fees.extend(item.fees.iter().map(|c| (c.fee.link_id, c.fee.month)));
        self.ended.extend(item.closed.iter().map(|c| c.operation_id.0));
    }
}

async fn in_database(tx: &mut Tx, org: OrgId, item: &Planned) -> Result<Option<Guard>, DbError> {
    for opened in &item.opened {
        if operations::exists(tx, org, opened.id).await? {
            return Ok(Some(Guard::AlreadyOpen));
        }
        if let Some(key) = &opened.key
            && operations::key_is_taken(tx, org, &key.key, opened.id).await?
        {
            return Ok(Some(Guard::KeyTaken));
        }
        if operations::is_exclusive(opened)
            && operations::link_is_busy(tx, org, opened.link_id).await?
        {
            return Ok(Some(Guard::LinkBusy));
        }
    }
    for fee in &item.fees {
        if link_fees::is_taken(tx, org, fee).await? {
            return Ok(Some(Guard::FeeTaken));
        }
    }
    for closing in &item.closed {
        if !operations::is_held(tx, org, closing.operation_id, closing.epoch).await? {
            return Ok(Some(Guard::EpochLost));
        }
    }
    for reference in item.entries.iter().filter_map(|e| e.reference.as_deref()) {
        let taken = opt!(
            tx,
            (i64,),
            "SELECT sequence FROM ledger_entries WHERE org_id = $1 AND reference = $2",
            org.0,
            reference
        )?;
        if taken.is_some() {
            return Ok(Some(Guard::ReferenceTaken));
        }
    }
    for link in &item.links {
        let taken =
            opt!(tx, (Uuid,), "SELECT id FROM links WHERE iccid = $1", link.iccid.as_str())?;
        if taken.is_some() {
            return Ok(Some(Guard::SimTaken));
        }
    }
    Ok(None)
}

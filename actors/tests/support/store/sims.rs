//! Cards: each given to one operation.

use super::{Data, SimState};
use bappy_actors::model::{Cleanup, OperationId, OperationState, OrgId, SimKind, Timestamp};
use bappy_actors::ports::{SimCard, StockClaim};

impl Data {
    pub fn claim_sim(
        &mut self,
        sponsor: &str,
        kind: SimKind,
        operation: OperationId,
        at: Timestamp,
    ) -> Option<SimCard> {
        let (card, state) = self.sims.values_mut().find(|(card, state)| {
            card.sponsor_id == sponsor && card.kind == kind && *state == SimState::Free
        })?;
        *state = SimState::Claimed(operation, at);
        Some(card.clone())
    }

    pub fn claim_stock_sim(
        &mut self,
        org: OrgId,
        (iccid, sponsor): (&str, &str),
        operation: OperationId,
        at: Timestamp,
        stale: Timestamp,
    ) -> StockClaim {
        if self.stock.get(iccid) != Some(&org) {
            return StockClaim::NotInStock;
        }
        let over = |by: &OperationId, claimed: Timestamp| match self.operations.get(by) {
            Some(stored) => {
                stored.operation.state == OperationState::Refunded
                    && matches!(stored.operation.cleanup, Cleanup::None | Cleanup::Done)
            }
            None => claimed < stale,
        };
        let claim = &self.sims[iccid].1;
        let is_free = match claim {
            SimState::Free => true,
            SimState::Claimed(by, claimed) => over(by, *claimed),
            SimState::Used | SimState::Retired => false,
        };
        let holder = match claim {
            SimState::Claimed(by, _) => Some(*by),
            _ => None,
        };
        let (card, stored) = self.sims.get_mut(iccid).unwrap();
        if !is_free {
            return StockClaim::InUse(holder);
        }
        if card.sponsor_id != sponsor {
            return StockClaim::OtherSponsor;
        }
        *stored = SimState::Claimed(operation, at);
        StockClaim::Claimed(card.clone())
    }

    /// Once an operation's cleanup is done, its cards are written off, or go back into the stock.
    pub fn end_claims(&mut self, operation: OperationId) {
        for (iccid, (_, state)) in &mut self.sims {
            if matches!(state, SimState::Claimed(by, _) if *by == operation) {
                let in_stock = self.stock.contains_key(iccid);
                *state = if in_stock { SimState::Free } else { SimState::Retired };
            }
        }
    }

    pub fn release_sim(&mut self, iccid: &str, operation: OperationId) {
        if let Some((_, state)) = self.sims.get_mut(iccid)
            && matches!(state, SimState::Claimed(by, _) if *by == operation)
        {
            *state = SimState::Free;
        }
    }

    pub fn retire_sim(&mut self, iccid: &str) {
        if let Some((_, state)) = self.sims.get_mut(iccid)
            && *state != SimState::Used
        {
            *state = SimState::Retired;
        }
    }

    pub fn add_sims(&mut self, sims: Vec<SimCard>) -> u64 {
        let before = self.sims.len();
        for sim in sims {
            self.sims.entry(sim.iccid.clone()).or_insert((sim, SimState::Free));
        }
        u64::try_from(self.sims.len() - before).unwrap()
    }

    pub fn add_stock(&mut self, org: OrgId, card: SimCard) {
        self.stock.insert(card.iccid.clone(), org);
        self.add_sims(vec![card]);
    }

    pub fn last_sim(&self, sponsor: &str, kind: SimKind) -> Option<String> {
        let of = |card: &SimCard| card.sponsor_id == sponsor && card.kind == kind;
        self.sims.values().filter(|(card, _)| of(card)).map(|(card, _)| card.iccid.clone()).max()
    }

    pub fn free_sims(&self, sponsor: &str, kind: SimKind, limit: i64) -> i64 {
        let free = self.sims.values().filter(|(card, state)| {
            card.sponsor_id == sponsor && card.kind == kind && *state == SimState::Free
        });
        i64::try_from(free.count()).unwrap().min(limit)
    }

    pub fn free_stale_claims(&mut self, before: Timestamp) -> u64 {
        let mut freed = 0;
        for (_, state) in self.sims.values_mut() {
            if let SimState::Claimed(by, at) = state
                && *at < before
                && !self.operations.contains_key(by)
            {
                *state = SimState::Free;
                freed += 1;
            }
        }
        freed
    }
}

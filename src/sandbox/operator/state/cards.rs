//! What happened to a card: its endpoints, and what was set on it by `/_control/usage`.
//!
//! **Invariant:** a card that nothing happened to takes no memory.

use serde::{Deserialize, Serialize};

use super::{
    World,
    connectivity::{ConnectivitySetting, ConnectivityState},
    event::{CardMetered, CardSet, Event},
    lock,
};
use crate::sandbox::operator::{
    cards::{Card, CardKind, Iccid},
    clock::Timestamp,
    ids::EndpointId,
    refusal::Refusal,
    sponsor::Sponsor,
};

/// Where an eSIM's profile is (SGP.22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum ProfileState {
    /// Waits at the SM-DP+.
    #[default]
    Released,
    Downloaded,
    Installed,
    Enabled,
    Disabled,
    Deleted,
}

/// Body of `POST /_control/usage`; what is absent stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct CardControl {
    pub iccid: Iccid,
    pub used_mb: Option<u64>,
    pub profile_state: Option<ProfileState>,
    pub connectivity: Option<ConnectivitySetting>,
}

#[derive(Debug, Default)]
pub(super) struct CardState {
    /// The endpoint that is not terminated.
    pub live: Option<EndpointId>,
    /// All of them, oldest first.
    pub endpoints: Vec<EndpointId>,
    pub profile_state: ProfileState,
    pub connectivity: Option<ConnectivitySetting>,
    /// Something was set, so compaction keeps its figures.
    pub set: bool,
}

impl CardState {
    /// A card that is used again begins anew.
    pub fn endpoint_created(&mut self, id: EndpointId) {
        if !self.endpoints.is_empty() {
            self.profile_state = ProfileState::default();
            self.connectivity = None;
        }
        self.endpoints.push(id);
        self.live = Some(id);
    }

    /// Uses data: its profile is installed, or it was set online.
    pub fn in_use(&self) -> bool {
        let online = self.connectivity.as_ref().map(ConnectivitySetting::state)
            == Some(ConnectivityState::Online);
        online || matches!(self.profile_state, ProfileState::Installed | ProfileState::Enabled)
    }
}

/// A card as the operator shows it.
#[derive(Serialize)]
pub(in super::super) struct CardView {
    iccid: Iccid,
    kind: CardKind,
    sponsor: &'static Sponsor,
    smdp_address: Option<&'static str>,
    matching_id: Option<String>,
    profile_state: ProfileState,
}

impl World {
    /// The card has an endpoint that is not terminated.
    pub fn card_in_service(&self, iccid: Iccid) -> bool {
        self.cards.get(&iccid).is_some_and(|card| card.live.is_some())
    }

    pub fn show_card(&self, card: Card) -> CardView {
        let iccid = card.iccid();
        CardView {
            iccid,
            kind: card.kind,
            sponsor: card.sponsor,
            smdp_address: card.smdp_address(),
            matching_id: card.matching_id(),
            profile_state: self
                .cards
                .get(&iccid)
                .map_or_else(ProfileState::default, |card| card.profile_state),
        }
    }

    /// Sets what the next read of a card shows. `used_mb` needs a live endpoint.
    pub fn set_card(&self, control: CardControl) -> Result<(), Refusal> {
        let CardControl { iccid, used_mb, profile_state, connectivity } = control;
        Card::from_iccid(iccid).ok_or(Refusal::NoSim)?;
        let mut card = self.cards.entry(iccid).or_default();
        if used_mb.is_some() && card.live.is_none() {
            return Err(Refusal::NoEndpoint);
        }
        let set = CardSet { at: Timestamp::now(), iccid, used_mb, profile_state, connectivity };
        self.commit(&Event::CardSet(set.clone()))?;
        self.card_set(&mut card, set);
        Ok(())
    }

    pub(super) fn card_set(&self, card: &mut CardState, event: CardSet) {
        card.set = true;
        card.profile_state = event.profile_state.unwrap_or(card.profile_state);
        card.connectivity = event.connectivity.or_else(|| card.connectivity.take());
        let endpoint = card.live.and_then(|id| self.endpoint(id).ok());
        if let Some(endpoint) = endpoint {
            let mut state = lock(&endpoint.state);
            state.card_in_use(card.in_use(), event.at);
            if let Some(used_mb) = event.used_mb {
                state.plans.set_used(used_mb, event.at);
            }
        }
    }

    /// The figures of a card that something was set on.
    pub(super) fn meter_card(&self, iccid: Iccid, card: &CardState) -> CardMetered {
        let endpoints = card.endpoints.iter().filter_map(|id| self.endpoint(*id).ok());
        CardMetered {
            iccid,
            profile_state: card.profile_state,
            connectivity: card.connectivity.clone(),
            endpoints: endpoints.map(|one| (one.id, lock(&one.state).plans.meter())).collect(),
        }
    }

    pub(super) fn card_metered(&self, card: &mut CardState, event: CardMetered) {
        card.set = true;
        card.profile_state = event.profile_state;
        card.connectivity = event.connectivity;
        for (id, meter) in &event.endpoints {
            let Ok(endpoint) = self.endpoint(*id) else { continue };
            let mut state = lock(&endpoint.state);
            state.plans.restore(meter);
            if card.live == Some(*id) {
                state.card_in_use(card.in_use(), meter.settled_at());
            }
        }
    }
}

//! Where a card is registered: made up from its plan's coverage, or what was set.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::{Status, World, cards::ProfileState, endpoint::Endpoint, lock};
use crate::sandbox::operator::{
    cards::{Iccid, luhn_digit},
    clock::Timestamp,
    ids::EndpointId,
    random::mix,
    refusal::Refusal,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConnectivityState {
    Online,
    Attached,
    Offline,
}

/// The network a card is on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnNetwork {
    name: Option<String>,
    country: Option<String>,
    mcc: Option<String>,
    mnc: Option<String>,
    technology: Option<String>,
}

/// Connectivity as the operator shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ConnectivityView {
    state: ConnectivityState,
    #[serde(default)]
    network: Option<OnNetwork>,
    #[serde(default)]
    ip_address: Option<String>,
    #[serde(default)]
    imei: Option<String>,
    #[serde(default)]
    last_seen_at: Option<Timestamp>,
}

/// What `/_control/usage` set: a state alone, or an object like the answer. Fields that are given
/// are shown as given, `null` too; the others are made up to fit the state.
#[derive(Debug, Clone)]
pub(in super::super) struct ConnectivitySetting {
    state: ConnectivityState,
    given: Map<String, Value>,
}

impl ConnectivitySetting {
    pub(super) const fn state(&self) -> ConnectivityState {
        self.state
    }
}

impl<'de> Deserialize<'de> for ConnectivitySetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = match Value::deserialize(deserializer)? {
            Value::Object(given) => given,
            state @ Value::String(_) => Map::from_iter([("state".to_owned(), state)]),
            _ => return Err(de::Error::custom("expected a state or an object with `state`")),
        };
        let view: ConnectivityView =
            serde_json::from_value(Value::Object(given.clone())).map_err(de::Error::custom)?;
        Ok(Self { state: view.state, given })
    }
}

impl Serialize for ConnectivitySetting {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.given.serialize(serializer)
    }
}

impl World {
    /// Where the endpoint's card is now.
    pub fn connectivity(&self, id: EndpointId) -> Result<ConnectivityView, Refusal> {
        let endpoint = self.endpoint(id)?;
        let (profile_state, setting) = self
            .cards
            .get(&endpoint.iccid)
            .filter(|card| card.live == Some(id))
            .map_or((ProfileState::Released, None), |card| {
                (card.profile_state, card.connectivity.clone())
            });
        let state = match (&setting, profile_state) {
            (Some(setting), _) => setting.state,
            _ if lock(&endpoint.state).status != Status::Active => ConnectivityState::Offline,
            (None, ProfileState::Enabled) => ConnectivityState::Online,
            (None, ProfileState::Installed) => ConnectivityState::Attached,
            (None, _) => ConnectivityState::Offline,
        };
        let made_up = made_up(&endpoint, state);
        Ok(match setting {
            Some(setting) => overlay(made_up, &setting.given),
            None => made_up,
        })
    }
}

/// What fits the state: the newest plan's network in a country of its coverage.
fn made_up(endpoint: &Endpoint, state: ConnectivityState) -> ConnectivityView {
    if state == ConnectivityState::Offline {
        return ConnectivityView {
            state,
            network: None,
            ip_address: None,
            imei: None,
            last_seen_at: None,
        };
    }
    let number = mix(endpoint.iccid.number());
    ConnectivityView {
        state,
        network: network(endpoint, number),
        ip_address: (state == ConnectivityState::Online).then(|| ip_address(number)),
        imei: Some(imei(endpoint.iccid)),
        last_seen_at: Some(Timestamp::now()),
    }
}

fn network(endpoint: &Endpoint, number: u64) -> Option<OnNetwork> {
    let now = Timestamp::now();
    let plan = {
        let state = lock(&endpoint.state);
        state.plans.all().iter().rev().find(|instance| instance.stands(now))?.plan
    };
    let countries = u64::try_from(plan.coverage.len()).ok().filter(|count| *count > 0)?;
    let country = plan.coverage.get(usize::try_from(number % countries).ok()?)?;
    let network = country.networks.first()?;
    Some(OnNetwork {
        name: Some(network.name.to_owned()),
        country: Some(country.country.to_owned()),
        mcc: Some(network.mcc.to_owned()),
        mnc: Some(network.mnc.to_owned()),
        technology: network.technologies.last().cloned(),
    })
}

/// A private address, as behind an operator's NAT.
fn ip_address(number: u64) -> String {
    let [_, _, _, _, _, a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

/// Fifteen digits: a type allocation code, a serial number, a check digit (3GPP TS 23.003).
fn imei(iccid: Iccid) -> String {
    let payload = 35_900_000_000_000 + mix(!iccid.number()) % 10_000_000_000;
    format!("{payload}{}", luhn_digit(payload))
}

fn overlay(view: ConnectivityView, given: &Map<String, Value>) -> ConnectivityView {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&view) else { return view };
    fields.extend(given.clone());
    serde_json::from_value(Value::Object(fields)).unwrap_or(view)
}

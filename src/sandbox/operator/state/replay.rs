//! Reads a state file back, and compacts it on the way.
//!
//! Mutations stay as they are: they are the journal. What controls set on cards collapses into
//! one line a card. A last line that a crash tore is dropped: its answer never left.
//!
//! **Invariant:** the new file replaces the old one in one step, after it is complete.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    World,
    endpoint::Endpoint,
    event::Event,
    lock,
    log::{StateLog, line},
};
use crate::sandbox::operator::{
    cards::Card,
    catalogue::{Plan, catalogue},
    ids::EndpointId,
};

/// Applies the file to the empty `world`, compacts it and opens it for appending.
pub(super) fn load(world: &World, path: &Path) -> io::Result<StateLog> {
    let compacted = beside(path);
    let mut kept = BufWriter::new(File::create(&compacted)?);
    match File::open(path) {
        Ok(file) => replay(world, BufReader::new(file), &mut kept)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for card in world.cards.iter().filter(|card| card.set) {
        kept.write_all(&line(&Event::CardMetered(world.meter_card(*card.key(), &card)))?)?;
    }
    kept.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&compacted, path)?;
    StateLog::open(path)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".compacting");
    name.into()
}

fn replay(world: &World, mut file: impl BufRead, kept: &mut impl Write) -> io::Result<()> {
    let mut text = Vec::new();
    for number in 1_u64.. {
        text.clear();
        file.read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            break;
        }
        let invalid = |why: String| {
            let message = format!("line {number} of the state file: {why}");
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        let event: Event =
            serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
        if !matches!(event, Event::CardSet(_) | Event::CardMetered(_)) {
            kept.write_all(&text)?;
        }
        apply(world, event).map_err(invalid)?;
    }
    Ok(())
}

fn apply(world: &World, event: Event) -> Result<(), String> {
    world.journal.note(&event);
    match event {
        Event::EndpointCreated(event) => {
            world.ids.skip(event.endpoint_id.number());
            world.ids.skip(event.instance_id.number());
            let card = Card::from_iccid(event.iccid).ok_or("a card of no series")?;
            let plan = plan(&event.plan_id)?;
            let mut state = world.cards.entry(event.iccid).or_default();
            world.endpoint_created(&mut state, &event, card, plan);
        }
        Event::PlanAdded(event) => {
            world.ids.skip(event.instance_id.number());
            let plan = plan(&event.plan_id)?;
            lock(&endpoint(world, event.endpoint_id)?.state).plan_added(&event, plan);
        }
        Event::PlanRemoved(event) => {
            lock(&endpoint(world, event.endpoint_id)?.state).plan_removed(&event);
        }
        Event::StatusSet(event) => {
            lock(&endpoint(world, event.endpoint_id)?.state).status_set(&event);
            if let (super::Status::Terminated, Some(mut card)) =
                (event.status, world.cards.get_mut(&event.iccid))
            {
                card.live = None;
            }
        }
        Event::SmsSent(event) => {
            world.ids.skip(event.sms_id.number());
            lock(&endpoint(world, event.endpoint_id)?.state).sms_sent(&event);
            world.keep_sms(event);
        }
        Event::CardSet(event) => {
            let mut card = world.cards.entry(event.iccid).or_default();
            world.card_set(&mut card, event);
        }
        Event::CardMetered(event) => {
            let mut card = world.cards.entry(event.iccid).or_default();
            world.card_metered(&mut card, event);
        }
    }
    Ok(())
}

fn plan(id: &str) -> Result<&'static Plan, String> {
    catalogue().plan(id).ok_or_else(|| format!("no plan `{id}` in the catalogue"))
}

fn endpoint(world: &World, id: EndpointId) -> Result<std::sync::Arc<Endpoint>, String> {
    world.endpoint(id).map_err(|_| format!("no endpoint `{id}` before it"))
}

//! What may lie between a process and what is outside of it: a wire that delays calls, loses them
//! or their answers, or delivers them twice. The tests of one failure at a time have none; the
//! simulation has one for each process.

use async_trait::async_trait;
use bappy_actors::model::{LinkId, OperationId, OrgId};
use bappy_actors::ports::EndpointStatus;
use std::fmt;
use std::time::Duration;

/// What a call is about, for whoever reads what happened.
#[derive(Clone, Debug)]
pub enum About {
    Nothing,
    Wallet(OrgId),
    Operation(OperationId),
    Link(LinkId),
    /// Commands of one wallet.
    Commands(Vec<(&'static str, OperationId)>),
    /// Something to be done at the operator under our reference, on a card or an endpoint.
    Sent {
        reference: String,
        on: String,
    },
    /// An endpoint and the status it shall have.
    Status(String, EndpointStatus),
    Text(String),
}

/// The end of an id: what tells it from others.
fn short(id: uuid::Uuid) -> String {
    let text = id.simple().to_string();
    format!("…{}", &text[text.len() - 6..])
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Wallet(org) => write!(f, "wallet {}", short(org.0)),
            Self::Operation(id) => write!(f, "operation {}", short(id.0)),
            Self::Link(id) => write!(f, "Link {}", short(id.0)),
            Self::Commands(commands) => {
                for (place, (what, id)) in commands.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{what} {}", short(id.0))?;
                }
                Ok(())
            }
            Self::Sent { reference, on } => {
                write!(f, "…{} on {on}", &reference[reference.len().saturating_sub(6)..])
            }
            Self::Status(endpoint, status) => write!(f, "{endpoint} {status:?}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A call on its way.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    pub about: About,
    /// Its caller waits no longer; without one, for as long as it takes.
    pub timeout: Option<Duration>,
}

/// What a call does to what is outside. Done twice, it tells what the first time gave. Where
/// somebody reads along, what came of it is written down for them.
pub type Effect<S> = Box<dyn FnMut(&mut S, Option<&mut String>) + Send>;

/// What lies between a process and a store or operator with the state `S`.
#[async_trait]
pub trait Wire<S, E>: Send + Sync {
    /// Has the effect take place: once, twice, later, or never. Fails where the caller is told so;
    /// else the effect has taken place.
    async fn carry(&self, call: Call, effect: Effect<S>) -> Result<(), E>;
}

/// Makes an effect of a call's work, and the place where what it gave is found.
pub fn effect<S, T, E>(
    mut work: impl FnMut(&mut S) -> Result<T, E> + Send + 'static,
) -> (Effect<S>, Given<T, E>)
where
    T: fmt::Debug + Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    let given = Given::default();
    let place = given.clone();
    let effect = move |state: &mut S, told: Option<&mut String>| {
        let done = work(state);
        if let Some(told) = told {
            *told = brief(&done);
        }
        place.put(done);
    };
    (Box::new(effect), given)
}

/// The start of what came of a call.
fn brief<T: fmt::Debug, E: fmt::Debug>(done: &Result<T, E>) -> String {
    const CHARS_MAX: usize = 120;
    let text = match done {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}"),
    };
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

type Slot<T, E> = std::sync::Arc<std::sync::Mutex<Option<Result<T, E>>>>;

/// What an effect gave the first time.
pub struct Given<T, E>(Slot<T, E>);

impl<T, E> Default for Given<T, E> {
    fn default() -> Self {
        Self(Slot::default())
    }
}

impl<T, E> Clone for Given<T, E> {
    fn clone(&self) -> Self {
        Self(Slot::clone(&self.0))
    }
}

impl<T, E> Given<T, E> {
    fn put(&self, done: Result<T, E>) {
        self.0.lock().unwrap().get_or_insert(done);
    }

    /// What it gave; it must have taken place.
    pub fn take(&self) -> Result<T, E> {
        self.0.lock().unwrap().take().expect("an answer without its effect")
    }
}

//! The actor of one Link: lets in who changes it, with the Link as it stands, and looks where its
//! card is.

use super::connectivity::{self, Asker, Freshness, Looks};
use super::ttl_cache::TtlCache;
use crate::gateway::GatewayHandle;
use crate::model::{Link, LinkId, OrgId};
use crate::ports::{Clock, ConnectivityReading, Store, StoreError};
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Supervised, WrapFuture,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, oneshot};
use tracing::{Instrument, Span};

/// How a caller wants to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Beside others that are shared too: top-ups.
    Shared,
    /// Alone: status changes and removals.
    Exclusive,
}

/// Leave to change a Link, until it is dropped.
#[derive(Debug)]
pub struct Entered {
    /// The Link as it stands.
    pub link: Arc<Link>,
    _guard: Guard,
}

#[derive(Debug)]
enum Guard {
    Shared { _held: OwnedRwLockReadGuard<()> },
    Exclusive { _held: OwnedRwLockWriteGuard<()> },
}

pub(super) type EnterReply = oneshot::Sender<Result<Option<Entered>, StoreError>>;

/// Asks to be let in.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Enter {
    pub mode: Mode,
    pub reply: EnterReply,
    /// Where traces show it.
    pub span: Span,
}

/// Says that what is remembered of the Link is old: it was changed, or was not asked for lately.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Forget;

/// Asks where the card is.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Look(pub Asker);

/// What was said lately of where cards are.
pub(super) type Whereabouts = TtlCache<(OrgId, LinkId), Arc<ConnectivityReading>>;

/// What all Links' actors work with.
pub(super) struct Outside {
    pub store: Arc<dyn Store>,
    pub gateway: Arc<GatewayHandle>,
    pub clock: Arc<dyn Clock>,
    pub whereabouts: Whereabouts,
    pub row_ttl: Duration,
    pub row_ttl_alone: Duration,
}

/// A Link as it was read.
struct Row {
    link: Arc<Link>,
    at: Duration,
    revision: Option<u64>,
}

pub(super) struct LinkActor {
    org: OrgId,
    id: LinkId,
    outside: Arc<Outside>,
    row: Option<Row>,
    /// Raised by every change: a load that began before one is old.
    changes: u64,
    gate: Arc<RwLock<()>>,
    loading: bool,
    waiting: Vec<(Guard, EnterReply, Span)>,
    looks: Looks,
}

impl LinkActor {
    pub(super) fn new(org: OrgId, id: LinkId, outside: Arc<Outside>) -> Self {
        Self {
            org,
            id,
            outside,
            row: None,
            changes: 0,
            gate: Arc::default(),
            loading: false,
            waiting: Vec::new(),
            looks: Looks::default(),
        }
    }

    /// Gives who holds the gate the Link as it stands.
    fn admit(&mut self, guard: Guard, reply: EnterReply, span: Span, ctx: &mut Context<Self>) {
        let exclusive = matches!(guard, Guard::Exclusive { .. });
        if let Some(Row { link, .. }) = self.row.as_ref().filter(|row| self.stands(row))
            && !exclusive
        {
            let _ = reply.send(Ok(Some(Entered { link: Arc::clone(link), _guard: guard })));
            return;
        }
        self.waiting.push((guard, reply, span));
        self.load(ctx);
    }

    fn stands(&self, row: &Row) -> bool {
        let outside = &self.outside;
        let age = outside.clock.elapsed().saturating_sub(row.at);
        age < outside.row_ttl
            || age < outside.row_ttl_alone
                && row.revision.is_some()
                && row.revision == outside.store.row_revision(self.id)
    }

    fn load(&mut self, ctx: &mut Context<Self>) {
        if self.loading || self.waiting.is_empty() {
            return;
        }
        self.loading = true;
        let waiting = std::mem::take(&mut self.waiting);
        let (store, org, id) = (Arc::clone(&self.outside.store), self.org, self.id);
        let (at, changes) = (self.outside.clock.elapsed(), self.changes);
        let revision = store.row_revision(id);
        let span = waiting.first().map_or_else(Span::none, |(.., span)| span.clone());
        let read = async move { store.link(org, id).await }.instrument(span);
        ctx.spawn(read.into_actor(self).map(move |read, actor, ctx| {
            actor.loading = false;
            let link = read.map(|link| link.map(Arc::new));
            if let Ok(Some(link)) = &link
                && actor.changes == changes
            {
                actor.row = Some(Row { link: Arc::clone(link), at, revision });
            }
            for (guard, reply, _) in waiting {
                let entered =
                    link.clone().map(|link| link.map(|link| Entered { link, _guard: guard }));
                let _ = reply.send(entered);
            }
            actor.load(ctx);
        }));
    }
}

impl LinkActor {
    /// Looks where the card is; who still waits then is next.
    fn look(&mut self, link: Arc<Link>, freshness: Freshness, span: Span, ctx: &mut Context<Self>) {
        let (org, outside) = (self.org, Arc::clone(&self.outside));
        let look = async move {
            let key = (org, link.id);
            // Another look may have ended while this one was asked for.
            if freshness == Freshness::Cached
                && let Some(reading) = outside.whereabouts.get(&key).await
            {
                return Ok(reading);
            }
            let Outside { store, gateway, clock, whereabouts, .. } = &*outside;
            let looked =
                connectivity::look(gateway, &**store, &**clock, org, &link, freshness).await?;
            whereabouts.insert(key, Arc::clone(&looked)).await;
            Ok(looked)
        };
        ctx.spawn(look.instrument(span).into_actor(self).map(|looked, actor, ctx| {
            if let Some((link, freshness, span)) = actor.looks.told(&looked) {
                actor.look(link, freshness, span, ctx);
            }
        }));
    }
}

impl Actor for LinkActor {
    type Context = Context<Self>;
}

impl Supervised for LinkActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.row = None;
        self.loading = false;
        self.looks = Looks::default();
    }
}

impl Handler<Enter> for LinkActor {
    type Result = ();

    fn handle(&mut self, enter: Enter, ctx: &mut Context<Self>) {
        let Enter { mode, reply, span } = enter;
        let gate = Arc::clone(&self.gate);
        if mode == Mode::Shared
            && let Ok(held) = Arc::clone(&gate).try_read_owned()
        {
            return self.admit(Guard::Shared { _held: held }, reply, span, ctx);
        }
        let wait = async move {
            match mode {
                Mode::Shared => Guard::Shared { _held: gate.read_owned().await },
                Mode::Exclusive => Guard::Exclusive { _held: gate.write_owned().await },
            }
        };
        ctx.spawn(wait.into_actor(self).map(|guard, actor, ctx| {
            // Who has gone away meanwhile leaves the gate to the next.
            if !reply.is_closed() {
                actor.admit(guard, reply, span, ctx);
            }
        }));
    }
}

impl Handler<Forget> for LinkActor {
    type Result = ();

    fn handle(&mut self, _: Forget, _: &mut Context<Self>) {
        self.row = None;
        self.changes += 1;
    }
}

impl Handler<Look> for LinkActor {
    type Result = ();

    fn handle(&mut self, Look(asker): Look, ctx: &mut Context<Self>) {
        if let Some((link, freshness, span)) = self.looks.ask(asker) {
            self.look(link, freshness, span, ctx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix::Supervisor;

    #[test]
    fn an_idle_actor_stays_small() {
        // A task of it takes some hundred bytes more, in steps of 128: here it takes 640.
        assert!(size_of::<Supervisor<LinkActor>>() <= 512);
    }
}

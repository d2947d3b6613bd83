//! Where a Link's card is, as the operator says: asked once for all who want to know.
//!
//! The Link's actor holds [`Looks`] and makes the calls; the handle remembers the answers.
//!
//! **Invariants.** One call at a time for each Link. Who wants to know how it is *now* is never
//! given the answer of a call that began before they asked.

use crate::gateway::{GatewayHandle, NotAdmitted};
use crate::model::{Link, OrgId};
use crate::ports::{CallError, Clock, ConnectivityReading, Store};
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::sync::oneshot;
use tracing::Span;

/// How long a look waits for room at the operator.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long who is content with the last known waits for the operator.
const READ_TIMEOUT: Duration = Duration::from_secs(4);
/// How long who wants to know how it is now waits for the operator. A look behind another takes
/// up to twice as long, which stays below the 18 s in which every call is answered.
const LIVE_TIMEOUT: Duration = Duration::from_secs(7);

/// Who is content with the last known waits no longer than this for any look.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_millis(4500);

/// Why it is not known where a card is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// The operator could not be asked; nothing was sent.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The operator did not say.
    #[error("{0:?}")]
    Call(CallError),
    /// Whoever asked the operator is gone, or took too long.
    #[error("the look was lost")]
    Lost,
}

/// How fresh an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// No older than the cache's TTL.
    Cached,
    /// From a call that begins now.
    Live,
}

pub(super) type Looked = Result<Arc<ConnectivityReading>, LookError>;
pub(super) type LookReply = oneshot::Sender<Looked>;

/// One who wants to know.
pub(super) struct Asker {
    pub link: Arc<Link>,
    pub freshness: Freshness,
    pub reply: LookReply,
    /// Where traces show it.
    pub span: Span,
}

/// Who waits for which look at one Link.
#[derive(Default)]
pub(super) struct Looks {
    under_way: Option<Vec<LookReply>>,
    /// They asked when a look had begun that is too old for them.
    behind: Vec<Asker>,
}

impl Looks {
    /// Takes an asker in; what is returned is to be looked for now.
    pub(super) fn ask(&mut self, asker: Asker) -> Option<(Arc<Link>, Freshness, Span)> {
        match (&mut self.under_way, asker.freshness) {
            (Some(waiting), Freshness::Cached) => waiting.push(asker.reply),
            (Some(_), Freshness::Live) => self.behind.push(asker),
            (None, freshness) => {
                self.under_way = Some(vec![asker.reply]);
                return Some((asker.link, freshness, asker.span));
            }
        }
        None
    }

    /// Tells those who waited; what is returned is to be looked for now.
    pub(super) fn told(&mut self, looked: &Looked) -> Option<(Arc<Link>, Freshness, Span)> {
        for reply in self.under_way.take().unwrap_or_default() {
            let _ = reply.send(looked.clone());
        }
        // Who has gone away meanwhile wants to know no more.
        let behind = std::mem::take(&mut self.behind);
        let mut behind = behind.into_iter().filter(|asker| !asker.reply.is_closed()).peekable();
        let first = behind.peek()?;
        let (link, span) = (Arc::clone(&first.link), first.span.clone());
        self.under_way = Some(behind.map(|asker| asker.reply).collect());
        Some((link, Freshness::Live, span))
    }
}

/// Asks the operator, and keeps the answer as last known.
pub(super) async fn look(
    gateway: &Arc<GatewayHandle>,
    store: &dyn Store,
    clock: &dyn Clock,
    org: OrgId,
    link: &Link,
    freshness: Freshness,
) -> Looked {
    let mut permit = gateway.admit(NonZeroU32::MIN, PATIENCE).await?;
    let (timeout, endpoint_id) = (freshness.timeout(), link.endpoint_id.as_str());
    let connectivity = permit
        .call(timeout, |operator, token, timeout| async move {
            operator.connectivity(&token, endpoint_id, timeout).await
        })
        .await
        .map_err(LookError::Call)?;
    drop(permit);
    let reading = ConnectivityReading { connectivity, at: clock.now() };
    if let Err(error) = store.record_connectivity(org, link.id, reading.clone()).await {
        tracing::warn!(%error, link = %link.id, "connectivity could not be kept");
    }
    Ok(Arc::new(reading))
}

impl Freshness {
    fn timeout(self) -> Duration {
        match self {
            Self::Cached => READ_TIMEOUT,
            Self::Live => LIVE_TIMEOUT,
        }
    }
}

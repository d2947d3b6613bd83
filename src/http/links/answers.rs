//! What `GET /links/{identifier}` answered lately, ready to be sent again.
//!
//! **Invariants.** An answer is given again only while nothing that it says can have changed: no
//! change of the Link by this process and no other process at work on the database
//! ([`Database::revision`](crate::store::Database::revision)), the operator's word the same and still
//! live, no activation over since. And never for longer than [`ANSWER_TTL`]: what a command changes
//! beside a service on SQLite shows within that.

use super::view::LinkView;
use crate::http::api::Api;
use crate::http::error::ApiError;
use crate::http::metrics::METRICS;
use bappy_actors::link::Usage;
use bappy_actors::model::{LinkId, LinkSnapshot, OrgId, Timestamp};
use moka::future::Cache;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use std::time::Duration;

/// The longest that an answer is given again: less than another process is silent before it counts
/// as gone.
const ANSWER_TTL: Duration = Duration::from_secs(1);

/// The answers, by their Links.
pub struct LinkAnswers(Cache<(OrgId, LinkId), Arc<Answer>>);

/// An answer, and what it rests on.
struct Answer {
    data: Ready,
    revision: u64,
    usage: Arc<Usage>,
    /// When the first of its activations is over.
    ends_at: Option<Timestamp>,
}

/// The data of an answer as it is sent.
#[derive(Clone, Debug)]
pub struct Ready(Arc<RawValue>);

impl Serialize for Ready {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl LinkAnswers {
    /// At most so many.
    pub fn new(entries_max: u64) -> Self {
        Self(Cache::builder().max_capacity(entries_max).time_to_live(ANSWER_TTL).build())
    }

    /// The last answer of a Link, if it still stands.
    pub(super) async fn find(&self, api: &Api, org: OrgId, link: LinkId) -> Option<Ready> {
        let found = self.standing(api, org, link).await;
        METRICS.link_answers.asked(found.is_some());
        found
    }

    /// The same, not counted.
    pub(super) async fn standing(&self, api: &Api, org: OrgId, link: LinkId) -> Option<Ready> {
        let answer = self.0.get(&(org, link)).await?;
        let usage = api.links.usage_known(org, link).await?;
        let stands = api.database.revision(link) == Some(answer.revision)
            && Arc::ptr_eq(&usage, &answer.usage)
            && answer.ends_at.is_none_or(|end| api.clock.now() < end);
        stands.then(|| answer.data.clone())
    }

    /// A Link as it is answered, and kept if it may be given again: it was read at this revision,
    /// and this is what the operator said.
    pub(super) async fn make(
        &self,
        org: OrgId,
        snapshot: LinkSnapshot,
        base: &str,
        revision: Option<u64>,
        usage: Option<Arc<Usage>>,
    ) -> Result<Ready, ApiError> {
        let key = (org, snapshot.link.id);
        let ends_at = snapshot.in_force().filter_map(|activation| activation.expires_at).min();
        let view = LinkView::new(snapshot, base);
        let data = Ready(Arc::from(to_raw_value(&view).map_err(ApiError::internal)?));
        if let (Some(revision), Some(usage)) = (revision, usage) {
            let answer = Answer { data: data.clone(), revision, usage, ends_at };
            self.0.insert(key, Arc::new(answer)).await;
            METRICS.link_answers.holds(self.0.entry_count());
        }
        Ok(data)
    }
}

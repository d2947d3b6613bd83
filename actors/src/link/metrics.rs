//! What is counted of the Links' actors and caches.

use crate::metrics::{CacheMetrics, counter_of, gauge_of};
use metrics::{Counter, Gauge};
use std::sync::LazyLock;

pub(crate) static METRICS: LazyLock<LinkMetrics> = LazyLock::new(|| LinkMetrics {
    actors: gauge_of("bappy_link_actors", "Links that have an actor now"),
    respawns: counter_of("bappy_link_respawns_total", "Link actors started again after a panic"),
    ids: CacheMetrics::of("link_ids"),
    usage: CacheMetrics::of("usage"),
    whereabouts: CacheMetrics::of("connectivity"),
});

pub(crate) struct LinkMetrics {
    pub actors: Gauge,
    pub respawns: Counter,
    pub ids: CacheMetrics,
    pub usage: CacheMetrics,
    pub whereabouts: CacheMetrics,
}

//! What the operator says of a Link's use, cached for a while and read once for all who ask.

use crate::gateway::GatewayHandle;
use crate::model::{EsimProfile, Link, SimKind, Timestamp};
use crate::ports::{Clock, Endpoint};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// How long a reader waits for room at the operator before it takes the last known figures.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a reader waits for one answer before it takes the last known figures.
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// What the operator said of a Link's use.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The endpoint with its plans.
    pub endpoint: Endpoint,
    /// The eSIM profile's state, if it could be read.
    pub profile: Option<EsimProfile>,
    /// When it was read.
    pub at: Timestamp,
}

/// Reads a Link's use from the operator; none if that cannot be had now.
pub(super) async fn read(
    gateway: &Arc<GatewayHandle>,
    clock: &dyn Clock,
    link: &Link,
) -> Option<Usage> {
    let calls = NonZeroU32::new(if link.kind == SimKind::Esim { 2 } else { 1 })?;
    let mut permit = gateway
        .admit(calls, PATIENCE)
        .await
        .inspect_err(|error| tracing::debug!(%error, "usage is not read now"))
        .ok()?;
    let endpoint_id = link.endpoint_id.as_str();
    let endpoint = permit
        .call(READ_TIMEOUT, |operator, token, timeout| async move {
            operator.endpoint(&token, endpoint_id, timeout).await
        })
        .await
        .inspect_err(|error| tracing::warn!(?error, link = %link.id, "usage could not be read"))
        .ok()??;
    // An answer about another card is no answer about this one.
    if endpoint.iccid != link.iccid {
        tracing::error!(link = %link.id, "the operator answered with another card's endpoint");
        return None;
    }
    let at = clock.now();
    let mut profile = None;
    if link.kind == SimKind::Esim {
        let iccid = link.iccid.as_str();
        let state = permit
            .call(READ_TIMEOUT, |operator, token, timeout| async move {
                operator.profile_state(&token, iccid, timeout).await
            })
            .await;
        profile = state.ok().map(|state| EsimProfile { state, updated_at: Some(at) });
    }
    Some(Usage { endpoint, profile, at })
}

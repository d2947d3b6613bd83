//! `GET /links/{identifier}/network-status`: where a Link's card is.
//!
//! Without `live=true` it is never an error of the provider's: what cannot be had now is told as it
//! was last known, with `live` false. With it the provider is asked anew, and its failure is told.

use super::link_id;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::Validate;
use crate::http::identifier::Identifier;
use crate::http::query::StrictQuery;
use crate::http::rate_limit::LiveReads;
use crate::http::show;
use crate::http::tenant::Tenant;
use crate::reference::{country_of_network, network};
use actix_web::web;
use bappy_actors::link::Freshness;
use bappy_actors::model::{Link, LinkId, LinkStatus, Timestamp};
use bappy_actors::ports::{Connectivity, ConnectivityReading, ConnectivityState, NetworkInfo};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The parameters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Asks the provider anew, past the cache.
    live: Option<bool>,
}

impl Validate for Parameters {}

/// Where a card is.
#[derive(Debug, Serialize, ToSchema)]
pub struct NetworkStatus {
    link_id: LinkId,
    #[schema(pattern = "^[0-9]{19,20}$", example = "8988247000000000019")]
    iccid: String,
    status: ConnectivityState,
    /// Null while it is on none.
    network: Option<NetworkView>,
    ip_address: Option<String>,
    imei: Option<String>,
    #[serde(serialize_with = "show::at_or_null")]
    last_seen_at: Option<Timestamp>,
    #[serde(serialize_with = "show::at_or_null")]
    checked_at: Option<Timestamp>,
    /// Whether the provider could be asked; false where this is what was last known.
    live: bool,
}

/// A mobile network.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Network)]
pub struct NetworkView {
    name: Option<String>,
    /// ISO 3166-1 alpha-2.
    country: Option<String>,
    mcc: String,
    mnc: String,
    technology: Option<String>,
}

/// Where is a Link?
///
/// Whether its card is on a network, and on which. With `live=true` the provider is asked anew, and
/// its failure is an error; else what cannot be had now is told as it was last known.
#[utoipa::path(
    get,
    path = "/links/{identifier}/network-status",
    operation_id = "getNetworkStatus",
    tag = "Links",
    params(Identifier, Parameters),
    responses(
        (status = 200, description = "Where it is.", body = NetworkStatus),
        (status = 404, description = "NOT_FOUND"),
        (status = 500, description = "CONFIG_ERROR"),
        (status = 502, description = "PROVIDER_ERROR"),
        (status = 503, description = "PROVIDER_UNAVAILABLE"),
    ),
)]
pub(super) async fn network_status(
    Tenant(organization): Tenant,
    identifier: Identifier,
    api: web::Data<Api>,
    live_reads: LiveReads,
    StrictQuery(parameters): StrictQuery<Parameters>,
) -> Result<Success<NetworkStatus>, ApiError> {
    let (org, live) = (organization.id, parameters.live == Some(true));
    let id = link_id(&api, org, identifier).await?;
    let link = Arc::new(api.store.link(org, id).await?.ok_or_else(ApiError::not_found)?);
    if link.status == LinkStatus::Inactive {
        // Its endpoint is gone for good: there is nobody to ask about it.
        let last = api.store.last_connectivity(org, id).await?;
        return Ok(Success::new(NetworkStatus::terminated(&link, last, api.clock.now())));
    }
    if live {
        live_reads.take()?;
    }
    let freshness = if live { Freshness::Live } else { Freshness::Cached };
    let view = match api.links.connectivity(org, Arc::clone(&link), freshness).await {
        Ok(reading) => NetworkStatus::new(&link, Some((*reading).clone()), true),
        Err(error) if live => return Err(error.into()),
        Err(error) => {
            tracing::debug!(%error, link = %id, "the last known connectivity is told");
            NetworkStatus::new(&link, api.store.last_connectivity(org, id).await?, false)
        }
    };
    Ok(Success::new(view))
}

impl NetworkStatus {
    fn new(link: &Link, reading: Option<ConnectivityReading>, live: bool) -> Self {
        let checked_at = reading.as_ref().map(|reading| reading.at);
        let connectivity = reading.map(|reading| reading.connectivity);
        let Connectivity { state, network, ip_address, imei, last_seen_at } = connectivity
            .unwrap_or(Connectivity {
                state: ConnectivityState::Unknown,
                network: None,
                ip_address: None,
                imei: None,
                last_seen_at: None,
            });
        Self {
            link_id: link.id,
            iccid: link.iccid.clone(),
            status: state,
            network: network.map(Into::into),
            ip_address,
            imei,
            last_seen_at,
            checked_at,
            live,
        }
    }

    /// Of a card that is served no more, with what was last known of it.
    fn terminated(link: &Link, last: Option<ConnectivityReading>, now: Timestamp) -> Self {
        Self {
            status: ConnectivityState::Offline,
            network: None,
            ip_address: None,
            checked_at: Some(now),
            ..Self::new(link, last, true)
        }
    }
}

impl From<NetworkInfo> for NetworkView {
    fn from(told: NetworkInfo) -> Self {
        let country = country_of_network(&told.mcc, &told.mnc).map(|country| &country.code);
        let known = network(&told.mcc, &told.mnc, country.map(String::as_str));
        Self {
            name: known.map(|network| network.name().to_owned()),
            country: country.cloned(),
            mcc: told.mcc,
            mnc: told.mnc,
            technology: told.technology,
        }
    }
}

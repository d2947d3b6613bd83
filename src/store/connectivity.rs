//! Where a Link's card was last known to be. Called by [`SqlStore`](super::SqlStore).

use super::{DbError, Time, Tx, text};
use bappy_actors::model::{LinkId, OrgId};
use bappy_actors::ports::ConnectivityReading;

/// Keeps a reading. One older than the last changes nothing.
pub async fn record(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
    reading: &ConnectivityReading,
) -> Result<(), DbError> {
    exec!(
        tx,
        "UPDATE links SET connectivity = $3, connectivity_at = $4
         WHERE org_id = $1 AND id = $2 AND (connectivity_at IS NULL OR connectivity_at <= $4)",
        org.0,
        link.0,
        text::to_json(&reading.connectivity)?,
        Time::from(reading.at)
    )?;
    Ok(())
}

/// The last reading, if there was one.
pub async fn last(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
) -> Result<Option<ConnectivityReading>, DbError> {
    let row = opt!(
        tx,
        (String, Time),
        "SELECT connectivity, connectivity_at FROM links
         WHERE org_id = $1 AND id = $2 AND connectivity IS NOT NULL",
        org.0,
        link.0
    )?;
    let reading = |(connectivity, at): (String, Time)| {
        let connectivity = text::from_json("connectivity", &connectivity)?;
        Ok(ConnectivityReading { connectivity, at: at.into() })
    };
    row.map(reading).transpose()
}

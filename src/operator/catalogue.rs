//! Reads the operator's whole catalogue, for the commands that take it over.

use bappy_actors::ports::{CallError, CatalogueItem, Operator};
use std::time::Duration;

/// Plans asked for at a time.
const PER_PAGE: u32 = 100;
/// More pages than any catalogue has: an operator that never comes to an end is refused.
const PAGES_MAX: u32 = 1_000;

/// Why the catalogue cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A call failed.
    #[error("the operator's catalogue cannot be read: {0}")]
    Call(String),
    /// It does not end, or ends before it should.
    #[error("the operator's catalogue is not whole: {got} plans of {total}")]
    NotWhole {
        /// Plans read.
        got: u64,
        /// Plans announced.
        total: u64,
    },
}

impl From<CallError> for FetchError {
    fn from(error: CallError) -> Self {
        Self::Call(match error {
            CallError::Unreachable => "it cannot be reached".to_owned(),
            CallError::Unauthorized => "it refuses our credentials".to_owned(),
            error => format!("{error:?}"),
        })
    }
}

/// All plans, or an error: never a part of them.
pub async fn fetch(
    operator: &dyn Operator,
    timeout: Duration,
) -> Result<Vec<CatalogueItem>, FetchError> {
    let token = operator.login(timeout).await?;
    let mut items: Vec<CatalogueItem> = Vec::new();
    let mut total = 0;
    for page in 1..=PAGES_MAX {
        let part = operator.catalogue(&token, page, PER_PAGE, timeout).await?;
        total = part.total;
        let is_last = part.items.is_empty();
        items.extend(part.items);
        if is_last || items.len() as u64 >= total {
            break;
        }
    }
    let got = items.len() as u64;
    if got < total { Err(FetchError::NotWhole { got, total }) } else { Ok(items) }
}

//! Transactions as a CSV file (RFC 4180), whatever their number: read batch by batch as the client
//! takes them.
//!
//! **Invariants:** a batch is read on a connection that is given back before the batch is sent, so
//! a slow client holds none; what fails before the first byte is an error like any other, and what
//! fails later cuts the connection before the body's end, so no client takes a part for the whole.

use super::view::TransactionView;
use crate::http::api::Api;
use crate::http::error::ApiError;
use crate::store::DbError;
use crate::store::page::{Place, Window};
use crate::store::transactions::{Scope, Transaction};
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use bappy_actors::model::{Currency, Organization};
use csv::{Terminator, Writer, WriterBuilder};
use futures_util::{StreamExt, stream};
use tracing::Instrument;

/// Transactions read at once: some hundred kilobytes of text.
const BATCH_ROWS: u32 = 500;

/// The columns, named as the fields of a Transaction.
const COLUMNS: [&str; 14] = [
    "id",
    "type",
    "amount",
    "balance_after",
    "currency",
    "link_id",
    "iccid",
    "activation_id",
    "plan_id",
    "plan_name",
    "refund_of",
    "description",
    "operation_id",
    "created_at",
];

/// What a cell must not begin with: a spreadsheet would take the text for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("a row cannot be written: {0}")]
    Csv(#[from] csv::Error),
    #[error("rows cannot be written: {0}")]
    Buffer(String),
}

impl From<ExportError> for ApiError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Database(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

/// The rows that are still to come.
struct Export {
    api: Data<Api>,
    scope: Scope,
    currency: Currency,
    /// None once the last is read.
    place: Option<Place<i64>>,
}

/// The transactions of a scope as a file.
pub(super) async fn csv(
    api: &Data<Api>,
    organization: &Organization,
    scope: Scope,
) -> Result<HttpResponse, ApiError> {
    let date = api.clock.now().date_naive();
    let file = format!("transactions-{}-{date}.csv", organization.slug);
    let place = Some(scope.begin());
    let mut export = Export { api: api.clone(), scope, currency: organization.currency, place };
    let mut head = text(|csv| csv.write_record(COLUMNS))?;
    head.extend(export.next().await?);
    let span = tracing::Span::current();
    let rest = stream::try_unfold(export, move |mut export| {
        let read = async move {
            if export.place.is_none() {
                return Ok(None);
            }
            let rows = export.next().await.inspect_err(|error| {
                tracing::error!(%error, "an export ended before its end");
            })?;
            Ok::<_, ExportError>(Some((Bytes::from(rows), export)))
        };
        read.instrument(span.clone())
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")))
        .insert_header((header::VARY, "accept"))
        .streaming(stream::iter([Ok(Bytes::from(head))]).chain(rest)))
}

impl Export {
    /// The next batch as text.
    async fn next(&mut self) -> Result<Vec<u8>, ExportError> {
        let Some(place) = self.place.take() else { return Ok(Vec::new()) };
        let mut tx = self.api.database.read_of(self.scope.org()).await?;
        let part = self.scope.part(&mut tx, &Window { place, size: BATCH_ROWS }).await?;
        drop(tx);
        self.place = part.next.map(Place::After);
        text(|csv| part.rows.into_iter().try_for_each(|row| csv.serialize(self.cells(row))))
    }

    fn cells(&self, mut row: Transaction) -> TransactionView {
        plain(&mut row.entry.description);
        row.entry.plan_name.as_mut().map(plain);
        TransactionView::new(row, self.currency)
    }
}

/// Puts an apostrophe before what would be taken for a formula. Only texts need it: all else is
/// ids, numbers and times.
fn plain(text: &mut String) {
    if text.starts_with(FORMULA) {
        text.insert(0, '\'');
    }
}

/// Rows as text.
fn text(
    write: impl FnOnce(&mut Writer<Vec<u8>>) -> Result<(), csv::Error>,
) -> Result<Vec<u8>, ExportError> {
    let mut csv = WriterBuilder::new()
        .has_headers(false)
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    write(&mut csv)?;
    csv.into_inner().map_err(|error| ExportError::Buffer(error.to_string()))
}

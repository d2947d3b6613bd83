//! Ends a connection after an answer, for good.
//!
//! `Connection: close` alone is not enough with actix-http 3.20: what came in the same packets
//! behind the refused request has already been parsed and would be answered too, and a chunked
//! body that nobody reads is waited for without end. So the connection is marked, what follows
//! on it is dropped unanswered, and the refused body is held until the answer is out, which
//! makes the server close after its disconnect time-out whatever the client does.
//!
//! Called by the [`Edge`](super::edge::Edge) middleware, and by the server for each new
//! connection.
//!
//! **Invariant:** after an answer that closes, no byte of a further answer is sent.

use std::any::Any;
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, Payload, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;

use super::tenant::LastAuthenticated;

/// Whether a connection has had its last answer. Of one connection, on one thread.
#[derive(Clone, Default)]
pub(super) struct ConnectionMark(Rc<Cell<bool>>);

/// Gives a new connection its mark, and room for who is let in; the server's `on_connect`.
pub fn mark_connection(_io: &dyn Any, data: &mut Extensions) {
    data.insert(ConnectionMark::default());
    data.insert(LastAuthenticated::default());
}

impl ConnectionMark {
    /// The mark of a request's connection; a fresh one where the server sets none (tests
    /// without a connection).
    pub(super) fn of(request: &ServiceRequest) -> Self {
        request.conn_data::<Self>().cloned().unwrap_or_default()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.get()
    }

    pub(super) fn close(&self) {
        self.0.set(true);
    }
}

/// A body that keeps the request's own unread until it has been sent.
pub(super) struct HoldingBody {
    bytes: Bytes,
    _unread: Payload,
}

impl HoldingBody {
    pub(super) fn boxed(bytes: Vec<u8>, unread: Payload) -> BoxBody {
        BoxBody::new(Self { bytes: bytes.into(), _unread: unread })
    }
}

impl MessageBody for HoldingBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}

/// What a request behind the last answer gets: nothing. Waits until the last answer has been
/// written, then fails before its own head is, and the server drops the connection.
pub(super) async fn no_answer() -> HttpResponse {
    tokio::task::yield_now().await;
    HttpResponse::with_body(StatusCode::OK, BoxBody::new(Cut))
}

struct Cut;

#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was closed by an earlier answer")
    }
}

impl std::error::Error for Closed {}

impl MessageBody for Cut {
    type Error = Closed;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Closed>>> {
        Poll::Ready(Some(Err(Closed)))
    }
}

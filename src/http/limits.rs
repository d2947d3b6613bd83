//! What a request may take: bytes of headers, bytes of body, time to arrive, connections.
//!
//! The [`Edge`](super::edge::Edge) middleware checks the head before anything is routed;
//! [`StrictJson`](super::json::StrictJson) reads the body through `read_body`; the
//! composition root passes its server through [`apply_server_limits!`].
//!
//! **Invariant:** a request with a `Transfer-Encoding` never reaches a handler.

use std::time::Duration;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::error::ApiError;
use super::error_kind::ErrorKind;

/// What one request may take.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// Bytes of all headers, as they came over the wire.
    pub header_bytes_max: usize,
    /// Bytes of the body.
    pub body_bytes_max: usize,
    /// Time from the first look at the body to its end.
    pub body_timeout: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            // Twice a token of the largest accepted size (8 KiB), as most proxies allow.
            header_bytes_max: 16 * 1024,
            // The contract's. The largest body it describes is under 1 KiB.
            body_bytes_max: 64 * 1024,
            // 64 KiB arrive in this time over a line of 52 kbit/s.
            body_timeout: Duration::from_secs(10),
        }
    }
}

/// Refuses by the head alone: headers too large, a `Transfer-Encoding`, a body announced too
/// large.
pub(super) fn check_head(request: &ServiceRequest, limits: &RequestLimits) -> Result<(), ApiError> {
    let headers = request.headers();
    if header_bytes(headers) > limits.header_bytes_max {
        return Err(ApiError::new(ErrorKind::HeadersTooLarge));
    }
    // A length that two parsers can read differently is how requests are smuggled past a
    // proxy (GHSA-9w4r-xc43-v236, GHSA-9543-cj4x-h76q): only Content-Length is understood.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(ApiError::new(ErrorKind::LengthRequired));
    }
    match content_length(headers) {
        Some(length) if length > limits.body_bytes_max => {
            Err(ApiError::new(ErrorKind::PayloadTooLarge))
        }
        _ => Ok(()),
    }
}

/// Name, colon, space, value, line end; the request line is not counted.
fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// The announced length; the server has refused any that is not a number.
pub(super) fn content_length(headers: &HeaderMap) -> Option<usize> {
    let value = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim();
    Some(value.parse().unwrap_or(usize::MAX))
}

/// The whole body, within the limits: else 413, 408, or 422 where the client stops half way.
pub(super) async fn read_body(
    payload: &mut Payload,
    limits: &RequestLimits,
) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(limits.body_timeout, collect(payload, limits.body_bytes_max)).await {
        Ok(body) => body,
        Err(_elapsed) => Err(ApiError::new(ErrorKind::RequestTimeout)),
    }
}

async fn collect(payload: &mut Payload, bytes_max: usize) -> Result<Bytes, ApiError> {
    let mut body: Option<BytesMut> = None;
    let mut first: Option<Bytes> = None;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        let so_far = body.as_ref().map_or(0, BytesMut::len) + first.as_ref().map_or(0, Bytes::len);
        if so_far + chunk.len() > bytes_max {
            return Err(ApiError::new(ErrorKind::PayloadTooLarge));
        }
        // Nearly every body comes in one piece, which is then not copied.
        match (&mut body, first.take()) {
            (Some(whole), _) => whole.extend_from_slice(&chunk),
            (None, Some(start)) => {
                let mut whole = BytesMut::with_capacity(start.len() + chunk.len());
                whole.extend_from_slice(&start);
                whole.extend_from_slice(&chunk);
                body = Some(whole);
            }
            (None, None) => first = Some(chunk),
        }
    }
    Ok(body.map(BytesMut::freeze).or(first).unwrap_or_default())
}

fn unreadable(error: &PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::new(ErrorKind::PayloadTooLarge),
        _ => ApiError::invalid_field("body", "The body ended before its announced length.")
            .with_context(error),
    }
}

/// What one server may hold open, and for how long.
///
/// actix-http measures these times with a clock that ticks every 500 ms, and a disconnect
/// deadline that has passed when it is set is never noticed: none may be under a second.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Time for the head of a connection's first request.
    pub head_timeout: Duration,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// How long a closing connection is read on, so that the client gets its answer rather
    /// than a reset.
    pub disconnect_timeout: Duration,
    /// Open connections a worker takes; more wait in the backlog.
    pub connections_per_worker_max: usize,
    /// Connections that wait to be accepted.
    pub backlog: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            // A head is one or two packets; five seconds forgive a lost one and its repetition.
            head_timeout: Duration::from_secs(5),
            // Longer than the 60 s for which usual proxies and load balancers keep theirs, so
            // that they are the ones to close and never send into a closing connection.
            keep_alive: Duration::from_secs(75),
            // One round trip of a slow mobile line, and no longer: a slot is held meanwhile.
            disconnect_timeout: Duration::from_secs(2),
            // At most some 150 KiB of buffers each: 1.2 GiB a worker if all of them misbehave.
            connections_per_worker_max: 8192,
            // A burst of reconnecting clients after a restart; the kernel caps it (somaxconn).
            backlog: 2048,
        }
    }
}

/// Sets [`ServerLimits`] on an `HttpServer`: `apply_server_limits!(limits, server)`. To be used
/// before `bind` or `listen`, which take the backlog. It also has each connection marked, which
/// closing one for good depends on.
///
/// A macro, because the server's type parameters are bounded by traits of crates that
/// actix-web does not re-export.
#[macro_export]
macro_rules! apply_server_limits {
    ($limits:expr, $server:expr) => {{
        let limits: $crate::http::limits::ServerLimits = $limits;
        $server
            .client_request_timeout(limits.head_timeout)
            .keep_alive(limits.keep_alive)
            .client_disconnect_timeout(limits.disconnect_timeout)
            .max_connections(limits.connections_per_worker_max)
            .backlog(limits.backlog)
            // Answers are single small writes: waiting to fill a packet only adds delay.
            .tcp_nodelay(true)
            .on_connect($crate::http::closing::mark_connection)
    }};
}
pub use apply_server_limits;

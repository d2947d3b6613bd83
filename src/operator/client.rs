//! The connection pool to the operator, and how one call goes out and comes back.
//!
//! Called by `calls.rs` alone. **Invariant:** one call, one request. reqwest's own retries are off;
//! what is left is hyper's, which takes another connection only where the pooled one closed before
//! a byte of the request was written.

use super::answer::{Answer, shortened};
use crate::telemetry::traces;
use bappy_actors::ports::{AccessToken, CallError, Refusal, UnknownCause};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use secrecy::SecretString;
use serde::Serialize;
use std::time::Duration;

/// A connection that takes longer than this is not made; shorter than a call, so that the end is
/// "nothing was sent" and not "unknown".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Below the 5 s after which common servers close an idle connection: a request that is written
/// into a connection just being closed ends as unknown.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Of an error answer only code and message are of use.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// The operator, over HTTP.
pub struct OperatorClient {
    http: Client,
    base: Url,
    pub(super) username: String,
    pub(super) password: SecretString,
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is not one that can be called.
    #[error("`{0}` is not an http or https address without a query")]
    Address(String),
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
}

/// One call, ready to be sent.
pub(super) struct Call<'a> {
    pub method: Method,
    pub url: Url,
    pub body: Option<Vec<u8>>,
    pub token: Option<&'a AccessToken>,
    /// From the first byte out to the last byte in.
    pub timeout: Duration,
    /// A longer answer is not read to its end: its result is unreadable.
    pub answer_bytes_max: usize,
}

impl OperatorClient {
    /// A client for the operator at `base_url`, which may have a path in front of `/api`. Connects
    /// to nothing. Proxies of the environment are not used.
    pub fn new(
        base_url: &str,
        username: String,
        password: SecretString,
    ) -> Result<Self, SetupError> {
        let base = Url::parse(base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .ok_or_else(|| SetupError::Address(base_url.to_owned()))?;
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .user_agent(concat!("bappy/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base, username, password })
    }

    /// The address of `segments`, each percent-encoded: ids come from outside. One that would
    /// address something else (empty, `.` or `..`) is refused unsent.
    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, CallError> {
        if let Some(odd) = segments.iter().find(|s| matches!(**s, "" | "." | "..")) {
            return Err(CallError::Refused(Refusal::Other(format!("`{odd}` is not an id"))));
        }
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// Sends a call and reads its answer to the end. An answer with a success status that is cut,
    /// late or too long is an error; of an error answer the status is enough, but for a 404, which
    /// means something only with its body.
    pub(super) async fn exchange(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let mut request = self.http.request(call.method, call.url).timeout(call.timeout);
        request = request.headers(traces::carried());
        if let Some(token) = call.token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = request.send().await.map_err(|error| not_answered(&error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = if status.is_success() {
            read(response, call.answer_bytes_max).await?
        } else if status == StatusCode::NOT_FOUND {
            read(response, ERROR_BYTES_MAX).await?
        } else {
            read(response, ERROR_BYTES_MAX).await.unwrap_or_default()
        };
        Ok(Answer { status, headers, body })
    }
}

/// A request body; serialized once, before anything is sent.
pub(super) fn json(body: &impl Serialize) -> Result<Option<Vec<u8>>, CallError> {
    serde_json::to_vec(body)
        .map(Some)
        .map_err(|error| CallError::Refused(Refusal::Other(format!("cannot be written: {error}"))))
}

fn bearer(token: &AccessToken) -> Result<HeaderValue, CallError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.secret))
        .map_err(|_| CallError::Unauthorized)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| not_answered(&error))? {
        if body.len() + chunk.len() > bytes_max {
            let text = format!("longer than {bytes_max} bytes");
            return Err(CallError::Unknown(UnknownCause::Unreadable(text)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a call without a whole answer says about its outcome. `is_connect` covers names that do
/// not resolve, refused connections and failed TLS handshakes: nothing was sent.
fn not_answered(error: &reqwest::Error) -> CallError {
    if error.is_connect() || error.is_builder() {
        tracing::debug!(error = %causes(error), "no connection to the provider");
        return CallError::Unreachable;
    }
    if error.is_timeout() {
        return CallError::Unknown(UnknownCause::TimedOut);
    }
    if error.is_decode() && !is_cut(error) {
        return CallError::Unknown(UnknownCause::Unreadable(causes(error)));
    }
    tracing::debug!(error = %causes(error), "the connection to the provider was cut");
    CallError::Unknown(UnknownCause::Cut)
}

/// Whether the transport ended, as opposed to content that does not decompress.
fn is_cut(error: &reqwest::Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |e| e.source()).any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| {
            matches!(
                io.kind(),
                std::io::ErrorKind::UnexpectedEof
                    | std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::ConnectionAborted
                    | std::io::ErrorKind::BrokenPipe
            )
        })
    })
}

/// The chain of causes, without the address: it carries ids and is known from the configuration.
fn causes(error: &reqwest::Error) -> String {
    let chain = std::iter::successors(std::error::Error::source(error), |e| e.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    shortened(&chain.join(": "))
}

//! What an answer says about the outcome of a call: the table of the protocol's errors.
//!
//! Called by `calls.rs`. **Invariant:** only what the protocol calls definite becomes a no; an
//! error that is not recognized leaves the outcome unknown.

use bappy_actors::ports::{CallError, Refusal, UnknownCause};
use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// Longer waits are not believed.
const RETRY_AFTER_S_MAX: u64 = 3_600;
/// Enough of the operator's words to recognize an error in the log.
const WORDS_CHARS_MAX: usize = 200;

/// An answer read to its end.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Where a success hides an error, and where an error says what it is.
#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    error: Value,
}

impl Answer {
    /// The result in a success.
    pub(super) fn result<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        self.success()?;
        serde_json::from_slice(&self.body).or_else(|_| self.read_with_places())
    }

    /// The same once more, for an error that names the field: to keep track of fields takes longer than to
    /// read them.
    fn read_with_places<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut json).map_err(|error| unreadable(&error.to_string()))
    }

    /// Whether it is a success, of which nothing needs to be read. An empty body is one.
    pub(super) fn success(&self) -> Result<(), CallError> {
        if !self.status.is_success() {
            return Err(self.error_status());
        }
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let probe: Probe =
            serde_json::from_slice(&self.body).map_err(|error| unreadable(&error.to_string()))?;
        match probe.error {
            Value::Null | Value::Bool(false) => Ok(()),
            error => Err(wrapped(&error)),
        }
    }

    /// Whether it says that what was addressed is not there: a 404 of the operator itself.
    pub(super) fn is_absence(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.has_code()
    }

    /// Whether it says that what was to be taken away is not there.
    pub(super) fn is_gone(&self) -> bool {
        self.is_absence() || (self.status == StatusCode::NOT_FOUND && self.is_bare())
    }

    /// Whether it is an error as the protocol writes it, whatever its code.
    fn has_code(&self) -> bool {
        self.error().is_some_and(|error| !text_of(&error, "code").is_empty())
    }

    /// Whether it has no body, and none that a browser would be shown.
    fn is_bare(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        let html = kind.to_ascii_lowercase().windows(4).any(|part| part == b"html");
        !html && self.body.iter().all(u8::is_ascii_whitespace)
    }

    fn error_status(&self) -> CallError {
        let text = || format!("HTTP {} {}", self.status.as_u16(), self.words());
        match self.status {
            StatusCode::UNAUTHORIZED => CallError::Unauthorized,
            StatusCode::TOO_MANY_REQUESTS => CallError::Throttled(retry_after(&self.headers)),
            StatusCode::REQUEST_TIMEOUT => CallError::Unknown(UnknownCause::ErrorAnswer(text())),
            StatusCode::NOT_FOUND if !self.has_code() => unreadable(&text()),
            status if status.is_client_error() => {
                let code = self.error().as_ref().and_then(|e| refusal(text_of(e, "code")));
                CallError::Refused(code.unwrap_or_else(|| Refusal::Other(text())))
            }
            _ => CallError::Unknown(UnknownCause::ErrorAnswer(text())),
        }
    }

    /// The error object of an error answer, bare or wrapped.
    fn error(&self) -> Option<Value> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(if body["error"].is_object() { body["error"].clone() } else { body })
    }

    /// The operator's own words.
    fn words(&self) -> String {
        match self.error() {
            Some(error) if error.is_object() => words(&error),
            _ => shortened(&String::from_utf8_lossy(&self.body)),
        }
    }
}

/// An answer without the result.
pub(super) fn unreadable(why: &str) -> CallError {
    CallError::Unknown(UnknownCause::Unreadable(shortened(why)))
}

/// A text from outside, fit for one line of a log.
pub(super) fn shortened(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(WORDS_CHARS_MAX).map(printable).collect()
}

/// An error inside a success: a no only with one of the codes that the protocol names for it.
fn wrapped(error: &Value) -> CallError {
    match refusal(text_of(error, "code")) {
        Some(refusal) => CallError::Refused(refusal),
        None => CallError::Unknown(UnknownCause::ErrorAnswer(words(error))),
    }
}

fn refusal(code: &str) -> Option<Refusal> {
    Some(match code {
        "SIM_IN_USE" => Refusal::SimInUse,
        "NO_PLAN" => Refusal::NoPlan,
        "NO_ENDPOINT" => Refusal::NoEndpoint,
        "NO_INSTANCE" => Refusal::NoInstance,
        "NOT_ALLOWED" => Refusal::NotAllowed,
        _ => return None,
    })
}

fn words(error: &Value) -> String {
    match (text_of(error, "code"), text_of(error, "message")) {
        ("", "") => shortened(&error.to_string()),
        (code, message) => shortened(&format!("{code} {message}")),
    }
}

fn text_of<'a>(error: &'a Value, field: &str) -> &'a str {
    error[field].as_str().unwrap_or_default()
}

/// Seconds, or an HTTP date counted from the answer's own `Date` (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = if let Ok(seconds) = text.parse::<u64>() {
        seconds
    } else {
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        let now = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
        u64::try_from((until - now).num_seconds()).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)))
}

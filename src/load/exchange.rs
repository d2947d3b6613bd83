//! One request and what became of it.

use super::connection::Connection;
use super::scenario::Call;
use super::{Target, wallet::Wallet};
use bappy_actors::model::Money;
use hyper::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::time::Duration;

/// What became of a request.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// It succeeded, and charged this.
    Done(Money),
    /// It was refused with a status and code, and charged nothing.
    Refused(Cow<'static, str>),
    /// It was sent, and nobody knows what became of it.
    Lost(&'static str),
    /// It was never sent.
    Unsent(&'static str),
}

/// Of an answer, what matters here.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<Charged<'a>>,
    #[serde(borrow)]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize)]
struct Charged<'a> {
    #[serde(borrow)]
    amount_charged: Option<&'a str>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    code: &'a str,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    operation_id: Option<IgnoredAny>,
}

/// Makes one call on a connection, which is opened where there is none.
pub async fn exchange(
    target: &Target,
    connection: &mut Option<Connection>,
    wallet: &Wallet,
    call: Call,
    timeout: Duration,
) -> Outcome {
    let mut open = match still_open(connection).await {
        Some(kept) => kept,
        None => match tokio::time::timeout(timeout, Connection::open(target)).await {
            Ok(Ok(fresh)) => fresh,
            Ok(Err(_)) => return Outcome::Unsent("NO_CONNECTION"),
            Err(_) => return Outcome::Unsent("CONNECT_TIMED_OUT"),
        },
    };
    match tokio::time::timeout(timeout, open.send(wallet.request(call))).await {
        Ok(Ok((status, body))) => {
            *connection = Some(open);
            read(call, status, &body)
        }
        Ok(Err(_)) => Outcome::Lost("CONNECTION_CUT"),
        Err(_) => Outcome::Lost("TIMED_OUT"),
    }
}

async fn still_open(connection: &mut Option<Connection>) -> Option<Connection> {
    let mut kept = connection.take()?;
    kept.is_open().await.then_some(kept)
}

/// What an answer says. The code of a refusal is told with its status.
fn read(call: Call, status: StatusCode, body: &[u8]) -> Outcome {
    if status.is_success() && !call.charges() {
        return Outcome::Done(Money::ZERO);
    }
    let answer = serde_json::from_slice::<Answer>(body).ok();
    if status.is_success() {
        let amount = answer.and_then(|a| a.data).and_then(|d| d.amount_charged?.parse().ok());
        // A success that does not say what it cost leaves open what it cost.
        return amount.map_or(Outcome::Lost("UNREADABLE"), Outcome::Done);
    }
    let refusal = answer.and_then(|a| a.error);
    if call.charges() && status.is_server_error() {
        match &refusal {
            // A proxy's own: the request may have arrived behind it.
            None => return Outcome::Lost("NO_ANSWER_OF_THE_SERVICE"),
            // Of this error alone the end of the operation that it names is still open.
            Some(Refusal {
                code: "SERVICE_UNAVAILABLE",
                details: Some(Details { operation_id: Some(_) }),
            }) => return Outcome::Lost("NOT_SETTLED"),
            Some(_) => {}
        }
    }
    let code = refusal.map_or("", |error| error.code);
    Outcome::Refused(Cow::Owned(format!("{} {code}", status.as_u16()).trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_its_charge_or_its_code() {
        let charged = br#"{"success":true,"data":{"added":[{"amount_charged":"1.00"}],
            "amount_charged":"2.50","currency":"USD"},"meta":{}}"#;
        let done = Outcome::Done("2.50".parse().unwrap());
        assert_eq!(read(Call::Topup, StatusCode::OK, charged), done);
        let refused = br#"{"success":false,"error":{"code":"RATE_LIMITED","message":"m"}}"#;
        assert_eq!(
            read(Call::GetLink, StatusCode::TOO_MANY_REQUESTS, refused),
            Outcome::Refused("429 RATE_LIMITED".into())
        );
        let proxy = read(Call::Topup, StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(proxy, Outcome::Lost("NO_ANSWER_OF_THE_SERVICE"));
        let proxy = read(Call::GetLink, StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(proxy, Outcome::Refused("502".into()));
        let refunded =
            br#"{"error":{"code":"PROVISIONING_FAILED","details":{"operation_id":"x"}}}"#;
        assert_eq!(
            read(Call::Topup, StatusCode::BAD_GATEWAY, refunded),
            Outcome::Refused("502 PROVISIONING_FAILED".into())
        );
        let open = br#"{"error":{"code":"SERVICE_UNAVAILABLE","details":{"operation_id":"x"}}}"#;
        assert_eq!(
            read(Call::Topup, StatusCode::SERVICE_UNAVAILABLE, open),
            Outcome::Lost("NOT_SETTLED")
        );
        assert_eq!(read(Call::Topup, StatusCode::OK, b"{}"), Outcome::Lost("UNREADABLE"));
    }
}

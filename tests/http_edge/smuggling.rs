//! Requests that two parsers could read differently: whatever is done with them, nothing that was
//! hidden inside or behind them is answered, and no two ends are possible.

use std::time::Duration;

use bappy::http::limits::RequestLimits;
use futures_util::future::join_all;

use crate::raw::{assert_only_error, exchange};
use crate::server::TestServer;

const PLAN: &str = r#"{"plan_id":"550e8400-e29b-41d4-a716-446655440000"}"#;
const LENGTH: &str = "content-length: 50";

/// What is hidden behind a request; its answer would hold `777`.
const HIDDEN: &str = "GET /v1/links?rows=777 HTTP/1.1\r\nhost: a\r\n\r\n";

fn posting(fields: &str) -> String {
    format!(
        "POST /v1/links HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{fields}\r\n\r\n\
         {PLAN}{HIDDEN}"
    )
}

/// Sends a request and its hidden one, and gives the statuses of what comes until the end.
async fn statuses(server: &TestServer, request: &str) -> Vec<u16> {
    let received = exchange(server, request.as_bytes()).await;
    assert!(!received.contains("777"), "the hidden request was answered: {request:?}: {received}");
    let starts = received.match_indices("HTTP/1.").map(|(at, _)| &received[at + 9..at + 12]);
    starts.map(|status| status.parse().unwrap()).collect()
}

/// Sends requests at once, each on a connection of its own, and compares what they are answered.
async fn are_answered(server: &TestServer, requests: impl IntoIterator<Item = (String, Vec<u16>)>) {
    let each = requests.into_iter().map(async |(request, expected)| {
        assert_eq!(statuses(server, &request).await, expected, "{request:?}");
    });
    join_all(each).await;
}

/// Not one of these gets as far as a handler: the server answers 400 and closes.
async fn are_refused(requests: impl IntoIterator<Item = String>) {
    let refused = requests.into_iter().map(|request| (request, vec![400]));
    are_answered(&TestServer::start(), refused).await;
}

#[tokio::test]
async fn a_length_that_is_not_one_plain_number_is_refused() {
    assert_eq!(PLAN.len(), 50);
    let lengths = [
        "content-length: 50\r\ncontent-length: 50",
        "content-length: 50\r\ncontent-length: 0",
        "content-length: 0\r\ncontent-length: 50",
        "content-length: 50\r\nContent-Length: 51",
        "content-length: 50, 50",
        "content-length: 50, 0",
        "content-length: +50",
        "content-length: -50",
        "content-length: -0",
        "content-length: 50 0",
        "content-length: 0x32",
        "content-length: 50.0",
        "content-length: 5e1",
        "content-length: 5_0",
        "content-length: \"50\"",
        "content-length: 50;a=b",
        "content-length: ５０",
        "content-length: ",
        "content-length: 18446744073709551616",
        "content-length: 99999999999999999999999999",
    ];
    are_refused(lengths.map(posting)).await;
}

#[tokio::test]
async fn a_length_beyond_every_limit_is_413_and_closes() {
    let server = TestServer::start();
    let lengths = ["18446744073709551615", "9223372036854775808", "65537", "00000000000000065537"];
    join_all(lengths.map(async |length| {
        let request = posting(&format!("content-length: {length}"));
        let received = exchange(&server, request.as_bytes()).await;
        assert_only_error(&received, 413, "PAYLOAD_TOO_LARGE");
    }))
    .await;
}

#[tokio::test]
async fn a_transfer_encoding_in_any_disguise_is_refused() {
    let disguises = [
        "transfer-encoding : chunked",
        "transfer-encoding\t: chunked",
        " transfer-encoding: chunked",
        "transfer-encoding\0: chunked",
        "transfer-encoding:\r\n chunked",
        "transfer-encoding: chunked\0",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding: \u{a0}chunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: ",
        "x: y\ntransfer-encoding: chunked",
        "x: y\rtransfer-encoding: chunked",
        "x: y\0\r\ntransfer-encoding: chunked",
        // Without a disguise, but beside a length, on either side of it.
        "Transfer-Encoding: CHUNKED",
        "transfer-encoding:\tchunked",
        "connection: transfer-encoding\r\ntransfer-encoding: chunked",
    ];
    let before = disguises.map(|disguise| posting(&format!("{disguise}\r\n{LENGTH}")));
    let behind = disguises.map(|disguise| posting(&format!("{LENGTH}\r\n{disguise}")));
    are_refused(before.into_iter().chain(behind)).await;
}

#[tokio::test]
async fn a_head_that_breaks_the_grammar_is_refused() {
    let fields = [
        "content-length : 50",
        "content-length\t: 50",
        " content-length: 50",
        "x: y\r\n content-length: 50",
        "x: y\r\n\tcontent-length: 50",
        "content-length:\r\n 50",
        "content-length: 50\r\n 0",
        "content-length\0: 50",
        "content-length: 50\0",
        "content-length: 50\x0b",
        "x: y\rcontent-length: 50",
        "x: y\0content-length: 50",
        "content-length: 50\r\nhost: b",
        "content-length: 50\r\nno-colon",
        "content-length: 50\r\n: no-name",
        "content-length: 50\r\nna me: x",
        "content-length: 50\r\nna(me: x",
        "content-length: 50\r\nx: \x01",
        "content-length: 50\r\nx: \x7f",
    ];
    are_refused(fields.map(posting)).await;
    let lines = [
        "GET v1/links?rows=5 HTTP/1.1",
        "GET  /v1/links?rows=5  HTTP/1.1",
        "GET\t/v1/links?rows=5\tHTTP/1.1",
        "GET /v1/links?rows=5 HTTP/1.1 ",
        "GET /v1/links?rows=5 x HTTP/1.1",
        "GET /v1/links?rows=5",
        "GET /v1/links?rows=5 HTTP/0.9",
        "GET /v1/links?rows=5 HTTP/1.2",
        "GET /v1/links?rows=5 HTTP/2.0",
        "GET /v1/links?rows=5 http/1.1",
        "GET /v1/links?rows=5 HTTP/1.1\rx: y",
        "GET /v1/links?rows=5 HTTP/1.1\r\nhost: b",
        "GET /v1/li\0nks?rows=5 HTTP/1.1",
        "GET /v1/links?rows=5\0 HTTP/1.1",
        "GET /v1/links?rows=5\u{e9} HTTP/1.1",
        "GE\0T /v1/links?rows=5 HTTP/1.1",
        " GET /v1/links?rows=5 HTTP/1.1",
        "PRI * HTTP/2.0",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}",
        "SSH-2.0-x",
    ];
    are_refused(lines.map(|line| format!("{line}\r\nhost: a\r\n\r\n{HIDDEN}"))).await;
    are_refused([format!("GET /v1/links?rows=5 HTTP/1.1\r\n\r\n{HIDDEN}")]).await;
}

/// The length is what it says, to the octet: what follows is a request of its own.
#[tokio::test]
async fn what_is_read_by_its_length_ends_where_it_says() {
    let server = TestServer::start();
    let last = "GET /v1/links?rows=3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for fields in [
        "content-length: 50",
        "content-length:50",
        "content-length:  50 \t",
        "content-length: 0050",
        "x: y\ncontent-length: 50",
        "content_length: 3\r\ncontent-length: 50",
        "transfer_encoding: chunked\r\ncontent-length: 50",
        "connection: content-length\r\ncontent-length: 50",
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\ncontent-length: 50",
        "expect: 200-ok\r\ncontent-length: 50",
    ] {
        let request = posting(fields).replace(HIDDEN, last);
        assert_eq!(statuses(&server, &request).await, [201, 200], "{fields}");
    }
    let request = posting("expect: 100-continue\r\ncontent-length: 50").replace(HIDDEN, last);
    assert_eq!(statuses(&server, &request).await, [100, 201, 200]);
    // A body is skipped where nobody asks for it.
    let request =
        format!("GET /v1/links?rows=3 HTTP/1.1\r\nhost: a\r\n{LENGTH}\r\n\r\n{PLAN}{last}");
    assert_eq!(statuses(&server, &request).await, [200, 200]);
    // One octet less, and what is left of the body is no request.
    assert_eq!(statuses(&server, &posting("content-length: 49")).await, [422, 400]);
}

#[tokio::test]
async fn a_target_in_another_form_reaches_no_other_resource() {
    let server = TestServer::start();
    for (target, status) in [
        // The absolute form is to be understood (RFC 9112, 3.2.2); the host in it does not matter.
        ("http://a/v1/links?rows=5", 200),
        ("http://elsewhere:1/v1/links?rows=5", 200),
        ("http://elsewhere/", 404),
        ("//elsewhere/v1/links?rows=5", 404),
        ("/v1//links?rows=5", 404),
        ("/v1/./links?rows=5", 404),
        ("/v1/x/../links?rows=5", 404),
        ("/v1/%2e%2e/v1/links?rows=5", 404),
        ("/v1%2flinks?rows=5", 404),
        ("/v1\\links?rows=5", 404),
        ("/v1/links;a=b?rows=5", 404),
        ("/v1/links%00?rows=5", 404),
        ("/V1/links?rows=5", 404),
        ("a:80", 404),
        ("*", 404),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(statuses(&server, &request).await, [status], "{target}");
    }
}

#[tokio::test]
async fn nothing_is_tunnelled_and_nothing_behind_an_upgrade_is_answered() {
    let limits =
        RequestLimits { body_timeout: Duration::from_millis(300), ..RequestLimits::default() };
    let server = TestServer::with_limits(limits);
    let answered = [
        ("CONNECT a:80 HTTP/1.1", 404),
        ("CONNECT a:80 HTTP/1.1\r\ncontent-length: 0", 404),
        ("CONNECT /v1/links?rows=5 HTTP/1.1", 405),
        ("GET /v1/links?rows=3 HTTP/1.1\r\nupgrade: websocket", 200),
        ("GET /v1/links?rows=3 HTTP/1.1\r\nupgrade: WebSocket\r\nconnection: upgrade", 200),
        ("GET /v1/links?rows=3 HTTP/1.1\r\nupgrade: websocket\r\ncontent-length: 0", 200),
    ];
    let answered =
        answered.map(|(line, status)| (format!("{line}\r\nhost: a\r\n\r\n{HIDDEN}"), vec![status]));
    // A body whose end nobody can know: all that follows is taken for it.
    let endless = (posting("upgrade: websocket\r\ncontent-length: 50"), vec![408]);
    are_answered(&server, answered.into_iter().chain([endless])).await;
    // Nothing is reflected, as TRACE would have it.
    let request = "TRACE /v1/links HTTP/1.1\r\nhost: a\r\nx-secret: s\r\nconnection: close\r\n\r\n";
    let received = exchange(&server, request.as_bytes()).await;
    assert!(received.starts_with("HTTP/1.1 405 ") && !received.contains("x-secret"), "{received}");
}

#[tokio::test]
async fn a_connection_that_says_it_ends_is_not_answered_any_further() {
    let server = TestServer::start();
    for head in [
        "GET /v1/links?rows=3 HTTP/1.1\r\nconnection: close",
        "GET /v1/links?rows=3 HTTP/1.1\r\nconnection: keep-alive, Close",
        "GET /v1/links?rows=3 HTTP/1.0",
    ] {
        let request = format!("{head}\r\nhost: a\r\n\r\n{HIDDEN}{HIDDEN}");
        assert_eq!(statuses(&server, &request).await, [200], "{head}");
    }
}

#[tokio::test]
async fn what_was_sent_behind_an_error_that_closes_is_never_answered() {
    let server = TestServer::start();
    let long = format!("x-long: {}", "x".repeat(15 * 1024));
    let cases = [
        (posting("content-length: 65537"), "", 413),
        (posting("transfer-encoding: chunked"), "", 411),
        (posting(&format!("{long}\r\n{long}\r\n{LENGTH}")), "", 431),
        (posting("content-length: x"), "", 400),
        (posting("content-length: x"), "GET /v1/links?rows=3 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (posting("content-length: 65537"), "GET /v1/nowhere HTTP/1.1\r\nhost: a\r\n\r\n", 413),
    ];
    join_all(cases.map(async |(request, before, status)| {
        let many = format!("{before}{request}{}", HIDDEN.repeat(10));
        let found = statuses(&server, &many).await;
        assert_eq!(found.last(), Some(&status), "{found:?}");
        assert_eq!(found.len(), 1 + usize::from(!before.is_empty()), "{found:?}");
    }))
    .await;
}

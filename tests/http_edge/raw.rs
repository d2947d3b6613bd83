//! Requests as bytes, for what no client library would send.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{TestServer, assert_error_envelope};

/// Far beyond every time-out of the test server: reached only by a hang.
const GUARD: Duration = Duration::from_secs(15);

/// Sends these bytes at once, keeps the sending side open, and reads until the server closes.
pub async fn exchange(server: &TestServer, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    until_closed(&mut stream).await
}

/// All that comes until the server closes.
pub async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut received = Vec::new();
    tokio::time::timeout(GUARD, stream.read_to_end(&mut received))
        .await
        .expect("the server did not close")
        .expect("the connection was reset");
    String::from_utf8(received).unwrap()
}

/// Checks that this is exactly one answer, which closes, with this error in its envelope.
pub fn assert_only_error(received: &str, status: u16, code: &str) {
    assert!(received.starts_with(&format!("HTTP/1.1 {status} ")), "{received}");
    assert_eq!(received.matches("HTTP/1.1 ").count(), 1, "{received}");
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert!(head.contains("\r\nx-request-id: "), "{head}");
    let json: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{received}"));
    assert_error_envelope(&json, code);
}

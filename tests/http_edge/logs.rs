//! What the log gets, line by line.

use std::io;
use std::sync::{Mutex, Once};
use std::time::Duration;

use bappy::telemetry::json_lines::{JsonFields, JsonLine};
use serde_json::Value;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::server::{Answer, TestServer};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends one request and gives the lines that its id is in. A line is written before the
/// answer is sent, so there is nothing to wait for.
async fn lines_of(method: &str, path: &str, id: &str) -> Vec<Value> {
    install();
    let server = TestServer::start();
    let request = server.request(&method.parse().unwrap(), path).header("x-request-id", id);
    let request = request
        .header("content-type", "application/json")
        .body(r#"{"plan_id":"550e8400-e29b-41d4-a716-446655440000"}"#);
    Answer::to(request).await;
    lines_with(id)
}

fn install() {
    INSTALL.call_once(|| {
        let lines = tracing_subscriber::fmt().fmt_fields(JsonFields).event_format(JsonLine);
        lines.with_writer(|| Sink).init();
    });
}

fn lines_with(id: &str) -> Vec<Value> {
    let text = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    let lines = text.lines().filter(|line| line.contains(id));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_request_is_one_line_with_its_route_and_organization_and_without_its_path() {
    let lines = lines_of("POST", "/links", "log-success").await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (span, fields) = (&lines[0]["span"], &lines[0]);
    assert_eq!(lines[0]["level"], "INFO");
    assert_eq!(fields["status"], 201);
    assert!(fields["duration_ms"].is_u64());
    assert_eq!(span["method"], "POST");
    assert_eq!(span["route"], "/links");
    assert_eq!(span["organization"], "acme");
}

#[tokio::test]
async fn the_route_is_a_template_for_every_method() {
    let id = "550e8400-e29b-41d4-a716-446655440000";
    for (method, request_id) in [("GET", "log-template"), ("DELETE", "log-refused")] {
        let lines = lines_of(method, &format!("/links/{id}"), request_id).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["span"]["route"], "/links/{identifier}");
        assert!(!lines[0].to_string().contains(id), "{lines:?}");
    }
}

#[tokio::test]
async fn a_failures_context_is_logged_once() {
    for (path, id, level) in [
        ("/errors/14", "log-internal", "ERROR"),
        ("/errors/15", "log-provider", "WARN"),
        ("/errors/3", "log-balance", "INFO"),
        ("/panic", "log-panic", "ERROR"),
        ("/foreign", "log-foreign", "INFO"),
    ] {
        let lines = lines_of("GET", path, id).await;
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["level"], level);
        assert!(lines[0]["context"].as_str().unwrap().contains("SECRET"));
        assert_eq!(lines[1]["message"], "request done");
        assert!(!lines[1].to_string().contains("SECRET"));
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_logged() {
    install();
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server says "continue" once it works on the request.
    let request = "POST /v1/links HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                   x-request-id: log-hang-up\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    // Closed with unread data ("continue"), the connection is reset.
    drop(stream);
    let logged = async {
        while lines_with("log-hang-up").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), logged).await.expect("nothing was logged");
    let lines = lines_with("log-hang-up");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["message"], "request dropped: the client hung up");
}

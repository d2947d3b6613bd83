//! Clients that take their time: each has so much of it, whatever it sends meanwhile, and nobody
//! else waits for it.

use std::time::{Duration, Instant};

use bappy::http::limits::RequestLimits;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::raw::until_closed;
use crate::server::{Answer, TestServer};

const HEAD: &str = "POST /v1/links HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";

/// Sends `begin` and then a byte every 50 ms, for as long as somebody takes them; gives the answer
/// and the time until then.
async fn trickle(server: &TestServer, begin: &str) -> (String, Duration) {
    let started = Instant::now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickling = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let received = until_closed(&mut reading).await;
    trickling.abort();
    (received, started.elapsed())
}

#[tokio::test]
async fn a_head_that_trickles_in_gets_no_more_time_than_one_that_stops() {
    let server = TestServer::start();
    let (received, _) = trickle(&server, "GET /v1/filter HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
}

#[tokio::test]
async fn a_body_that_trickles_in_gets_no_more_time_than_one_that_stops() {
    let limits =
        RequestLimits { body_timeout: Duration::from_millis(500), ..RequestLimits::default() };
    let server = TestServer::with_limits(limits);
    let (received, took) =
        trickle(&server, &format!("{HEAD}content-length: 60000\r\n\r\n{{\"name\":\"")).await;
    assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
    assert!(received.contains("REQUEST_TIMEOUT"), "{received}");
    assert!(took >= Duration::from_millis(500), "{took:?}");
}

/// One worker thread serves them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_slow_clients_keep_a_quick_one_from_nothing() {
    let server = TestServer::with_limits(RequestLimits {
        body_timeout: Duration::from_secs(2),
        ..RequestLimits::default()
    });
    let slow_heads = (0..100).map(|_| format!("{HEAD}x-slow: "));
    let slow_bodies = (0..100).map(|_| format!("{HEAD}content-length: 60000\r\n\r\n{{"));
    let all_slow = join_all(slow_heads.chain(slow_bodies).map(async |begin| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        stream
    }))
    .await;
    for _ in 0..50 {
        let answer = Answer::to(server.get("/links?rows=3")).await;
        assert_eq!(answer.status, 200);
    }
    let ends = all_slow.into_iter().map(async |mut stream| until_closed(&mut stream).await);
    for received in join_all(ends).await {
        assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
    }
}

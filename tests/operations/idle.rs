//! Clients that connect, ask once and stay.

use crate::sizes;
use crate::world::World;
use futures_util::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
/// What a connection may cost while it does nothing.
const KB_EACH_MAX: u64 = 40;

pub async fn ten_thousand_idle_connections_keep_nobody_out(world: World) {
    let count = sizes::idle_connections();
    // The service has to raise its limit by itself, as this process does.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let service = world.serve_with_few_files("serve").await;
    let started = Instant::now();
    let before = service.process().resident_kb();
    let opened = stream::iter(0..count).map(async |_| {
        let mut stream = TcpStream::connect(service.at).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 "), "{:?}", &answer[..read]);
        stream
    });
    let mut idle: Vec<TcpStream> = opened.buffer_unordered(64).collect().await;
    let opened_in = started.elapsed();
    let each = service.process().resident_kb().saturating_sub(before) / count as u64;

    let mut took = Vec::new();
    for _ in 0..50 {
        // A connection of its own each time: there is room for new ones too.
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let sent_at = Instant::now();
        let get = client.get(format!("http://{}/v1/organization/balance", service.at));
        assert_eq!(get.bearer_auth(world.token()).send().await.unwrap().status(), 200);
        took.push(sent_at.elapsed());
    }
    took.sort_unstable();
    println!(
        "{count} idle connections, opened in {opened_in:.1?}, {each} kB each; a new client is \
         answered in p50 {:.1?}, max {:.1?}",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert!(each < KB_EACH_MAX, "{each} kB");
    // And they are still there, each of them.
    let last = idle.last_mut().unwrap();
    last.write_all(REQUEST).await.unwrap();
    let mut answer = [0; 512];
    assert!(last.read(&mut answer).await.unwrap() > 0);
}

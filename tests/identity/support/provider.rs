//! A provider that publishes whatever a test gives it, misbehaves on request and counts.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};

/// How the JWKS endpoint answers.
#[derive(Clone)]
pub enum Answer {
    Keys(Vec<Value>),
    Text(String),
    Status(u16),
    Redirect,
    Never,
    /// The beginning of a JWKS and then this many bytes of it.
    Long(usize),
    /// A document, compressed.
    Gzip(Vec<u8>),
    /// The beginning of a JWKS, and a byte more every tenth of a second.
    Trickle,
}

struct State {
    issuer: String,
    jwks: Mutex<Answer>,
    /// Replaces members of the discovery document.
    discovery: Mutex<Value>,
    discovery_requests: AtomicUsize,
    jwks_requests: AtomicUsize,
    /// Of [`Answer::Long`].
    bytes_sent: AtomicUsize,
}

/// Runs in a thread of its own until it is dropped.
pub struct FakeProvider {
    state: Arc<State>,
    server: ServerHandle,
}

impl FakeProvider {
    pub fn start(jwks: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(State {
            issuer: format!("http://{}/realms/test", listener.local_addr().unwrap()),
            jwks: Mutex::new(jwks),
            discovery: Mutex::new(json!({})),
            discovery_requests: AtomicUsize::new(0),
            jwks_requests: AtomicUsize::new(0),
            bytes_sent: AtomicUsize::new(0),
        });
        let data = web::Data::from(Arc::clone(&state));
        let (started, has_started) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(data.clone())
                        .route(
                            "/realms/test/.well-known/openid-configuration",
                            web::get().to(discovery),
                        )
                        .route("/jwks", web::get().to(jwks_endpoint))
                        .route("/elsewhere", web::get().to(elsewhere))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.listen(listener).unwrap().run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { state, server: has_started.recv().unwrap() }
    }

    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    pub fn jwks_url(&self) -> String {
        self.state.issuer.replace("/realms/test", "/jwks")
    }

    pub fn answer(&self, jwks: Answer) {
        *self.state.jwks.lock().unwrap() = jwks;
    }

    pub fn change_discovery(&self, members: Value) {
        *self.state.discovery.lock().unwrap() = members;
    }

    pub fn jwks_requests(&self) -> usize {
        self.state.jwks_requests.load(Ordering::SeqCst)
    }

    pub fn bytes_sent(&self) -> usize {
        self.state.bytes_sent.load(Ordering::SeqCst)
    }

    pub fn discovery_requests(&self) -> usize {
        self.state.discovery_requests.load(Ordering::SeqCst)
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn discovery(state: web::Data<State>) -> HttpResponse {
    state.discovery_requests.fetch_add(1, Ordering::SeqCst);
    let jwks_uri = state.issuer.replace("/realms/test", "/jwks");
    let document = json!({"issuer": state.issuer, "jwks_uri": jwks_uri});
    let changes = state.discovery.lock().unwrap().clone();
    HttpResponse::Ok().json(super::keys::with(document, &changes))
}

async fn jwks_endpoint(state: web::Data<State>) -> HttpResponse {
    state.jwks_requests.fetch_add(1, Ordering::SeqCst);
    let answer = state.jwks.lock().unwrap().clone();
    match answer {
        Answer::Keys(keys) => HttpResponse::Ok().json(json!({ "keys": keys })),
        Answer::Text(text) => HttpResponse::Ok().body(text),
        Answer::Status(status) => {
            HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap()).finish()
        }
        Answer::Redirect => {
            HttpResponse::Found().insert_header(("location", "/elsewhere")).finish()
        }
        Answer::Never => std::future::pending().await,
        Answer::Long(bytes) => HttpResponse::Ok().streaming(long(state, bytes)),
        Answer::Gzip(document) => HttpResponse::Ok()
            .insert_header(("content-encoding", "gzip"))
            .insert_header(("content-type", "application/json"))
            .body(document),
        Answer::Trickle => HttpResponse::Ok().streaming(trickle()),
    }
}

const BEGINNING: &str = r#"{"keys": ["#;

/// Space, which JSON allows any amount of, as fast as it is taken.
fn long(state: web::Data<State>, bytes: usize) -> impl Stream<Item = Result<Bytes, Infallible>> {
    static PART: [u8; 64 * 1024] = [b' '; 64 * 1024];
    let parts = (0..bytes / PART.len()).map(move |_| {
        state.bytes_sent.fetch_add(PART.len(), Ordering::SeqCst);
        Ok(Bytes::from_static(&PART))
    });
    stream::iter(std::iter::once(Ok(Bytes::from_static(BEGINNING.as_bytes()))).chain(parts))
}

fn trickle() -> impl Stream<Item = Result<Bytes, Infallible>> {
    let beginning = stream::once(async { Ok(Bytes::from_static(BEGINNING.as_bytes())) });
    beginning.chain(stream::unfold((), |()| async {
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
        Some((Ok(Bytes::from_static(b" ")), ()))
    }))
}

/// Where [`Answer::Redirect`] leads: to keys that would do.
async fn elsewhere() -> HttpResponse {
    HttpResponse::Ok().json(json!({"keys": [super::keys::ES256.jwk()]}))
}

//! Starts and stops the sandbox identity provider.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::json;

use super::config::IdentitySimConfig;
use super::control::rotate;
use super::discovery::{certs, openid_configuration};
use super::signing_key::{SigningAlgorithm, SigningKey};
use super::state::{REALM_PATH, State};
use super::token::token;

/// A token request is a few hundred bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// A provider that runs until [`stop`](Self::stop) or drop.
pub struct RunningIdentitySim {
    addr: SocketAddr,
    issuer: String,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl RunningIdentitySim {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What its tokens carry as `iss`: `http://HOST:PORT/realms/platform`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Closes the port and every connection at once, and waits for it.
    pub async fn stop(mut self) {
        self.server.stop(false).await;
        if let Some(thread) = self.thread.take() {
            // The server has ended, so the thread is about to.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for RunningIdentitySim {
    fn drop(&mut self) {
        // The command is sent by the call; the future would only wait for its completion.
        drop(self.server.stop(false));
    }
}

/// Binds, makes an RS256 key and serves from a thread of its own. May block for some tenths of a
/// second. Fails where the address cannot be bound or no key or thread can be made.
pub fn start(config: IdentitySimConfig) -> io::Result<RunningIdentitySim> {
    let listener = TcpListener::bind(config.listen)?;
    let addr = listener.local_addr()?;
    let issuer = issuer(addr, config.issuer_host.as_deref());
    let key = SigningKey::generate(SigningAlgorithm::RS256).map_err(io::Error::other)?;
    let state = web::Data::new(State::new(issuer.clone(), config.clients, key));

    let (started, has_started) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("identity-sim".to_owned()).spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            match serve(listener, state) {
                Ok(server) => {
                    let _ = started.send(Ok(server.handle()));
                    if let Err(error) = server.await {
                        tracing::error!(%error, "the sandbox identity provider ended");
                    }
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        });
    })?;
    let server = has_started.recv().map_err(io::Error::other)??;
    Ok(RunningIdentitySim { addr, issuer, server, thread: Some(thread) })
}

fn serve(listener: TcpListener, state: web::Data<State>) -> io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .service(
                web::scope(REALM_PATH)
                    .service(
                        web::resource("/.well-known/openid-configuration")
                            .get(openid_configuration),
                    )
                    .service(web::resource("/protocol/openid-connect/certs").get(certs))
                    .service(web::resource("/protocol/openid-connect/token").post(token)),
            )
            .service(web::resource("/_control/rotate").post(rotate))
            .default_service(web::to(|| async {
                HttpResponse::NotFound()
                    .json(json!({"error": "Unable to find matching target resource method"}))
            }))
    };
    // One worker signs thousands of tokens a second; signals belong to the program around it.
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

/// A server that listens on every address is reached by the loopback one.
fn issuer(addr: SocketAddr, host: Option<&str>) -> String {
    let port = addr.port();
    let host = host.map_or_else(
        || {
            let ip = match addr.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
                ip => ip,
            };
            SocketAddr::new(ip, port).to_string()
        },
        |host| format!("{host}:{port}"),
    );
    format!("http://{host}{REALM_PATH}")
}

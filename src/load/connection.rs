//! One keep-alive connection: hyper's own HTTP/1.1, with no pool and no middleware around it,
//! which costs a third of what a general client does.

use super::Target;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection, open.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects. The connection is driven by a task of the current thread.
    pub async fn open(target: &Target) -> Result<Self, String> {
        let (host, port) = &target.authority;
        let stream =
            TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some((config, name)) = &target.tls else { return Self::over(stream).await };
        let connector = TlsConnector::from(config.clone());
        let stream = connector.connect(name.clone(), stream).await;
        Self::over(stream.map_err(|error| error.to_string())?).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<Self, String> {
        let (sender, driver) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::task::spawn_local(async {
            // How it ends, its requests are told.
            let _ = driver.await;
        });
        Ok(Self { sender })
    }

    /// Whether it can still be used: a server may close one that was idle.
    pub async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends a request and reads its answer to the end.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), hyper::Error> {
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, body(answer.into_body()).await?))
    }
}

/// The body; one that came in one piece is not copied.
async fn body(mut incoming: Incoming) -> Result<Bytes, hyper::Error> {
    let mut whole = Bytes::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        whole = if whole.is_empty() { piece } else { [whole, piece].concat().into() };
    }
    Ok(whole)
}

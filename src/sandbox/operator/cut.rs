//! Cuts a connection under the server, so that the caller gets no byte of an answer.

use std::{
    any::Any,
    io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::Arc,
};

use actix_web::{HttpRequest, HttpResponse, dev::Extensions, rt::net};

/// A second handle of a connection's socket; it lives as long as the connection.
#[derive(Clone)]
struct Socket(Arc<TcpStream>);

/// Keeps a handle of each new connection; for `HttpServer::on_connect`.
pub(super) fn keep_socket(connection: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<net::TcpStream>() else { return };
    // Answers are small and single: waiting to fill a packet only delays them.
    let second_handle =
        || -> io::Result<TcpStream> { Ok(stream.as_fd().try_clone_to_owned()?.into()) };
    if let Ok(socket) = stream.set_nodelay(true).and_then(|()| second_handle()) {
        extensions.insert(Socket(Arc::new(socket)));
    }
}

/// Cuts the connection of `request`. What is returned finds a closed socket and is not sent.
pub(super) fn cut(request: &HttpRequest) -> HttpResponse {
    if let Some(Socket(socket)) = request.conn_data::<Socket>() {
        // It fails only where the caller has gone already.
        let _gone = socket.shutdown(Shutdown::Both);
    }
    HttpResponse::InternalServerError().force_close().finish()
}

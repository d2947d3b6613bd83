//! Stand-ins for what stands beside the service: an OpenTelemetry collector that keeps what it is
//! sent, and a proxy before the operator that keeps what calls take along.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// What was received.
#[derive(Default)]
pub struct Received {
    pub spans: Mutex<Vec<Span>>,
    /// `traceparent` of calls to the operator, by method and path.
    pub carried: Mutex<Vec<(String, String)>>,
}

/// Both, on one address: `/v1/traces` is the collector's, all else goes to `operator`.
pub fn start(operator: SocketAddr) -> (SocketAddr, Arc<Received>) {
    let received = Arc::<Received>::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let data = web::Data::from(Arc::clone(&received));
    let (tell, started) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let client = web::Data::new((reqwest::Client::builder().build().unwrap(), operator));
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(data.clone())
                    .app_data(client.clone())
                    .app_data(web::PayloadConfig::new(64 << 20))
                    .route("/v1/traces", web::post().to(collect))
                    .default_service(web::to(forward))
            });
            let server = server.workers(1).listen(listener).unwrap().run();
            tell.send(()).unwrap();
            server.await.unwrap();
        });
    });
    started.recv().unwrap();
    (addr, received)
}

async fn collect(body: web::Bytes, received: web::Data<Received>) -> HttpResponse {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    received.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

async fn forward(
    request: HttpRequest,
    body: web::Bytes,
    received: web::Data<Received>,
    to: web::Data<(reqwest::Client, SocketAddr)>,
) -> HttpResponse {
    let call = format!("{} {}", request.method(), request.path());
    if let Some(parent) = request.headers().get("traceparent") {
        let carried = (call, parent.to_str().unwrap().to_owned());
        received.carried.lock().unwrap().push(carried);
    }
    let (client, operator) = &**to;
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let mut onward = client.request(method, format!("http://{operator}{}", request.uri()));
    for name in ["authorization", "content-type"] {
        if let Some(value) = request.headers().get(name) {
            onward = onward.header(name, value.to_str().unwrap());
        }
    }
    let Ok(answer) = onward.body(body.to_vec()).send().await else {
        return HttpResponse::BadGateway().finish();
    };
    let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let body = answer.bytes().await.unwrap();
    HttpResponse::build(status).content_type("application/json").body(body)
}

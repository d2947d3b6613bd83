//! One request from the door to its answer: controls, faults at the door, authentication,
//! delay, work, faults on the way out.
//!
//! **Invariants:** a call that is delayed is done even when its caller has gone, as with a real
//! operator; a call that hangs holds nothing but its connection; after stopping has begun no
//! delayed work is done any more.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    rt,
    web::{Bytes, Data},
};
use tokio_util::sync::CancellationToken;

use super::{
    calls::{self, Input},
    control, cut,
    faults::{Admission, Fate, FaultControl},
    in_flight::InFlight,
    operation::Operation,
    refusal::Refusal,
    reply::Reply,
    route::{Call, Route, route},
    sessions::Sessions,
    state::World,
};

/// One operator: what all its workers share.
pub(super) struct Simulator {
    pub world: World,
    pub sessions: Sessions,
    pub faults: FaultControl,
    pub in_flight: InFlight,
    /// Cancelled when it stops: hung and delayed calls end.
    pub stopping: CancellationToken,
}

/// Serves every path.
pub(super) async fn serve(
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
    simulator: Data<Simulator>,
) -> HttpResponse {
    let Ok(body) = body else { return Reply::from(Refusal::BodyTooLong).into_http() };
    match route(request.method(), request.path()) {
        Route::Api(call) => api(request, call, body, simulator.into_inner()).await,
        Route::Control(which) => {
            let _serving = simulator.in_flight.begin();
            let input = Input { query: request.query_string(), body: &body };
            let Simulator { world, faults, .. } = &**simulator;
            Reply::from(control::answer(world, faults, which, request.peer_addr(), &input))
                .into_http()
        }
        Route::Unknown => Reply::from(Refusal::NoCall).into_http(),
    }
}

async fn api(
    request: HttpRequest,
    call: Call,
    body: Bytes,
    simulator: Arc<Simulator>,
) -> HttpResponse {
    let operation = call.operation();
    match simulator.faults.admit(operation) {
        Admission::Admitted => {}
        Admission::Down => return cut::cut(&request),
        Admission::Limited { retry_after_s } => {
            return Reply::from(Refusal::TooManyRequests { retry_after_s }).into_http();
        }
    }
    if operation != Operation::Login && !authenticated(&request, &simulator.sessions) {
        return Reply::from(Refusal::Unauthorized).into_http();
    }
    let (latency, fate) = simulator.faults.fate(operation);
    let work = Work { call, query: request.query_string().to_owned(), body, fate };
    let done = if latency.is_zero() {
        Some(work.at_once(&simulator))
    } else {
        // A task of its own: the work is done though the caller hangs up.
        rt::spawn(work.delayed(Arc::clone(&simulator), latency)).await.ok().flatten()
    };
    match (done, fate) {
        (Some(reply), Fate::Served | Fate::Error) => reply.into_http(),
        (Some(_), Fate::WrappedError) => Reply::wrapped_error().into_http(),
        (Some(_), Fate::Hang) => {
            simulator.stopping.cancelled().await;
            cut::cut(&request)
        }
        (Some(_), Fate::LostResponse) | (None, _) => cut::cut(&request),
    }
}

fn authenticated(request: &HttpRequest, sessions: &Sessions) -> bool {
    let header = request.headers().get(header::AUTHORIZATION);
    let text = header.and_then(|header| header.to_str().ok());
    text.is_some_and(|authorization| sessions.admits(authorization))
}

/// A call that was let in, and what becomes of it.
struct Work {
    call: Call,
    query: String,
    body: Bytes,
    fate: Fate,
}

impl Work {
    fn at_once(&self, simulator: &Simulator) -> Reply {
        let _serving = simulator.in_flight.begin();
        self.done(simulator)
    }

    /// Half of the latency passes before the work and half after it. `None` where the simulator
    /// stops first: then nothing was done, or the answer is lost.
    async fn delayed(self, simulator: Arc<Simulator>, latency: Duration) -> Option<Reply> {
        let _serving = simulator.in_flight.begin();
        let stopping = &simulator.stopping;
        stopping.run_until_cancelled(rt::time::sleep(latency / 2)).await?;
        let reply = self.done(&simulator);
        stopping.run_until_cancelled(rt::time::sleep(latency / 2)).await?;
        Some(reply)
    }

    fn done(&self, simulator: &Simulator) -> Reply {
        if self.fate == Fate::Error {
            return Refusal::Injected.into();
        }
        let input = Input { query: &self.query, body: &self.body };
        calls::answer(&simulator.world, &simulator.sessions, &self.call, &input).into()
    }
}

//! From method and path to a call: the table of the protocol.
//!
//! A match instead of the framework's router: it is the table as it stands in the specification,
//! and it costs nothing next to the work, which matters beside a benchmark.

use actix_web::http::Method;

use super::operation::Operation;

/// A call of the protocol with what its path says, unread.
#[derive(Debug)]
pub(super) enum Call {
    Login,
    Catalogue,
    ListSims,
    GetSim { iccid: String },
    CreateEndpoint,
    GetEndpoint { endpoint: String },
    FindEndpoint,
    AddPlan { endpoint: String },
    RemovePlan { endpoint: String, instance: String },
    SetStatus { endpoint: String },
    Connectivity { endpoint: String },
    SendSms { endpoint: String },
    FindSms { endpoint: String },
    GetSms { sms: String },
    Ping,
}

/// A control.
#[derive(Debug, Clone, Copy)]
pub(super) enum Control {
    Faults,
    Usage,
    Journal,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Route {
    Api(Call),
    Control(Control),
    Unknown,
}

/// Finds the call; a path with a wrong method is as unknown as a wrong path.
pub(super) fn route(method: &Method, path: &str) -> Route {
    if let Some(api) = path.strip_prefix("/api/") {
        return api_call(method.as_str(), api).map_or(Route::Unknown, Route::Api);
    }
    match (method.as_str(), path) {
        ("PUT", "/_control/faults") => Route::Control(Control::Faults),
        ("POST", "/_control/usage") => Route::Control(Control::Usage),
        ("GET", "/_control/journal") => Route::Control(Control::Journal),
        _ => Route::Unknown,
    }
}

fn api_call(method: &str, path: &str) -> Option<Call> {
    let mut segments = path.split('/');
    let first = segments.next()?;
    let rest = [segments.next(), segments.next(), segments.next()];
    if segments.next().is_some() || rest.contains(&Some("")) {
        return None;
    }
    Some(match (method, first, rest) {
        ("POST", "login", [None, ..]) => Call::Login,
        ("GET", "catalogue", [None, ..]) => Call::Catalogue,
        ("GET", "ping", [None, ..]) => Call::Ping,
        ("GET", "sims", [None, ..]) => Call::ListSims,
        ("GET", "sims", [Some(iccid), None, _]) => Call::GetSim { iccid: iccid.to_owned() },
        ("GET", "sms", [Some(sms), None, _]) => Call::GetSms { sms: sms.to_owned() },
        ("POST", "endpoints", [None, ..]) => Call::CreateEndpoint,
        ("GET", "endpoints", [None, ..]) => Call::FindEndpoint,
        (method, "endpoints", [Some(endpoint), rest @ ..]) => {
            endpoint_call(method, endpoint.to_owned(), rest)?
        }
        _ => return None,
    })
}

fn endpoint_call(method: &str, endpoint: String, rest: [Option<&str>; 2]) -> Option<Call> {
    Some(match (method, rest) {
        ("GET", [None, _]) => Call::GetEndpoint { endpoint },
        ("PATCH", [None, _]) => Call::SetStatus { endpoint },
        ("POST", [Some("plans"), None]) => Call::AddPlan { endpoint },
        ("DELETE", [Some("plans"), Some(instance)]) => {
            Call::RemovePlan { endpoint, instance: instance.to_owned() }
        }
        ("GET", [Some("connectivity"), None]) => Call::Connectivity { endpoint },
        ("POST", [Some("sms"), None]) => Call::SendSms { endpoint },
        ("GET", [Some("sms"), None]) => Call::FindSms { endpoint },
        _ => return None,
    })
}

impl Call {
    /// Its name, as faults and the journal know it.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Login => Operation::Login,
            Self::Catalogue => Operation::Catalogue,
            Self::ListSims => Operation::ListSims,
            Self::GetSim { .. } => Operation::GetSim,
            Self::CreateEndpoint => Operation::CreateEndpoint,
            Self::GetEndpoint { .. } => Operation::GetEndpoint,
            Self::FindEndpoint => Operation::FindEndpoint,
            Self::AddPlan { .. } => Operation::AddPlan,
            Self::RemovePlan { .. } => Operation::RemovePlan,
            Self::SetStatus { .. } => Operation::SetStatus,
            Self::Connectivity { .. } => Operation::Connectivity,
            Self::SendSms { .. } => Operation::SendSms,
            Self::FindSms { .. } => Operation::FindSms,
            Self::GetSms { .. } => Operation::GetSms,
            Self::Ping => Operation::Ping,
        }
    }
}

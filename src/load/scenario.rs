//! What is called, in which order: requests that are put together once and sent many times.

use super::wallet::Wallet;
use super::{LoadError, Target};
use clap::ValueEnum;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use serde::Serialize;
use std::fmt;

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Plans are added to Links: `PUT /links/{id}/plans`
    Topup,
    /// Links are made: `POST /links`
    Create,
    /// Links are read: `GET /links/{id}`
    Read,
    /// What an integration does in a day: mostly reads, some lists and top-ups, a few new Links
    Mixed,
}

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `PUT /links/{id}/plans`
    Topup,
    /// `POST /links`
    Create,
    /// `GET /links/{id}`
    GetLink,
    /// `GET /links`
    ListLinks,
    /// `GET /links/{id}/history`
    History,
    /// `GET /organization/balance`
    Balance,
}

/// A day of an integration in twenty calls: Links are read twelve times as often as made.
const MIXED: [Call; 20] = {
    use Call::{Balance, Create, GetLink, History, ListLinks, Topup};
    [
        GetLink, GetLink, Topup, GetLink, ListLinks, GetLink, GetLink, Topup, Balance, GetLink,
        GetLink, Topup, History, GetLink, GetLink, Create, GetLink, GetLink, Topup, GetLink,
    ]
};

impl Scenario {
    /// The call with this number in a run.
    pub(super) fn call(self, number: u64) -> Call {
        match self {
            Self::Topup => Call::Topup,
            Self::Create => Call::Create,
            Self::Read => Call::GetLink,
            Self::Mixed => {
                let place = usize::try_from(number % MIXED.len() as u64).unwrap_or(0);
                MIXED[place]
            }
        }
    }

    /// Whether it calls Links that must be there before.
    pub fn needs_links(self) -> bool {
        self != Self::Create
    }

    /// Whether it costs money by itself.
    pub fn charges(self) -> bool {
        self != Self::Read
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topup => "topup",
            Self::Create => "create",
            Self::Read => "read",
            Self::Mixed => "mixed",
        })
    }
}

impl Call {
    /// Whether a success is a charge.
    pub(super) fn charges(self) -> bool {
        matches!(self, Self::Topup | Self::Create)
    }

    /// Method and path, as the API's reference has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topup => "PUT /links/{id}/plans",
            Self::Create => "POST /links",
            Self::GetLink => "GET /links/{id}",
            Self::ListLinks => "GET /links",
            Self::History => "GET /links/{id}/history",
            Self::Balance => "GET /organization/balance",
        }
    }
}

/// An organization's requests but for its token, which changes.
pub struct Prepared {
    read: HeaderMap,
    write: HeaderMap,
    topup_body: Bytes,
    create_body: Bytes,
    create: Uri,
    list: Uri,
    balance: Uri,
    links: Vec<LinkUris>,
}

struct LinkUris {
    link: Uri,
    plans: Uri,
    history: Uri,
}

impl Prepared {
    /// Those of an organization's Links and one plan.
    pub fn new(target: &Target, links: &[String], plan: &str) -> Result<Self, LoadError> {
        let uri = |below: &str| {
            let path = target.path(below);
            path.parse::<Uri>().map_err(|error| LoadError(format!("`{path}`: {error}")))
        };
        let host = target.host();
        let host = HeaderValue::from_str(&host)
            .map_err(|_| LoadError(format!("`{host}` is not a host")))?;
        let mut read = HeaderMap::new();
        read.insert(HOST, host);
        read.insert(USER_AGENT, HeaderValue::from_static("bappy-load"));
        let mut write = read.clone();
        write.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let of_link = |id: &String| {
            Ok(LinkUris {
                link: uri(&format!("/links/{id}"))?,
                plans: uri(&format!("/links/{id}/plans"))?,
                history: uri(&format!("/links/{id}/history"))?,
            })
        };
        Ok(Self {
            read,
            write,
            topup_body: Bytes::from(format!(r#"{{"add":["{plan}"]}}"#)),
            create_body: Bytes::from(format!(r#"{{"plan_id":"{plan}"}}"#)),
            create: uri("/links")?,
            list: uri("/links?per_page=20")?,
            balance: uri("/organization/balance")?,
            links: links.iter().map(of_link).collect::<Result<_, LoadError>>()?,
        })
    }
}

impl Wallet {
    /// The next request of a kind; Links take turns.
    pub(super) fn request(&self, call: Call) -> Request<Full<Bytes>> {
        let prepared = &self.prepared;
        let link = |uri: fn(&LinkUris) -> &Uri| {
            // Calls on Links are made only where there are some.
            prepared
                .links
                .get(self.turn())
                .map_or_else(|| prepared.create.clone(), |l| uri(l).clone())
        };
        let (method, uri, headers, body) = match call {
            Call::Topup => {
                (Method::PUT, link(|l| &l.plans), &prepared.write, prepared.topup_body.clone())
            }
            Call::Create => (
                Method::POST,
                prepared.create.clone(),
                &prepared.write,
                prepared.create_body.clone(),
            ),
            Call::GetLink => (Method::GET, link(|l| &l.link), &prepared.read, Bytes::new()),
            Call::History => (Method::GET, link(|l| &l.history), &prepared.read, Bytes::new()),
            Call::ListLinks => (Method::GET, prepared.list.clone(), &prepared.read, Bytes::new()),
            Call::Balance => (Method::GET, prepared.balance.clone(), &prepared.read, Bytes::new()),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        request.headers_mut().insert(AUTHORIZATION, self.authorization.borrow().clone());
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixed_day_has_all_calls_and_goes_round() {
        let day: Vec<Call> = (0..20).map(|n| Scenario::Mixed.call(n)).collect();
        let count = |call| day.iter().filter(|c| **c == call).count();
        assert_eq!((count(Call::GetLink), count(Call::Topup), count(Call::Create)), (12, 4, 1));
        assert_eq!(Scenario::Mixed.call(20), day[0]);
        assert_eq!(Scenario::Mixed.call(u64::MAX), day[15]);
    }
}

//! The API as the tool itself uses it, before and after the load: one call at a time.

use super::{LoadError, Target};
use bappy_actors::model::{Currency, Money};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than the service itself lets any answer wait.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// A connection that was idle for longer is not used again: many servers end one that says nothing
/// for five seconds, ours with a 408.
const IDLE_MAX: Duration = Duration::from_secs(2);
/// Links asked for at a time: the most that the API gives.
const PAGE: usize = 100;

/// A client of the API with one organization's token.
#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    target: Target,
    token: String,
}

/// What an organization is to the tool.
#[derive(Debug, Deserialize)]
pub struct Organization {
    /// Its short name.
    pub slug: String,
}

/// What is in a wallet.
#[derive(Debug, Deserialize)]
pub struct Balance {
    /// The amount.
    pub balance: Money,
    /// Its currency.
    pub currency: Currency,
}

/// A plan on offer.
#[derive(Debug, Deserialize)]
pub struct Offer {
    /// Its id.
    pub id: String,
    /// What it costs.
    pub retail_price: Money,
    /// What its Links are of.
    pub sponsor_profiles: Vec<Sponsor>,
}

/// A sponsor profile.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Sponsor {
    /// Its id.
    pub id: String,
}

/// A Link in a list.
#[derive(Debug, Deserialize)]
pub struct LinkSummary {
    /// Its id.
    pub id: String,
    /// Which plans go on it.
    pub sponsor_profile: Sponsor,
}

/// A Link just made.
#[derive(Debug, Deserialize)]
pub struct NewLink {
    /// Its id.
    pub id: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
    meta: ListMeta,
}

#[derive(Deserialize)]
struct ListMeta {
    total: u64,
    next_cursor: Option<String>,
}

/// The HTTP client of everything that is not measured.
pub fn http_client() -> Result<reqwest::Client, LoadError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_MAX)
        .pool_idle_timeout(IDLE_MAX)
        .user_agent(concat!("bappy-load/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| LoadError(format!("the HTTP client cannot be set up: {error}")))
}

/// Why a call did not come through, in a few words.
pub fn cause(error: &reqwest::Error) -> String {
    let chain = std::iter::successors(std::error::Error::source(error), |e| e.source());
    chain.last().map_or_else(|| error.to_string(), ToString::to_string)
}

impl ApiClient {
    /// A client with a token.
    pub fn new(http: reqwest::Client, target: Target, token: String) -> Self {
        Self { http, target, token }
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: String) -> Self {
        Self { token, ..self.clone() }
    }

    /// Whose token it is.
    pub async fn organization(&self) -> Result<Organization, LoadError> {
        self.get("/organization").await
    }

    /// What is in the wallet.
    pub async fn balance(&self) -> Result<Balance, LoadError> {
        self.get("/organization/balance").await
    }

    /// The plan with an id, or the cheapest that costs anything.
    pub async fn offer(&self, id: Option<&str>) -> Result<Offer, LoadError> {
        if let Some(id) = id {
            return self.get(&format!("/plans/{id}")).await;
        }
        let mut cheapest: Option<Offer> = None;
        let mut cursor = String::new();
        loop {
            let page: List<Offer> =
                self.get(&format!("/plans?per_page={PAGE}{}", after(&cursor))).await?;
            for offer in page.data.into_iter().filter(|offer| offer.retail_price > Money::ZERO) {
                if cheapest.as_ref().is_none_or(|least| offer.retail_price < least.retail_price) {
                    cheapest = Some(offer);
                }
            }
            match page.meta.next_cursor {
                Some(next) => cursor = next,
                None => break,
            }
        }
        cheapest.ok_or_else(|| {
            LoadError("no plan that costs anything is enabled for this organization".to_owned())
        })
    }

    /// Up to `count` active Links on which plans of a sponsor go.
    pub async fn links(&self, sponsor: &Sponsor, count: usize) -> Result<Vec<String>, LoadError> {
        let mut links = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/links?status=active&per_page={PAGE}{}", after(&cursor));
            let page: List<LinkSummary> = self.get(&path).await?;
            let fits = page.data.into_iter().filter(|link| link.sponsor_profile == *sponsor);
            links.extend(fits.map(|link| link.id).take(count - links.len()));
            match page.meta.next_cursor {
                Some(next) if links.len() < count => cursor = next,
                _ => return Ok(links),
            }
        }
    }

    /// Makes a Link.
    pub async fn create_link(&self, plan: &str) -> Result<NewLink, LoadError> {
        let body = json!({ "plan_id": plan, "name": "bappy load" });
        self.call(Method::POST, "/links", Some(body)).await
    }

    /// How many operations are under way.
    pub async fn pending(&self) -> Result<u64, LoadError> {
        let page: List<Value> = self.get("/operations?state=pending&per_page=1").await?;
        Ok(page.meta.total)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LoadError> {
        self.call(Method::GET, path, None).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, LoadError> {
        let url = format!("{}{path}", self.target.base);
        let mut request = self.http.request(method.clone(), &url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let what = format!("{method} {url}");
        let answer = request.send().await.map_err(|error| {
            let (base, why) = (&self.target.base, cause(&error));
            LoadError(if error.is_connect() {
                format!(
                    "{base} cannot be reached: {why}; does the service run, and is --url right?"
                )
            } else {
                format!("{what} is not answered: {why}")
            })
        })?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| {
            LoadError(format!("{what} is answered {status} and then cut: {}", cause(&error)))
        })?;
        if !status.is_success() {
            return Err(refused(&what, status, &text));
        }
        let envelope: Envelope<T> = serde_json::from_str(&text).map_err(|error| {
            LoadError(format!("{what} is not answered as this API answers: {error}"))
        })?;
        Ok(envelope.data)
    }
}

fn after(cursor: &str) -> String {
    if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") }
}

fn refused(what: &str, status: StatusCode, text: &str) -> LoadError {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let error = &body["error"];
    let (code, message) = (error["code"].as_str(), error["message"].as_str());
    let said = match (code, message) {
        (Some(code), Some(message)) => format!("{} {code}: {message}", status.as_u16()),
        _ => status.to_string(),
    };
    let hint = match (status, code) {
        (StatusCode::UNAUTHORIZED, _) => {
            " (does this service trust the identity provider that the token is from?)"
        }
        (StatusCode::NOT_FOUND, None) => " (is --url the base of the API?)",
        _ => "",
    };
    LoadError(format!("{what} is answered {said}{hint}"))
}

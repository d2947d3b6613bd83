//! The calls of the protocol: one function each, path and fields and what its answer means.
//!
//! Called by the gateway through the port. **Invariant:** an answer about another card or another
//! reference than was asked for is not the result.

use super::answer::{Answer, unreadable};
use super::client::{Call, OperatorClient, json};
use super::wire::{
    CatalogueRow, ConnectivityRow, EndpointRow, Found, InstanceRow, Items, Login, LoginBody,
    NewEndpointBody, NewPlanBody, NewSmsBody, SimProfile, SimRow, SmsRow, StatusAnswer, StatusBody,
    endpoint_status, kind_word, status_word,
};
use async_trait::async_trait;
use bappy_actors::model::{ProfileState, SimKind};
use bappy_actors::ports::{
    AccessToken, CallError, CataloguePage, Connectivity, Endpoint, EndpointStatus, NewEndpoint,
    Operator, PlanInstance, Refusal, Removal, SimCard, SmsReport,
};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::time::Duration;

/// An answer about one thing is some kilobytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// An endpoint may have 100,000 plans at some 300 bytes; a page of the catalogue may list every
/// network of the world a hundred times.
const LONG_ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Where a login does not say for how long it is good: soon enough to be asked again in time.
const TOKEN_LIFE_DEFAULT: Duration = Duration::from_mins(5);
const TOKEN_LIFE_S_MAX: f64 = 86_400.0;

impl OperatorClient {
    async fn get(
        &self,
        token: &AccessToken,
        url: Url,
        timeout: Duration,
        answer_bytes_max: usize,
    ) -> Result<Answer, CallError> {
        let call = Call {
            method: Method::GET,
            url,
            body: None,
            token: Some(token),
            timeout,
            answer_bytes_max,
        };
        self.exchange(call).await
    }

    async fn change(
        &self,
        token: &AccessToken,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        // The answer may be the whole endpoint.
        let answer_bytes_max = LONG_ANSWER_BYTES_MAX;
        let call = Call { method, url, body, token: Some(token), timeout, answer_bytes_max };
        self.exchange(call).await
    }
}

#[async_trait]
impl Operator for OperatorClient {
    async fn login(&self, timeout: Duration) -> Result<AccessToken, CallError> {
        let body = LoginBody { username: &self.username, password: self.password.expose_secret() };
        let call = Call {
            method: Method::POST,
            url: self.url(&["api", "login"])?,
            body: json(&body)?,
            token: None,
            timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let login: Login = self.exchange(call).await?.result()?;
        if login.access_token.is_empty()
            || !login.access_token.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(unreadable("the access token cannot be sent in a header"));
        }
        let expires_in =
            login.expires_in.filter(|s| s.is_finite()).map_or(TOKEN_LIFE_DEFAULT, |s| {
                Duration::from_secs_f64(s.clamp(0.0, TOKEN_LIFE_S_MAX))
            });
        Ok(AccessToken { secret: login.access_token.into(), expires_in })
    }

    async fn catalogue(
        &self,
        token: &AccessToken,
        page: u32,
        per_page: u32,
        timeout: Duration,
    ) -> Result<CataloguePage, CallError> {
        let mut url = self.url(&["api", "catalogue"])?;
        url.query_pairs_mut()
            .append_pair("page", &page.to_string())
            .append_pair("per_page", &per_page.to_string());
        let answer = self.get(token, url, timeout, LONG_ANSWER_BYTES_MAX).await?;
        answer.result::<Items<CatalogueRow>>().map(Into::into)
    }

    async fn list_sims(
        &self,
        token: &AccessToken,
        sponsor_id: &str,
        kind: SimKind,
        limit: u32,
        after: Option<&str>,
        timeout: Duration,
    ) -> Result<Vec<SimCard>, CallError> {
        let mut url = self.url(&["api", "sims"])?;
        url.query_pairs_mut()
            .append_pair("state", "available")
            .append_pair("sponsor", sponsor_id)
            .append_pair("kind", kind_word(kind))
            .append_pair("limit", &limit.to_string())
            .extend_pairs(after.map(|iccid| ("after", iccid)));
        let answer = self.get(token, url, timeout, ANSWER_BYTES_MAX).await?;
        let sims: Items<Value> = answer.result()?;
        let rows = sims.items.len();
        let cards: Vec<SimCard> =
            sims.items.into_iter().filter_map(|row| sim_card(row, sponsor_id, kind)).collect();
        // None of many is another list than was asked for, and not the end of this one.
        if cards.is_empty() && rows > 0 {
            return Err(unreadable(&format!("none of {rows} cards can be read")));
        }
        Ok(cards)
    }

    async fn profile_state(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<ProfileState, CallError> {
        let url = self.url(&["api", "sims", iccid])?;
        let sim: SimProfile = self.get(token, url, timeout, ANSWER_BYTES_MAX).await?.result()?;
        Ok(sim.profile_state.unwrap_or(ProfileState::Unknown))
    }

    async fn create_endpoint(
        &self,
        token: &AccessToken,
        new: NewEndpoint<'_>,
        timeout: Duration,
    ) -> Result<Endpoint, CallError> {
        let url = self.url(&["api", "endpoints"])?;
        let body = json(&NewEndpointBody {
            iccid: new.iccid,
            plan_id: new.operator_plan_id,
            name: new.name,
            reference: new.reference,
        })?;
        let answer = self.change(token, Method::POST, url, body, timeout).await?;
        let endpoint: Endpoint = answer.result::<EndpointRow>()?.try_into()?;
        if endpoint.iccid != new.iccid || is_other(endpoint.reference.as_deref(), new.reference) {
            return Err(unreadable("the endpoint is another one than was asked for"));
        }
        Ok(endpoint)
    }

    async fn endpoint(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Option<Endpoint>, CallError> {
        let url = self.url(&["api", "endpoints", endpoint_id])?;
        let answer = self.get(token, url, timeout, LONG_ANSWER_BYTES_MAX).await?;
        if answer.is_absence() {
            return Ok(None);
        }
        match answer.result::<EndpointRow>() {
            Ok(row) => {
                let endpoint: Endpoint = row.try_into()?;
                // Taken for this one's, another's plans would say that ours are not there.
                if endpoint.endpoint_id != endpoint_id {
                    return Err(unreadable("the endpoint is another one than was asked for"));
                }
                Ok(Some(endpoint))
            }
            // The same statement, wrapped in a success.
            Err(CallError::Refused(Refusal::NoEndpoint)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn endpoints_of_sim(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<Vec<Endpoint>, CallError> {
        let mut url = self.url(&["api", "endpoints"])?;
        url.query_pairs_mut().append_pair("iccid", iccid);
        let answer = self.get(token, url, timeout, LONG_ANSWER_BYTES_MAX).await?;
        match answer.result::<Found>() {
            Ok(found) => {
                let endpoints = found.endpoints(|| answer.result())?;
                if endpoints.iter().any(|endpoint| endpoint.iccid != iccid) {
                    return Err(unreadable("the endpoints are of another card than was asked for"));
                }
                Ok(endpoints)
            }
            Err(CallError::Refused(Refusal::NoEndpoint)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn add_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        operator_plan_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<PlanInstance, CallError> {
        let url = self.url(&["api", "endpoints", endpoint_id, "plans"])?;
        let body = json(&NewPlanBody { plan_id: operator_plan_id, reference })?;
        let answer = self.change(token, Method::POST, url, body, timeout).await?;
        let instance: PlanInstance = answer.result::<InstanceRow>()?.into();
        if instance.instance_id.is_empty() || is_other(instance.reference.as_deref(), reference) {
            return Err(unreadable("the plan instance is another one than was asked for"));
        }
        Ok(instance)
    }

    async fn remove_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        instance_id: &str,
        timeout: Duration,
    ) -> Result<Removal, CallError> {
        let url = self.url(&["api", "endpoints", endpoint_id, "plans", instance_id])?;
        let answer = self.change(token, Method::DELETE, url, None, timeout).await?;
        if answer.is_gone() {
            return Ok(Removal::AlreadyGone);
        }
        match answer.success() {
            Ok(()) => Ok(Removal::Removed),
            // The same statement, wrapped in a success or under another status.
            Err(CallError::Refused(Refusal::NoInstance | Refusal::NoEndpoint)) => {
                Ok(Removal::AlreadyGone)
            }
            Err(error) => Err(error),
        }
    }

    async fn set_status(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        status: EndpointStatus,
        timeout: Duration,
    ) -> Result<(), CallError> {
        let url = self.url(&["api", "endpoints", endpoint_id])?;
        let body = json(&StatusBody { status: status_word(status) })?;
        let answer = self.change(token, Method::PATCH, url, body, timeout).await?;
        answer.success()?;
        if answer.body.is_empty() {
            return Ok(());
        }
        match answer.result::<StatusAnswer>()?.status {
            Some(word) if endpoint_status(&word) != Some(status) => {
                Err(unreadable(&format!("the endpoint's status is `{word}` after the change")))
            }
            _ => Ok(()),
        }
    }

    async fn connectivity(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Connectivity, CallError> {
        let url = self.url(&["api", "endpoints", endpoint_id, "connectivity"])?;
        let answer = self.get(token, url, timeout, ANSWER_BYTES_MAX).await?;
        answer.result::<ConnectivityRow>().map(Into::into)
    }

    async fn send_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        text: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<SmsReport, CallError> {
        let url = self.url(&["api", "endpoints", endpoint_id, "sms"])?;
        let body = json(&NewSmsBody { text, reference })?;
        let answer = self.change(token, Method::POST, url, body, timeout).await?;
        let sent: SmsRow = answer.result()?;
        if is_other(sent.reference.as_deref(), reference) {
            return Err(unreadable("the SMS is another one than was asked for"));
        }
        sent.try_into()
    }

    async fn find_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError> {
        let mut url = self.url(&["api", "endpoints", endpoint_id, "sms"])?;
        url.query_pairs_mut().append_pair("reference", reference);
        let answer = self.get(token, url, timeout, LONG_ANSWER_BYTES_MAX).await?;
        if answer.is_absence() {
            return Ok(None);
        }
        let found: Items<SmsRow> = match answer.result() {
            Ok(found) => found,
            // The same statement, wrapped in a success.
            Err(CallError::Refused(Refusal::NoEndpoint)) => return Ok(None),
            Err(error) => return Err(error),
        };
        // One without a reference may be ours or not: neither found nor absent.
        if found.items.iter().any(|row| row.reference.is_none()) {
            return Err(unreadable("an SMS without its reference"));
        }
        let ours = found.items.into_iter().find(|row| row.reference.as_deref() == Some(reference));
        ours.map(TryInto::try_into).transpose()
    }

    async fn sms(
        &self,
        token: &AccessToken,
        sms_id: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError> {
        let url = self.url(&["api", "sms", sms_id])?;
        let answer = self.get(token, url, timeout, ANSWER_BYTES_MAX).await?;
        if answer.is_absence() {
            return Ok(None);
        }
        let report: SmsReport = answer.result::<SmsRow>()?.try_into()?;
        if report.sms_id != sms_id {
            return Err(unreadable("the SMS is another one than was asked for"));
        }
        Ok(Some(report))
    }

    async fn ping(&self, token: &AccessToken, timeout: Duration) -> Result<(), CallError> {
        let url = self.url(&["api", "ping"])?;
        self.get(token, url, timeout, ANSWER_BYTES_MAX).await?.success()
    }
}

/// A card of a list; none where its row cannot be read, which must not hide the others.
fn sim_card(row: Value, sponsor_id: &str, kind: SimKind) -> Option<SimCard> {
    // The parser's own words may repeat the number.
    let read = serde_json::from_value::<SimRow>(row).map_err(|_| "no ICCID in text".to_owned());
    match read.and_then(|row| row.card(sponsor_id, kind)) {
        Ok(card) => Some(card),
        Err(error) => {
            tracing::warn!(sponsor = sponsor_id, error, "a card that is offered cannot be read");
            None
        }
    }
}

/// Whether an echoed reference is there and not ours.
fn is_other(echoed: Option<&str>, ours: &str) -> bool {
    echoed.is_some_and(|reference| reference != ours)
}

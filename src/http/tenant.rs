//! Whose request it is: checks the bearer token and finds the organization that it leads to.
//!
//! [`Authenticate`] is wrapped around everything under the base path that is not public; handlers
//! take [`Tenant`], or [`AnyTenant`] where a suspended organization may read.
//!
//! **Invariants.** The organization comes from the token alone. A request without a good token
//! reaches no handler. What is known of an organization is at most a second old.

use super::error::ApiError;
use super::error_kind::{Challenge, ErrorKind};
use super::metrics::METRICS;
use super::request_id::RequestContext;
use crate::identity::{Identity, TokenError, Validity, VerifiedToken};
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{self, HeaderMap};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use async_trait::async_trait;
use bappy_actors::model::{OrgStatus, Organization};
use bappy_actors::ports::StoreError;
use futures_util::future::LocalBoxFuture;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use secrecy::{ExposeSecret, SecretString};
use std::cell::RefCell;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that an organization is remembered, whatever the database says.
const ORGANIZATION_TTL: Duration = Duration::from_secs(10);
/// How long a connection goes without asking the caches, which have limits of their own.
const AUTHENTICATED_TTL: Duration = Duration::from_secs(1);
/// Organizations remembered at a time.
const ORGANIZATIONS_MAX: u64 = 100_000;

/// Where organizations are looked up.
#[async_trait]
pub trait Organizations: Send + Sync + 'static {
    /// The revision, where it need not be asked for.
    fn known_revision(&self) -> Option<i64>;
    /// Another one once any of them has changed, within a second.
    async fn revision(&self) -> Result<i64, StoreError>;
    /// By the value of the organization claim: an id or a slug.
    async fn by_claim(&self, claim: &str) -> Result<Option<Organization>, StoreError>;
    /// By a client id registered for it.
    async fn by_client(&self, client_id: &str) -> Result<Option<Organization>, StoreError>;
}

/// How a token names an organization.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Named {
    Claim(String),
    Client(String),
}

/// Checks tokens and finds their organizations.
pub struct Tenants {
    identity: Arc<Identity>,
    organizations: Arc<dyn Organizations>,
    /// By the revision that they were looked up at.
    known: Cache<(i64, Named), Option<Arc<Organization>>>,
}

impl Tenants {
    /// Tokens are checked by `identity`, organizations looked up in `organizations`.
    pub fn new(identity: Arc<Identity>, organizations: Arc<dyn Organizations>) -> Self {
        let known = Cache::builder()
            .max_capacity(ORGANIZATIONS_MAX)
            // What an earlier revision left is not asked for again.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(ORGANIZATION_TTL)
            .build();
        Self { identity, organizations, known }
    }

    /// What checks the tokens.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Brings up to date what the metrics show of the caches.
    pub fn observe(&self) {
        self.identity.observe();
        METRICS.organizations.holds(self.known.entry_count());
    }

    /// The organization of a request, where its token was verified and the organization looked up
    /// lately. Counts nothing.
    pub(super) async fn remembered(
        &self,
        headers: &HeaderMap,
        last: &LastAuthenticated,
    ) -> Option<Arc<Organization>> {
        let token = bearer(headers).ok()?;
        let revision = self.organizations.known_revision()?;
        if let Some(organization) = last.same(token, revision, &self.identity) {
            return Some(organization);
        }
        let (verified, validity) = self.identity.remembered(token).await?;
        let organization = self.known.get(&(revision, named(&verified)?)).await??;
        last.0.replace(Some(Authenticated {
            token: SecretString::from(token),
            validity,
            revision,
            organization: Arc::clone(&organization),
            at: Instant::now(),
        }));
        Some(organization)
    }

    /// Counts one that was [`remembered`](Self::remembered) and let in.
    pub(super) fn count_remembered(&self) {
        self.identity.count_remembered();
        METRICS.organizations.asked(true);
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Organization>, ApiError> {
        let token = bearer(headers)?;
        let verified = self.identity.verify(token).await.map_err(refused)?;
        let named = named(&verified).ok_or_else(no_organization)?;
        let revision = self.organizations.revision().await?;
        let asked = (revision, named);
        let mut known = true;
        let looked_up = self.known.try_get_with_by_ref(&asked, async {
            known = false;
            let found = match &asked.1 {
                Named::Claim(claim) => self.organizations.by_claim(claim).await?,
                Named::Client(client_id) => self.organizations.by_client(client_id).await?,
            };
            Ok::<_, StoreError>(found.map(Arc::new))
        });
        let looked_up = looked_up.await;
        METRICS.organizations.asked(known);
        match looked_up {
            Ok(Some(organization)) => Ok(organization),
            Ok(None) => Err(no_organization()),
            Err(error) => Err(StoreError::clone(&error).into()),
        }
    }
}

/// Who was let in last on a connection: nearly always who asks next, with the same token. Of one
/// connection, on one thread. The token is held until another comes, or the connection ends.
#[derive(Clone, Default)]
pub(super) struct LastAuthenticated(Rc<RefCell<Option<Authenticated>>>);

struct Authenticated {
    token: SecretString,
    validity: Validity,
    /// That the organization was looked up at.
    revision: i64,
    organization: Arc<Organization>,
    at: Instant,
}

impl LastAuthenticated {
    /// Of a request's connection; nobody where the server remembers none (tests without a
    /// connection).
    pub(super) fn of(request: &ServiceRequest) -> Self {
        request.conn_data::<Self>().cloned().unwrap_or_default()
    }

    /// The organization, if the token is the same and all still stands.
    fn same(&self, token: &str, revision: i64, identity: &Identity) -> Option<Arc<Organization>> {
        let last = self.0.borrow();
        let last = last.as_ref()?;
        let is_same = last.revision == revision
            && last.at.elapsed() < AUTHENTICATED_TTL
            && last.token.expose_secret() == token
            && identity.is_valid(last.validity);
        is_same.then(|| Arc::clone(&last.organization))
    }
}

fn named(token: &VerifiedToken) -> Option<Named> {
    match (&token.organization, &token.client_id) {
        (Some(claim), _) => Some(Named::Claim(claim.clone())),
        (None, Some(client_id)) => Some(Named::Client(client_id.clone())),
        (None, None) => None,
    }
}

fn no_organization() -> ApiError {
    ApiError::unauthorized(Challenge::InvalidToken("the token leads to no organization"))
}

fn refused(error: TokenError) -> ApiError {
    match error {
        TokenError::Invalid(refusal) => {
            ApiError::unauthorized(Challenge::InvalidToken(refusal.description()))
                .with_context(refusal)
        }
        TokenError::ProviderUnavailable => {
            ApiError::unavailable(1, "the identity provider's keys could never be read")
        }
    }
}

/// The token of a request. The scheme's case does not matter (RFC 9110).
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else {
        return Err(ApiError::unauthorized(Challenge::NoCredentials));
    };
    let malformed = || {
        let challenge = "exactly one Authorization header with a Bearer token is needed";
        ApiError::unauthorized(Challenge::InvalidRequest(challenge))
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    // `to_str` looks at each byte of a long token by itself.
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii());
    let (scheme, token) = text.and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthorized(Challenge::NoCredentials));
    }
    let token = token.trim_matches(' ');
    if token.is_empty() { Err(malformed()) } else { Ok(token) }
}

/// The organization of a request that may do everything.
#[derive(Clone, Debug)]
pub struct Tenant(pub Arc<Organization>);

/// The organization of a request, suspended or not.
#[derive(Clone, Debug)]
pub struct AnyTenant(pub Arc<Organization>);

impl FromRequest for AnyTenant {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let organization = request.extensions().get::<Arc<Organization>>().cloned();
        ready(organization.map(Self).ok_or_else(|| ApiError::internal("not authenticated")))
    }
}

impl FromRequest for Tenant {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let any = AnyTenant::from_request(request, payload).into_inner();
        ready(any.and_then(|AnyTenant(organization)| match organization.status {
            OrgStatus::Active => Ok(Self(organization)),
            OrgStatus::Suspended => Err(ApiError::new(ErrorKind::OrgSuspended)),
        }))
    }
}

/// The middleware.
#[derive(Clone)]
pub struct Authenticate(Arc<Tenants>);

impl Authenticate {
    /// Lets in who has a good token.
    pub fn new(tenants: Arc<Tenants>) -> Self {
        Self(tenants)
    }
}

impl<S, B> Transform<S, ServiceRequest> for Authenticate
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = AuthenticateService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(AuthenticateService { service: Rc::new(service), tenants: Arc::clone(&self.0) }))
    }
}

/// [`Authenticate`] around a service.
pub struct AuthenticateService<S> {
    service: Rc<S>,
    tenants: Arc<Tenants>,
}

impl<S, B> Service<ServiceRequest> for AuthenticateService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, tenants) = (Rc::clone(&self.service), Arc::clone(&self.tenants));
        Box::pin(async move {
            let organization = tenants.authenticate(request.headers()).await?;
            if let Some(context) = request.extensions().get::<RequestContext>() {
                context.record_organization(organization.id);
            }
            request.extensions_mut().insert(organization);
            service.call(request).await
        })
    }
}

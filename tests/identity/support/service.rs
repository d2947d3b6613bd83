//! The whole service with one organization, `acme`, and the keys of a test's provider: what a
//! token is worth over HTTP.

use std::time::Duration;

use bappy::app::{self, Running};
use bappy::config::Config;
use bappy::identity::{IdentityConfig, Refusal, http_client};
use bappy::store::organizations::{self, NewOrganization};
use bappy_actors::model::{Currency, Money, OrgId};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// The service, on SQLite and on a free port.
pub struct Service {
    running: Running,
    http: reqwest::Client,
    _folder: TempDir,
}

/// An answer of the service.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Service {
    /// A service that trusts the tokens of an issuer.
    pub async fn start(identity: &IdentityConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::sandbox(folder.path()).unwrap();
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.workers = 1;
        config.identity.issuer = Some(identity.issuer.clone());
        config.identity.audience.clone_from(&identity.audience);
        // Nothing here is sold.
        config.operator.url = Some("http://127.0.0.1:1".parse().unwrap());
        config.operator.username = Some("bappy".to_owned());
        config.operator.password = Some(SecretString::from("secret"));
        let parts = app::open(&config).await.unwrap();
        let acme = NewOrganization {
            id: OrgId(Uuid::from_u128(1)),
            slug: "acme".to_owned(),
            name: "Acme".to_owned(),
            currency: "USD".parse::<Currency>().unwrap(),
            price_per_sms: Money::ZERO,
            price_per_link: Money::ZERO,
            clients: vec!["acme".to_owned()],
        };
        let at = parts.clock.now();
        let made = parts
            .database
            .write(move |tx| Box::pin(async move { organizations::create(tx, &acme, at).await }));
        made.await.unwrap().unwrap();
        parts.database.close().await;
        Self {
            running: app::start(config).await.unwrap(),
            http: http_client().unwrap(),
            _folder: folder,
        }
    }

    /// What `GET /organization` answers to these `Authorization` headers.
    pub async fn authorized_by(&self, values: &[HeaderValue]) -> Answer {
        self.get("/organization", values).await
    }

    /// What is answered to a token, where it can be sent at all: an HTTP client sends no control
    /// characters and the server takes no header over its limit.
    pub async fn answer_to(&self, token: &str) -> Option<Answer> {
        const SENDABLE_BYTES_MAX: usize = 12 * 1024;
        let can_be_sent = !token.is_empty()
            && token.len() <= SENDABLE_BYTES_MAX
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !can_be_sent {
            return None;
        }
        Some(
            self.authorized_by(&[HeaderValue::from_str(&format!("Bearer {token}")).unwrap()]).await,
        )
    }

    pub async fn get(&self, path: &str, authorization: &[HeaderValue]) -> Answer {
        let url = format!("http://{}/v1{path}", self.running.addr());
        let mut request = self.http.get(url).timeout(Duration::from_secs(20));
        for value in authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().await.unwrap() }
    }

    pub async fn stop(self) {
        self.running.stop().await;
    }
}

impl Answer {
    /// Fails unless it is a 401 that says this in its challenge and in nothing else.
    #[track_caller]
    pub fn refuses(&self, refusal: Refusal, what: &str) {
        let challenge = format!(
            "Bearer realm=\"bappy\", error=\"{}\", error_description=\"{}\"",
            refusal.error(),
            refusal.description()
        );
        assert_eq!(self.status, 401, "{what}: {self:?}");
        assert_eq!(self.challenge(), challenge, "{what}");
        assert_eq!(self.body["error"]["code"], "UNAUTHORIZED", "{what}");
        assert_eq!(self.body.get("data"), None, "{what}");
    }

    /// The one `WWW-Authenticate`.
    #[track_caller]
    pub fn challenge(&self) -> &str {
        let mut all = self.headers.get_all("www-authenticate").iter();
        let challenge = all.next().unwrap_or_else(|| panic!("no challenge: {self:?}"));
        assert!(all.next().is_none(), "{self:?}");
        challenge.to_str().unwrap()
    }
}

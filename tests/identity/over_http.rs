//! What comes around a token: its header, and the organization that it leads to.

use bappy::identity::Refusal;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::support::keys::{self, with, without};
use crate::support::setting::Setting;

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_token_is_taken_from_one_bearer_header_and_from_nowhere_else() {
    let setting = Setting::new(vec![]);
    let good = setting.claiming(&json!({}));
    let service = setting.service().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = service.authorized_by(&[value(&format!("{scheme} {good}"))]).await;
        assert_eq!(answer.status, 200, "{scheme}");
    }
    let other = [
        format!("Basic {good}"),
        format!("Token {good}"),
        format!("DPoP {good}"),
        format!("Bearer\t{good}"),
        format!("Bearer{good}"),
        format!("Bearer:{good}"),
        good.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer \"{good}\""),
        format!("Bearer token={good}"),
        format!("Bearer {good};"),
        format!("Bearer é{good}"),
    ];
    for text in other {
        let answer = service.authorized_by(&[value(&text)]).await;
        assert_eq!(answer.status, 401, "{text}");
        assert!(answer.challenge().starts_with("Bearer realm="), "{text}");
    }
    let twice = [value(&format!("Bearer {good}")), value(&format!("Bearer {good}"))];
    let answer = service.authorized_by(&twice).await;
    assert_eq!(answer.status, 401);
    assert!(answer.challenge().contains("error=\"invalid_request\""));
    let in_the_query = service.get(&format!("/organization?access_token={good}"), &[]).await;
    assert_eq!(in_the_query.status, 401);
    assert_eq!(in_the_query.challenge(), "Bearer realm=\"bappy\"", "no error where none was sent");
    service.stop().await;
}

#[tokio::test]
async fn a_token_too_large_for_any_header_is_refused_before_it_is_read() {
    let setting = Setting::new(vec![]);
    let service = setting.service().await;
    let long = setting.claiming(&json!({"pad": "x".repeat(10_000)}));
    service.answer_to(&long[..12_000]).await.unwrap().refuses(Refusal::TooLong, "12 KB");
    let answer = service.authorized_by(&[value(&format!("Bearer {}", "x".repeat(20_000)))]).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (431, &json!("HEADERS_TOO_LARGE")));
    service.stop().await;
}

/// Good signatures over claims that name nobody we know.
#[tokio::test]
async fn a_good_token_that_leads_to_no_organization_is_refused() {
    let setting = Setting::new(vec![]);
    let service = setting.service().await;
    let sign = |claims: &Value| keys::ES256.sign(claims).unwrap();
    let claiming = |organization: &str| setting.claiming(&json!({"org_id": organization}));
    for good in [
        claiming("acme"),
        claiming("00000000-0000-0000-0000-000000000001"),
        sign(&without(setting.claims.clone(), "org_id")),
    ] {
        assert_eq!(service.answer_to(&good).await.unwrap().status, 200);
    }
    let nobody = |claims: Value| sign(&without(with(claims, &json!({"azp": "nobody"})), "org_id"));
    for (what, token) in [
        ("unknown", claiming("globex")),
        ("an unknown id", claiming("00000000-0000-0000-0000-000000000002")),
        ("empty", claiming("")),
        ("in capitals", claiming("ACME")),
        ("with a space", claiming("acme ")),
        ("with NUL", claiming("acme\0")),
        ("a pattern", claiming("%")),
        ("SQL", claiming("x' OR '1'='1")),
        ("a path", claiming("../acme")),
        ("long", claiming(&"acme".repeat(1_000))),
        ("an unknown client", nobody(setting.claims.clone())),
        (
            "an unknown client beside a known client_id",
            nobody(with(setting.claims.clone(), &json!({"client_id": "acme"}))),
        ),
        (
            "neither organization nor client",
            sign(&without(without(setting.claims.clone(), "org_id"), "azp")),
        ),
        (
            "a client that is an array",
            sign(&without(with(setting.claims.clone(), &json!({"azp": ["acme"]})), "org_id")),
        ),
    ] {
        let answer = service.answer_to(&token).await.unwrap();
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert!(answer.challenge().contains("error=\"invalid_token\""), "{what}");
    }
    service.stop().await;
}

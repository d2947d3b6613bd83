//! `GET /info/instructions` and `GET /info/operators`.

use crate::app::{DatabaseKind, TestApp};
use serde_json::{Value, json};

const LANGUAGES: [&str; 6] = ["en", "ja", "es", "fr", "de", "ar"];

/// Nothing here is read from a database: one of them is enough.
async fn app() -> TestApp {
    TestApp::start(DatabaseKind::Sqlite, crate::app::AMPLE).await.unwrap()
}

/// The guides under a query and an `Accept-Language`, with the language that they say they are in.
async fn guides(app: &TestApp, query: &str, wished: Option<&str>) -> (String, Value) {
    let url = format!("{}/info/instructions{query}", app.acme.base);
    let mut request = app.acme.http.get(url).bearer_auth(&app.acme.token);
    if let Some(wished) = wished {
        request = request.header("Accept-Language", wished);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query} {wished:?}");
    assert_eq!(answer.headers()["vary"], "Accept-Language");
    let language = answer.headers()["content-language"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    (language, body["data"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guides_tell_how_an_esim_is_installed() {
    let app = app().await;
    let (_, english) = guides(&app, "", None).await;
    for (system, version, link) in [
        ("ios", "17.4", "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata="),
        ("android", "10", "https://esimsetup.android.com/esim_qrcode_provisioning?carddata="),
    ] {
        let guide = &english[system];
        assert_eq!(guide["min_version"], version);
        assert_eq!(guide["universal_link_template"], format!("{link}{{lpa_profile}}"));
        assert!(guide["title"].as_str().unwrap().contains("eSIM"));
        let steps = guide["steps"].as_array().unwrap();
        for (place, step) in (1..).zip(steps) {
            assert_eq!(step["order"], json!(place));
            assert!(!step["title"].as_str().unwrap().is_empty());
            assert!(step["text"].as_str().unwrap().len() > 60);
        }
        assert!(steps.len() >= 5);
    }
    // With a Link's activation code in it, the template is the Link's own address.
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let apple = link["apple_activation_url"].as_str().unwrap();
    let template = english["ios"]["universal_link_template"].as_str().unwrap();
    assert!(apple.starts_with(template.strip_suffix("{lpa_profile}").unwrap()));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_language_is_the_one_asked_for_else_one_that_is_wished_else_english() {
    let app = app().await;
    let mut titles = std::collections::HashSet::new();
    for language in LANGUAGES {
        let (told, asked) = guides(&app, &format!("?lang={language}"), Some("fr")).await;
        assert_eq!(told, language, "what is asked for wins");
        let (told, wished) = guides(&app, "", Some(language)).await;
        assert_eq!((told.as_str(), &wished), (language, &asked));
        titles.insert(asked["ios"]["title"].as_str().unwrap().to_owned());
    }
    assert_eq!(titles.len(), LANGUAGES.len());
    for (wished, expected) in [
        ("fr-CA, en;q=0.5", "fr"),
        ("pt, de;q=0.3, ja-JP;q=0.8", "ja"),
        ("AR-eg", "ar"),
        ("pt-BR, *;q=0.1", "en"),
        ("de;q=0, es;q=0.1", "es"),
        ("xx", "en"),
        ("", "en"),
        (";;q=x", "en"),
    ] {
        assert_eq!(guides(&app, "", Some(wished)).await.0, expected, "{wished}");
    }
    for query in ["lang=pt", "lang=", "lang=EN", "lang=en-US", "lang=en&lang=de"] {
        let answer = app.acme.get(&format!("/info/instructions?{query}")).await;
        answer.names_field("lang");
    }
    let answer = app.acme.get("/info/instructions?lang=pt").await;
    let sentence = answer.details()["lang"][0].as_str().unwrap();
    assert!(LANGUAGES.iter().all(|language| sentence.contains(language)), "{sentence}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_are_found_by_country() {
    let app = app().await;
    let french = app.acme.walk("/info/operators?search=fr", 100).await;
    let france = json!({"code": "FR", "name": "France"});
    assert!(french.len() > 5 && french.iter().all(|row| row["country"] == france));
    assert_eq!(french[0]["name"], "Orange");
    assert_eq!((&french[0]["mcc"], &french[0]["mnc"]), (&json!("208"), &json!("01")));
    assert!(french[0]["network_types"].as_array().unwrap().contains(&json!("4G")));
    for same in ["FR", "france", "+France+", "FRANC"] {
        assert_eq!(app.acme.walk(&format!("/info/operators?search={same}"), 100).await, french);
    }
    // Page by page as by cursor, and a page past the end is empty.
    for search in ["united", "guinea"] {
        let path = format!("/info/operators?search={search}");
        let all = app.acme.walk(&path, 100).await;
        let countries: std::collections::BTreeSet<_> =
            all.iter().map(|row| row["country"]["code"].as_str().unwrap()).collect();
        assert!(countries.len() >= 3, "{countries:?}");
        assert_eq!(app.acme.walk(&path, 7).await, all);
        let mut paged = Vec::new();
        for page in 1..=all.len().div_ceil(7) {
            let answer = app.acme.get(&format!("{path}&per_page=7&page={page}")).await.ok();
            assert_eq!(answer["meta"]["total"], all.len());
            paged.extend(answer["data"].as_array().unwrap().clone());
        }
        assert_eq!(paged, all);
        let past = app.acme.get(&format!("{path}&page=1000")).await.ok();
        assert_eq!((&past["data"], &past["meta"]["from"]), (&json!([]), &Value::Null));
    }
    assert_eq!(app.acme.total("/info/operators?search=atlantis").await, 0);
    assert_eq!(app.acme.total("/info/operators?search=%25").await, 0);
    for query in ["", "?search=", "?search=+", "?search=%00", "?search=a&search=b"] {
        app.acme.get(&format!("/info/operators{query}")).await.names_field("search");
    }
    app.acme.get("/info/operators?search=fr&page=0").await.names_field("page");
    app.acme.get("/info/operators?search=fr&cursor=AQAAAAAAAAACeA").await.names_field("cursor");
    app.finish().await;
}

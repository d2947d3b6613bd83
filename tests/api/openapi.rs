//! The `OpenAPI` document against the router, its own examples, and the file in `docs/`.
//!
//! That answers fit it is checked on every answer of every test here: see
//! `support/app/documented.rs`.

use crate::app::{Document, TestApp};
use crate::on_both;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Served beside the API, and no part of it.
const NOT_THE_API: [&str; 4] = ["/openapi.json", "/docs", "/docs/start.js", "/docs/scalar.js"];

async fn the_document_has_exactly_the_router_s_routes(app: &mut TestApp) {
    let documented: BTreeSet<(String, String)> = Document::get()
        .operations()
        .map(|(path, method, _)| (path.to_owned(), method.to_uppercase()))
        .collect();
    let declared: BTreeSet<(String, String)> = bappy::http::fallback::declared()
        .into_iter()
        .filter(|(path, method)| !NOT_THE_API.contains(path) && method != "HEAD")
        .map(|(path, method)| (path.to_owned(), method))
        .collect();
    assert_eq!(documented, declared);

    // And each is where the document says it is.
    for (path, _, _) in Document::get().operations() {
        let id = "550e8400-e29b-41d4-a716-446655440000";
        let called = path.replace("{identifier}", id).replace("{plan_id}", id).replace("{id}", id);
        let answer = app.acme.send(Method::DELETE, &called, None, None).await;
        answer.fails(405, "METHOD_NOT_ALLOWED");
        let allowed: BTreeSet<_> =
            answer.header("allow").unwrap().split(", ").filter(|is| *is != "HEAD").collect();
        let methods = documented.iter().filter(|(is, _)| is == path);
        assert_eq!(allowed, methods.map(|(_, method)| &**method).collect(), "{path}");
    }
}

async fn the_document_is_served_without_a_token_at_the_root_and_under_the_base_path(
    app: &mut TestApp,
) {
    app.restart(|config| "/bappy".clone_into(&mut config.base_path)).await;
    let root = format!("http://{}", app.addr());
    let mut documents = Vec::new();
    for place in ["", "/bappy/v1"] {
        let answer = app.nobody.http.get(format!("{root}{place}/openapi.json")).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        documents.push(answer.json::<Value>().await.unwrap());
    }
    assert_eq!(documents[0], documents[1]);
    assert_eq!(documents[0]["servers"][0]["url"], "/bappy/v1");
    assert_eq!(documents[0]["paths"], Document::get().whole["paths"]);
    let issuer = app.config.identity.issuer.clone().unwrap();
    let flow = &documents[0]["components"]["securitySchemes"]["oauth2"]["flows"];
    let token_url = format!("{issuer}/protocol/openid-connect/token");
    assert_eq!(flow["clientCredentials"]["tokenUrl"], token_url);
}

async fn the_reference_is_served_whole_and_told_to_talk_to_nobody_else(app: &mut TestApp) {
    app.restart(|config| "/bappy".clone_into(&mut config.base_path)).await;
    let root = format!("http://{}", app.addr());
    for place in ["", "/bappy/v1"] {
        let get = |path: &str| app.nobody.http.get(format!("{root}{place}{path}")).send();
        let page = get("/docs").await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
        let text = page.text().await.unwrap();
        for script in ["docs/scalar.js", "docs/start.js"] {
            assert!(text.contains(&format!("<script src=\"{script}\">")), "{text}");
            let answer = get(&format!("/{script}")).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
            let script = answer.text().await.unwrap();
            assert!(script.contains("createApiReference"));
        }
    }
    // Sent as it is to who takes no gzip.
    let script = app.nobody.http.get(format!("{root}/docs/scalar.js"));
    let plain = script.header("accept-encoding", "identity").send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = plain.bytes().await.unwrap();
    let raw = reqwest::Client::builder().gzip(false).build().unwrap();
    let script = raw.get(format!("{root}/docs/scalar.js")).header("accept-encoding", "gzip");
    let packed = script.send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.unwrap().len() < plain.len() / 3);
}

on_both! {
    AMPLE:
    the_document_has_exactly_the_router_s_routes,
    the_document_is_served_without_a_token_at_the_root_and_under_the_base_path,
    the_reference_is_served_whole_and_told_to_talk_to_nobody_else,
}

#[test]
fn every_example_fits_its_schema() {
    let document = Document::get();
    for (_, _, operation) in document.operations() {
        let id = operation["operationId"].as_str().unwrap();
        if let Some(body) = operation.pointer("/requestBody/content/application~1json") {
            let examples = body["examples"].as_object().unwrap();
            assert!(!examples.is_empty(), "{id} has no example of a request");
            for (name, example) in examples {
                document.holds(&body["schema"], &example["value"], &format!("{id}, {name}"));
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let Some(media) = response.pointer("/content/application~1json") else { continue };
            if status.starts_with('2') {
                assert!(media["example"].is_object(), "{id} has no example of its answer");
                document.holds(&media["schema"], &media["example"], &format!("{id}, {status}"));
            }
        }
    }
    let error = json!({"$ref": "#/components/schemas/ErrorResponse"});
    for (code, example) in document.whole["components"]["examples"].as_object().unwrap() {
        document.holds(&error, &example["value"], code);
    }
}

#[test]
fn every_operation_is_fit_for_readers_and_generators() {
    let mut ids = BTreeSet::new();
    for (path, method, operation) in Document::get().operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} twice");
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
        assert!(operation["summary"].as_str().is_some_and(|title| title.len() < 60), "{id}");
        let tag = operation["tags"][0].as_str().unwrap();
        let tags = Document::get().whole["tags"].as_array().unwrap();
        assert!(tags.iter().any(|known| known["name"] == tag), "{id}: {tag}");
        for parameter in operation["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "path" {
                assert!(path.contains(&format!("{{{name}}}")), "{method} {path}: {name}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        if let Some(object) = value.as_object() {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        } else if let Some(items) = value.as_array() {
            for value in items {
                references(value, found);
            }
        }
    }
    let whole = &Document::get().whole;
    let mut found = BTreeSet::new();
    references(whole, &mut found);
    for reference in &found {
        assert!(whole.pointer(&reference[1..]).is_some(), "{reference} is not there");
    }
    for name in whole["components"]["schemas"].as_object().unwrap().keys() {
        let reference = format!("#/components/schemas/{name}");
        assert!(found.contains(&*reference), "nothing uses {name}");
    }
}

/// Every change of the document is seen in review. `BAPPY_UPDATE=1` writes the file anew.
#[test]
fn the_file_in_docs_is_the_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = serde_json::to_string_pretty(&Document::get().whole).unwrap() + "\n";
    if std::env::var_os("BAPPY_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    let line = file.lines().zip(text.lines()).position(|(old, new)| old != new);
    assert!(
        file == text,
        "docs/openapi.json is not the document (line {line:?}): read what changed with \
         `BAPPY_UPDATE=1 cargo test -p bappy --test api openapi` and `git diff docs`"
    );
}

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

on_both! {
    AMPLE:
    the_document_has_exactly_the_router_s_routes,
    the_document_is_served_without_a_token_at_the_root_and_under_the_base_path,
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

//! The `OpenAPI` document, and answers held to it: every answer that a test gets is checked.

use super::Answer;
use super::schema::fit;
use bappy::http::openapi::{Settings, document};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The document, made once.
pub struct Document {
    pub whole: Value,
}

impl Document {
    pub fn get() -> &'static Self {
        static DOCUMENT: OnceLock<Document> = OnceLock::new();
        DOCUMENT.get_or_init(|| {
            let whole = document(&Settings::public());
            Self { whole }
        })
    }

    /// Paths with their operations by method.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.whole["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (&**path, &**method, operation))
        })
    }

    /// The operation of a path as it was called; one without parameters goes first.
    fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let (parts, wanted) = (path.split('/'), template.split('/'));
            parts.clone().count() == wanted.clone().count()
                && parts.zip(wanted).all(|(part, wanted)| wanted.starts_with('{') || part == wanted)
        };
        let method = method.as_str().to_lowercase();
        let mut found: Vec<_> =
            self.operations().filter(|(path, is, _)| *is == method && fits(path)).collect();
        found.sort_by_key(|(path, ..)| path.matches('{').count());
        found.first().map(|(.., operation)| *operation)
    }

    /// Fails unless a value fits a schema.
    pub fn holds(&self, schema: &Value, value: &Value, what: &str) {
        if let Err(wrong) = fit(&self.whole, schema, value) {
            panic!("{what} is not as documented: {wrong}\n{value:#}");
        }
    }
}

/// Fails unless an answer is one that the document has for its call.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let document = Document::get();
    let Some(operation) = document.operation(method, path) else {
        let is_refused = matches!(answer.status, 401 | 404 | 405);
        assert!(is_refused, "{method} {path} is not documented, but answers {}", answer.status);
        return;
    };
    let what = format!("{method} {path}, {}", answer.status);
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{what} is not documented: {:#}", answer.body);
    let media = &response["content"]["application/json"];
    document.holds(&media["schema"], &answer.body, &what);
    if answer.body["success"] == false {
        let known = media["examples"].get(answer.code()).is_some();
        assert!(known, "{what}: {} is not documented", answer.code());
    }
    for (name, header) in response["headers"].as_object().unwrap() {
        let header = document.whole.pointer(&header["$ref"].as_str().unwrap()[1..]).unwrap();
        if let Some(value) = answer.header(name) {
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => json!(value.parse::<i64>().unwrap()),
                _ => json!(value),
            };
            document.holds(&header["schema"], &value, &format!("{name} of {what}"));
        } else {
            assert!(header["required"] != true, "{what} lacks {name}");
        }
    }
    for name in ["operation-id", "idempotent-replayed", "retry-after", "ratelimit"] {
        let known = response["headers"].as_object().unwrap().keys();
        let mut known = known.map(|name| name.to_lowercase());
        let is_sent = answer.header(name).is_some();
        assert!(!is_sent || known.any(|known| known == name), "{what} has {name}");
    }
}

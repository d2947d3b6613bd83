//! The headers of requests and answers in the document.

use serde_json::{Value, json};

/// Adds the headers of an operation and of its answers.
pub(super) fn add(operation: &mut Value) {
    let (is_public, is_keyed) = (super::is_public(operation), super::is_keyed(operation));
    let request_id = json!({
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your id of this request: 1 to 128 visible ASCII characters, which the answer \
            repeats and our log keeps. Any other is replaced.",
        "schema": {"type": "string"},
    });
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(request_id),
        None => operation["parameters"] = json!([request_id]),
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses {
        let mut names = vec!["X-Request-Id"];
        let is_success = status.starts_with('2');
        if is_keyed && (is_success || matches!(&**status, "409" | "422" | "500" | "502" | "503")) {
            names.push("Operation-Id");
        }
        if is_keyed && is_success {
            names.push("Idempotent-Replayed");
        }
        if !is_public && status != "401" {
            names.extend(["RateLimit", "RateLimit-Policy"]);
        }
        if matches!(&**status, "409" | "429" | "503") {
            names.push("Retry-After");
        }
        if status == "401" {
            names.push("WWW-Authenticate");
        }
        for name in names {
            let reference = format!("#/components/headers/{name}");
            response["headers"][name] = json!({"$ref": reference});
        }
    }
}

/// What the headers are.
pub(super) fn components() -> Value {
    let text = |description: &str, example: &str| {
        json!({
            "description": description,
            "schema": {"type": "string", "examples": [example]},
        })
    };
    json!({
        "X-Request-Id": {
            "description": "The id of this request: yours, or a new one.",
            "required": true,
            "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
        },
        "Operation-Id": {
            "description": "The operation behind this answer; see `GET /operations/{id}`. Absent \
                where none was recorded.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "Idempotent-Replayed": {
            "description": "`true`: this call was answered before under the same key, and this is \
                that answer again.",
            "schema": {"type": "string", "const": "true"},
        },
        "Retry-After": {
            "description": "Seconds after which another try makes sense.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "RateLimit": text("What is left of the quota, and when it is whole again.",
            "\"default\";r=199;t=1"),
        "RateLimit-Policy": text("The quota: so many requests in so many seconds.",
            "\"default\";q=200;w=2"),
        "WWW-Authenticate": text("What is wrong with the token (RFC 6750).",
            "Bearer realm=\"bappy\", error=\"invalid_token\", \
             error_description=\"the token has expired\""),
    })
}

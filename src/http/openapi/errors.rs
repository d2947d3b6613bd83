//! The errors in the document: what each code means, and which calls can answer it.
//!
//! An operation names the codes of its own; [`complete`] adds those that follow from what it is.
//!
//! **Invariant:** status and text of a code are those of [`ErrorKind`], which answers with it.

use crate::http::error_kind::ErrorKind;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Calls that a suspended organization may make as well.
const OPEN_TO_SUSPENDED: [&str; 2] = ["getOrganization", "getBalance"];

/// The schema of an error's code.
pub struct ErrorCode;

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let codes: Vec<Value> = ErrorKind::each().iter().map(|kind| kind.code().into()).collect();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What went wrong, for programs."))
            .enum_values(Some(codes))
            .into()
    }
}

impl ToSchema for ErrorCode {
    fn name() -> Cow<'static, str> {
        "ErrorCode".into()
    }
}

/// Whether a response is a list of codes, still to be written out.
fn codes(response: &Value) -> Option<Vec<String>> {
    let text = response["description"].as_str()?;
    let is_code = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let is_list = response.get("content").is_none() && text.split(' ').all(is_code);
    is_list.then(|| text.split(' ').map(str::to_owned).collect())
}

/// Writes out the errors of an operation, its own and those that follow from what it is.
pub(super) fn complete(operation: &mut Value) {
    let mut named = common(operation);
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    responses.retain(|_, response| match codes(response) {
        Some(own) => {
            named.extend(own);
            false
        }
        None => true,
    });
    let mut by_status: BTreeMap<u16, Vec<ErrorKind>> = BTreeMap::new();
    for kind in ErrorKind::each() {
        if named.iter().any(|code| code == kind.code()) {
            by_status.entry(kind.status().as_u16()).or_default().push(kind);
        }
    }
    for (status, kinds) in by_status {
        // A success of that status (`GET /status` that is down) stands for itself.
        responses.entry(status.to_string()).or_insert_with(|| response(&kinds));
    }
}

fn response(kinds: &[ErrorKind]) -> Value {
    let lines: Vec<String> =
        kinds.iter().map(|kind| format!("`{}`: {}", kind.code(), kind.message())).collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            let reference = format!("#/components/examples/{}", kind.code());
            (kind.code().to_owned(), json!({"$ref": reference}))
        })
        .collect();
    json!({
        "description": lines.join("\n\n"),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorResponse"},
                "examples": examples,
            },
        },
    })
}

/// The codes that follow from what an operation takes.
fn common(operation: &Value) -> Vec<String> {
    let mut codes = vec!["INTERNAL_ERROR"];
    if !super::is_public(operation) {
        codes.extend(["UNAUTHORIZED", "RATE_LIMITED", "SERVICE_UNAVAILABLE", "HEADERS_TOO_LARGE"]);
        if !OPEN_TO_SUSPENDED.iter().any(|id| operation["operationId"] == *id) {
            codes.push("ORG_SUSPENDED");
        }
    }
    if operation.get("requestBody").is_some() {
        codes.extend(["REQUEST_TIMEOUT", "LENGTH_REQUIRED", "PAYLOAD_TOO_LARGE"]);
        codes.extend(["UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR"]);
    }
    if super::is_keyed(operation) {
        codes.extend(["OPERATION_IN_PROGRESS", "IDEMPOTENCY_MISMATCH"]);
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    if parameters.into_iter().any(|parameter| parameter["in"] != "path") {
        codes.push("VALIDATION_ERROR");
    }
    codes.into_iter().map(str::to_owned).collect()
}

/// An answer with each code.
pub(super) fn examples() -> Value {
    let examples = ErrorKind::each().into_iter().map(|kind| {
        let value = json!({
            "success": false,
            "error": {
                "code": kind.code(),
                "message": kind.message(),
                "details": details(&kind),
            },
            "meta": {
                "timestamp": "2026-11-23T05:23:00.123Z",
                "request_id": "019ab1c2-7f30-7c11-b7d4-3f5a1c9e8d20",
            },
        });
        (kind.code().to_owned(), json!({"summary": kind.code(), "value": value}))
    });
    Value::Object(examples.collect())
}

fn details(kind: &ErrorKind) -> Value {
    match kind {
        ErrorKind::Validation => json!({"plan_id": ["plan_id is required."]}),
        ErrorKind::InsufficientBalance => {
            json!({"balance": "0.40", "required": "1.18", "currency": "USD"})
        }
        ErrorKind::InvalidState => json!({"status": "suspended"}),
        ErrorKind::InvalidStatusChange => json!({"from": "active", "to": "active"}),
        ErrorKind::Provisioning | ErrorKind::ProvisioningFailed | ErrorKind::Provider => {
            json!({"operation_id": "019ab1c2-7f31-7a02-9c55-0d1f6e2b4a77"})
        }
        _ => json!({}),
    }
}

/// All codes as a table, in Markdown.
pub(super) fn table() -> String {
    let mut table = "| Status | Code | Meaning |\n|---|---|---|\n".to_owned();
    let mut kinds = ErrorKind::each();
    kinds.sort_by_key(ErrorKind::status);
    for kind in kinds {
        let (status, code) = (kind.status().as_u16(), kind.code());
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {status} | `{code}` | {} |", kind.message());
    }
    table
}

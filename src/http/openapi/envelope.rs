//! Puts the envelope around what operations answer.
//!
//! **Invariant:** an operation documents its data alone, so that no answer can be documented
//! without the envelope that each has.

use crate::http::envelope::{ErrorBody, SuccessMeta};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

/// The parts of the envelopes.
#[derive(OpenApi)]
#[openapi(components(schemas(SuccessMeta, ErrorBody)))]
pub(super) struct Documented;

/// The JSON answers of an operation that are not errors, in their envelope. Its schema gets a
/// name, which is that of a type in generated clients.
pub(super) fn wrap(operation: &mut Value, schemas: &mut Map<String, Value>) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for response in responses.values_mut() {
        let Some(schema) = response.pointer_mut("/content/application~1json/schema") else {
            continue;
        };
        let data = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        if data == Some("ErrorResponse") {
            continue;
        }
        let name = data.map_or_else(
            || format!("{}{}Response", id[..1].to_uppercase(), &id[1..]),
            |data| format!("{data}Response"),
        );
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        let data = std::mem::replace(schema, reference);
        let envelope = json!({
            "type": "object",
            "description": "A success.",
            "required": ["success", "data", "meta"],
            "properties": {
                "success": {"type": "boolean", "const": true},
                "data": data,
                "meta": {"$ref": "#/components/schemas/ResponseMeta"},
            },
        });
        schemas.insert(name, envelope);
    }
}

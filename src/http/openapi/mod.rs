//! The `OpenAPI` 3.1 document of the API, made from the code that answers.
//!
//! `GET /openapi.json` serves it, `GET /docs` shows it, `bappy openapi` prints it.
//!
//! # How an endpoint is added
//!
//! 1. What it answers, and the body that it takes, derive `utoipa::ToSchema`; fields have doc
//!    comments, which partners read. `#[schema(as = Link)]` takes the `View` off a name. Ids,
//!    `Money`, `Currency`, `Volume` and `Timestamp` need nothing. A struct of query parameters
//!    derives `utoipa::IntoParams` with `#[into_params(parameter_in = Query)]`.
//! 2. The handler has `#[utoipa::path(…)]`: path, `operation_id` (a verb and a noun: the name of
//!    the function in generated clients), tag, and in `params(…)` the extractors it takes
//!    (`Identifier`, `PageRequest`, `OptionalKey`, its filters). The first line of its doc comment
//!    is the title, the rest the text.
//! 3. Its `responses(…)` name the body of the success **without the envelope**
//!    (`body = LinkView`, `body = Page<LinkView>`) and, for each error of its own, status and
//!    codes: `(status = 404, description = "NOT_FOUND PLAN_NOT_FOUND")`. What is true of every
//!    call is added here: the envelope, `UNAUTHORIZED`, `ORG_SUSPENDED`, `RATE_LIMITED`, the
//!    errors of a body, a query or an idempotency key, and all headers. A public one says
//!    `security(())`.
//! 4. The handler is named in its resource's `Documented`, beside the routes (a new resource: in
//!    `resources` below).
//! 5. `examples/<operation id>.json` holds a real answer, envelope and all, and requests by
//!    title, where it takes a body; its name goes into the list in `examples.rs`.
//! 6. `docs/openapi.json` is written anew by `BAPPY_UPDATE=1 cargo test -p bappy --test api
//!    openapi`.
//!
//! **Invariants,** held by `tests/api/openapi.rs`: the document has exactly the routes that the
//! router has; what the service answers fits it, field by field; an error's code is one that the
//! document names for that call and status.

mod envelope;
mod errors;
mod examples;
mod headers;
mod schemas;
mod serve;
mod settings;

pub use errors::ErrorCode;
pub use serve::{Served, configure};
pub use settings::Settings;

use super::{info, links, operations, organization, plans, service, sms, transactions};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Part;

/// The parts that the resources document.
fn resources() -> Vec<Part> {
    vec![
        links::Documented::openapi(),
        plans::Documented::openapi(),
        sms::Documented::openapi(),
        organization::Documented::openapi(),
        transactions::Documented::openapi(),
        operations::Documented::openapi(),
        info::Documented::openapi(),
        service::Documented::openapi(),
        envelope::Documented::openapi(),
    ]
}

/// Groups of operations, in the order in which they are read.
const TAGS: [(&str, &str); 8] = [
    (
        "Links",
        "A Link is one card, eSIM or physical, with the plans on it. Everywhere in a path it \
      is named by its id or by the ICCID of its card.",
    ),
    ("Plans", "What can be bought, at your price."),
    ("SMS", "Text messages to Links."),
    ("Organization", "Who your token speaks for, and what is in its wallet."),
    ("Transactions", "Every movement of your wallet, and figures made of them."),
    (
        "Operations",
        "Attempts to change something, and how each ended: for when an answer was lost.",
    ),
    ("Info", "For the people who install and use a card."),
    ("Service", "Whether the service is up. Needs no token."),
];

/// The document, for a server with these settings.
pub fn document(settings: &Settings) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for part in resources() {
        // Strings and numbers cannot fail to serialize.
        let mut part = serde_json::to_value(part).unwrap_or_default();
        schemas::rename(&mut part);
        paths.extend(take_object(&mut part, "/paths"));
        schemas.extend(take_object(&mut part, "/components/schemas"));
    }
    let mut schemas = schemas::tidied(schemas);
    for operation in operations_of(&mut paths) {
        schemas::tidy_operation(operation, &schemas);
        errors::complete(operation);
        envelope::wrap(operation, &mut schemas);
        examples::add(operation);
        headers::add(operation);
    }
    schemas::drop_inlined(&mut schemas);
    let used: BTreeSet<String> = operations_of(&mut paths)
        .filter_map(|operation| operation["tags"][0].as_str().map(str::to_owned))
        .collect();
    let tags: Vec<Value> = TAGS
        .into_iter()
        .filter(|(name, _)| used.contains(*name))
        .map(|(name, description)| json!({"name": name, "description": description}))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": settings.info(),
        "servers": [settings.server()],
        "security": [{"bearer": []}, {"oauth2": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "examples": errors::examples(),
            "headers": headers::components(),
            "securitySchemes": settings.security_schemes(),
        },
    })
}

fn take_object(value: &mut Value, pointer: &str) -> Map<String, Value> {
    match value.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// All operations of all paths.
fn operations_of(paths: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    paths.values_mut().filter_map(Value::as_object_mut).flat_map(|path| path.values_mut())
}

/// Whether an operation needs no token.
fn is_public(operation: &Value) -> bool {
    operation.get("security").is_some()
}

/// Whether an operation takes an idempotency key.
fn is_keyed(operation: &Value) -> bool {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.into_iter().any(|parameter| parameter["name"] == "Idempotency-Key")
}

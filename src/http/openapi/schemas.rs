//! Makes utoipa's schemas what readers and generators of clients read best.
//!
//! - A scalar (an id, an amount of money) is written where it is used; objects and enumerations
//!   keep names of their own.
//! - What may be null is `["string", "null"]`, or `oneOf` a named schema and null.
//! - A flattened struct is one object, not an `allOf` of two.
//! - What the service writes is always there, so all of it is `required`; only a request (which
//!   refuses unknown fields, and so is known) has optional properties.

use serde_json::{Map, Value, json};

const PREFIX: &str = "#/components/schemas/";
/// What utoipa names a page of something.
const PAGE_OF: &str = "Page_";
/// Enumerations of the core: their names there, those for partners, and what they say to them.
const ENUMERATIONS: [(&str, &str, &str); 12] = [
    (
        "ConnectivityState",
        "ConnectivityStatus",
        "`online` is in a data session, `attached` is on a network, `offline` is on none.",
    ),
    (
        "ActivationStatus",
        "ActivationStatus",
        "`active` and `depleted` (its data is used up) are in force; `expired` and `cancelled` \
         are over.",
    ),
    ("CoverageType", "CoverageType", "How wide a plan's coverage is."),
    ("EntryKind", "TransactionType", "What a transaction is for."),
    (
        "LinkStatus",
        "LinkStatus",
        "`suspended` can be reactivated; `inactive` was ended by the provider and is final.",
    ),
    ("OperationKind", "OperationKind", "What an operation does."),
    (
        "OperationState",
        "OperationState",
        "`pending` runs. `succeeded` is done and charged. `refunded` failed, and its charge was \
         given back. `rejected` failed, and nothing had been charged.",
    ),
    (
        "OrgStatus",
        "OrganizationStatus",
        "A `suspended` organization may read itself and its balance.",
    ),
    (
        "ProfileState",
        "EsimProfileState",
        "From `released` (ready to be downloaded) to `enabled` (in use on a device); `deleted` \
         was removed from the device.",
    ),
    (
        "SmsStatus",
        "SmsStatus",
        "`queued`, then `sent` to the network, and `delivered`; or `failed`, and refunded.",
    ),
    ("SimKind", "LinkType", "What kind of card it is."),
    (
        "Sponsor",
        "SponsorProfile",
        "A family of cards. A plan can be added to a Link of its own family.",
    ),
];

/// Renames what utoipa gave a name that is none for partners, wherever it is named.
pub(super) fn rename(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(PREFIX)
            {
                *reference = format!("{PREFIX}{}", renamed(name));
            }
            object.values_mut().for_each(rename);
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => {}
    }
}

fn renamed(name: &str) -> String {
    if let Some((_, told, _)) = ENUMERATIONS.iter().find(|(own, ..)| *own == name) {
        return (*told).to_owned();
    }
    match name.strip_prefix(PAGE_OF) {
        Some(of) => format!("{}Page", renamed(of)),
        None if name == "SuccessMeta" => "ResponseMeta".to_owned(),
        None => name.to_owned(),
    }
}

/// All schemas by their names, tidied. Those of scalars are still there, for [`tidy`].
pub(super) fn tidied(schemas: Map<String, Value>) -> Map<String, Value> {
    let named = schemas.into_iter().map(|(name, mut schema)| {
        if let Some(of) = name.strip_prefix(PAGE_OF) {
            let rows = format!("{PREFIX}{}", renamed(of));
            schema["properties"]["data"]["items"] = json!({"$ref": rows});
        }
        if let Some((_, _, told)) = ENUMERATIONS.iter().find(|(own, ..)| *own == name) {
            schema["description"] = json!(told);
        }
        (renamed(&name), schema)
    });
    let all: Map<String, Value> = named.collect();
    let mut tidied = all.clone();
    for (name, schema) in &mut tidied {
        tidy(schema, &all);
        bound_properties(name, schema);
    }
    tidied
}

/// Takes out the scalars, which stand where they are used.
pub(super) fn drop_inlined(schemas: &mut Map<String, Value>) {
    schemas.retain(|_, schema| !is_scalar(schema));
}

/// The schemas that an operation holds itself: of its parameters and its bodies.
pub(super) fn tidy_operation(operation: &mut Value, all: &Map<String, Value>) {
    unwrap_lines(operation);
    if operation["security"] == json!([{}]) {
        operation["security"] = json!([]);
    }
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        unwrap_lines(parameter);
        tidy(&mut parameter["schema"], all);
        // A parameter is there or not; it is never null.
        if let Some(only) = parameter.pointer("/schema/type/0").cloned() {
            parameter["schema"]["type"] = only;
        }
        if let Some(example) = take(parameter, "example") {
            parameter["schema"]["examples"] = json!([example]);
        }
    }
    let responses = operation["responses"].as_object_mut().into_iter();
    for response in responses.flat_map(|responses| responses.values_mut()) {
        let media = response.get_mut("content").and_then(Value::as_object_mut).into_iter();
        for (kind, media) in media.flatten() {
            if kind.starts_with("image/") {
                // Bytes, not a list of numbers.
                media["schema"] = json!({"type": "string", "format": "binary"});
            } else {
                tidy(&mut media["schema"], all);
            }
        }
    }
}

fn take(value: &mut Value, key: &str) -> Option<Value> {
    value.as_object_mut()?.shift_remove(key)
}

/// Doc comments break their lines; what is shown breaks them itself.
fn unwrap_lines(documented: &mut Value) {
    if let Some(text) = documented["description"].as_str() {
        let paragraphs: Vec<_> = text.split("\n\n").map(|text| text.replace('\n', " ")).collect();
        documented["description"] = paragraphs.join("\n\n").into();
    }
}

fn is_scalar(schema: &Value) -> bool {
    let plain = ["string", "number", "integer"];
    schema.get("enum").is_none() && schema["type"].as_str().is_some_and(|is| plain.contains(&is))
}

fn resolve<'a>(schema: &Value, all: &'a Map<String, Value>) -> Option<&'a Value> {
    all.get(schema["$ref"].as_str()?.strip_prefix(PREFIX)?)
}

fn tidy(schema: &mut Value, all: &Map<String, Value>) {
    if let Some(scalar) = resolve(schema, all).filter(|schema| is_scalar(schema)) {
        let mut inlined = scalar.clone();
        // What the core says of it is not for partners.
        take(&mut inlined, "description");
        for (key, value) in schema.as_object_mut().into_iter().flatten() {
            if key != "$ref" {
                inlined[key.as_str()] = value.take();
            }
        }
        *schema = inlined;
    }
    if let Some(example) = take(schema, "example") {
        schema["examples"] = json!([example]);
    }
    unwrap_lines(schema);
    for list in ["oneOf", "anyOf", "allOf"] {
        schema.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(|item| {
            tidy(item, all);
        });
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            tidy(inner, all);
        }
    }
    if schema.get("allOf").is_some() {
        flatten(schema, all);
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(|all| all.values_mut()) {
        tidy(property, all);
    }
    null_in_type(schema);
    require_all(schema);
}

/// `oneOf` null and a scalar: a type of two.
fn null_in_type(schema: &mut Value) {
    let Some(items) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let (null, others): (Vec<_>, Vec<_>) =
        items.iter().cloned().partition(|item| item["type"] == "null");
    if null.is_empty() {
        return;
    }
    match &others[..] {
        [scalar] if is_scalar(scalar) => {
            let mut scalar = scalar.clone();
            scalar["type"] = json!([scalar["type"], "null"]);
            take(schema, "oneOf");
            for (key, value) in schema.as_object().into_iter().flatten() {
                scalar[key.as_str()] = value.clone();
            }
            *schema = scalar;
        }
        _ => {
            // The description of a field stands on its reference; it is the field's.
            let mut items = others;
            let description = items.first_mut().and_then(|item| take(item, "description"));
            items.push(json!({"type": "null"}));
            schema["oneOf"] = items.into();
            if let Some(description) = description {
                schema["description"] = description;
            }
        }
    }
}

/// One object instead of several.
fn flatten(schema: &mut Value, all: &Map<String, Value>) {
    let items = take(schema, "allOf").unwrap_or_default();
    let mut properties = Map::new();
    for mut item in items.as_array().into_iter().flatten().cloned() {
        if let Some(named) = resolve(&item, all) {
            item = named.clone();
            tidy(&mut item, all);
        }
        if let Some(Value::Object(more)) = take(&mut item, "properties") {
            properties.extend(more);
        }
        if let Some(description) = take(&mut item, "description")
            && schema.get("description").is_none()
        {
            schema["description"] = description;
        }
    }
    schema["type"] = json!("object");
    schema["properties"] = Value::Object(properties);
}

fn require_all(schema: &mut Value) {
    let is_request = schema.get("additionalProperties") == Some(&Value::Bool(false));
    if let Some(properties) = schema.get("properties").and_then(Value::as_object)
        && !is_request
    {
        let names: Vec<_> = properties.keys().cloned().collect();
        schema["required"] = names.into();
    }
}

/// How many properties a request must have, which no attribute of utoipa's says.
fn bound_properties(name: &str, schema: &mut Value) {
    match name {
        "LinkChanges" => schema["minProperties"] = json!(1),
        "ChangePlans" => {
            schema["minProperties"] = json!(1);
            schema["maxProperties"] = json!(1);
        }
        "ErrorResponse" => schema["properties"]["success"]["const"] = json!(false),
        _ => {}
    }
}

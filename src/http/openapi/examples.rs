//! Real requests and answers, one file an operation.
//!
//! A file has `response`, the answer of a success as it came, and for a call with a body
//! `requests`: bodies by title. A test holds each against the schemas.

use serde_json::{Map, Value, json};

macro_rules! files {
    ($($id:literal),+ $(,)?) => {
        [$(($id, include_str!(concat!("examples/", $id, ".json")))),+]
    };
}

static FILES: &[(&str, &str)] = &files![
    "createLink",
    "getAnalytics",
    "getBalance",
    "getHealth",
    "getInstructions",
    "getLink",
    "getLinkHistory",
    "getNetworkStatus",
    "getOperation",
    "getOrganization",
    "getPlan",
    "getPlanCoverage",
    "getStatus",
    "getTransactionStats",
    "listLinks",
    "listOperations",
    "listOperators",
    "listPlans",
    "listRegions",
    "listSms",
    "listTopUpPlans",
    "listTransactions",
    "sendSms",
    "topUpLink",
    "updateLink",
];

/// Adds an operation's examples.
pub(super) fn add(operation: &mut Value) {
    let Some((_, text)) = FILES.iter().find(|(id, _)| operation["operationId"] == *id) else {
        return;
    };
    let mut example: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(body) = operation.pointer_mut("/requestBody/content/application~1json") {
        let requests = example["requests"].as_object_mut().map(std::mem::take);
        let requests = requests.unwrap_or_default().into_iter();
        let named: Map<String, Value> = requests
            .map(|(title, value)| {
                (title.replace(' ', "-"), json!({"summary": title, "value": value}))
            })
            .collect();
        body["examples"] = Value::Object(named);
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let success = responses.iter_mut().find(|(status, _)| status.starts_with('2'));
    if let Some(media) =
        success.and_then(|(_, response)| response.pointer_mut("/content/application~1json"))
    {
        media["example"] = example["response"].take();
    }
}

//! The wall between organizations, on every operation that the document has: whatever names
//! something of another organization, in a path, a query, a header or a body, is answered to the
//! letter as something that nobody has, and no row of either organization changes by it.

mod foreign;
mod rows;

use crate::app::{Answer, Document, TestApp};
use crate::on_both;
use foreign::{Foreign, Own, Thing};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const UNKNOWN: &str = "0195c5d4-1111-7000-8000-000000000000";

/// One operation of the document.
struct Operation<'a> {
    path: &'a str,
    method: Method,
    says: &'a Value,
}

/// A request in which one value may be another's.
#[derive(Clone, Debug)]
struct Attack {
    what: String,
    method: Method,
    path: String,
    key: Option<String>,
    body: Option<Value>,
}

fn operations() -> impl Iterator<Item = Operation<'static>> {
    Document::get().operations().map(|(path, method, says)| {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        Operation { path, method, says }
    })
}

impl Operation<'_> {
    fn parameters(&self, place: &str) -> impl Iterator<Item = &Value> {
        let all = self.says["parameters"].as_array().unwrap().iter();
        all.filter(move |parameter| parameter["in"] == place)
    }

    /// The path with each of its parameters replaced.
    fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        self.parameters("path").fold(self.path.to_owned(), |path, parameter| {
            let name = parameter["name"].as_str().unwrap();
            path.replace(&format!("{{{name}}}"), &value(name))
        })
    }

    fn body_schema(&self) -> Option<&Value> {
        let schema = self.says.pointer("/requestBody/content/application~1json/schema")?;
        match schema["$ref"].as_str() {
            Some(reference) => Document::get().whole.pointer(&reference[1..]),
            None => Some(schema),
        }
    }

    /// Bodies that would be taken, with ids of one's own: each example of the document.
    fn bodies(&self, own: &Own) -> Vec<Option<Value>> {
        let Some(body) = self.says.pointer("/requestBody/content/application~1json") else {
            return vec![None];
        };
        let examples = body["examples"].as_object().unwrap().values();
        examples.map(|example| Some(own.put_into(example["value"].clone()))).collect()
    }

    fn attack(&self, what: &str, path: String, key: Option<String>, body: Option<Value>) -> Attack {
        let what = format!("{} {}, {what}", self.method, self.path);
        Attack { what, method: self.method.clone(), path, key, body }
    }

    /// The value in each place that holds one: parameters of the path and the query, and the
    /// fields of the body that name something.
    fn attacks(&self, own: &Own, value: &str) -> Vec<Attack> {
        let mut all = Vec::new();
        let own_path = self.path_with(|name| own.value(name));
        for parameter in self.parameters("path") {
            let attacked = parameter["name"].as_str().unwrap();
            let path = self.path_with(|name| match name {
                name if name == attacked => value.to_owned(),
                name => own.value(name),
            });
            for body in self.bodies(own) {
                all.push(self.attack(attacked, path.clone(), None, body));
            }
            // The same by the ways that a switch opens, such as past a cache.
            let switches = self.parameters("query").filter(|is| is["schema"]["type"] == "boolean");
            for name in switches.map(|is| is["name"].as_str().unwrap()) {
                all.push(self.attack(attacked, format!("{path}?{name}=true"), None, None));
            }
        }
        for parameter in self.parameters("query") {
            let name = parameter["name"].as_str().unwrap();
            // Its own fact is below.
            if name != "cursor" {
                all.push(self.attack(name, format!("{own_path}?{name}={value}"), None, None));
            }
        }
        let schema = self.body_schema();
        let fields = schema.map(|schema| schema["properties"].as_object().unwrap());
        for (name, field) in fields.into_iter().flatten().filter(|(name, is)| is_id(name, is)) {
            let value = if field["type"] == "array" { json!([value]) } else { json!(value) };
            let one_only = schema.is_some_and(|schema| schema["maxProperties"] == 1);
            for body in self.bodies(own) {
                let mut body = body.filter(|_| !one_only).unwrap_or_else(|| json!({}));
                body[name] = value.clone();
                all.push(self.attack(name, own_path.clone(), None, Some(body)));
            }
        }
        all
    }
}

/// Whether a body's field names something that somebody owns.
fn is_id(name: &str, schema: &Value) -> bool {
    schema["format"] == "uuid"
        || schema["items"]["format"] == "uuid"
        || name == "iccid"
        || name.ends_with("_id")
}

async fn send(app: &TestApp, attack: &Attack) -> Answer {
    let (method, body) = (attack.method.clone(), attack.body.clone());
    app.acme.send(method, &attack.path, body, attack.key.as_deref()).await
}

/// An answer without what differs from one time to the next, and without the value it is about.
fn comparable(answer: &Answer, value: &str) -> (u16, String, Vec<(String, String)>) {
    let mut body = answer.body.clone();
    for member in ["timestamp", "request_id", "response_time_ms"] {
        body["meta"].as_object_mut().unwrap().remove(member);
    }
    // Whether the connection is kept, where the answer does not need the body, is a matter of whether
    // the body had arrived by then: `http_edge` holds that.
    let changing = ["date", "x-request-id", "ratelimit", "content-length", "connection"];
    let headers = answer.headers.iter().filter(|(name, _)| !changing.contains(&name.as_str()));
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    (answer.status, body.to_string().replace(value, "IT"), headers)
}

/// Fails unless both requests are answered alike, with nothing of the other organization's.
async fn are_answered_alike(
    app: &TestApp,
    foreign: &Foreign,
    theirs: (&Attack, &str),
    nobodys: (&Attack, &str),
) -> Answer {
    let answer = send(app, theirs.0).await;
    let expected = send(app, nobodys.0).await;
    let what = &theirs.0.what;
    assert_eq!(
        comparable(&answer, theirs.1),
        comparable(&expected, nobodys.1),
        "{what} with {}",
        theirs.1
    );
    let text = answer.body.to_string();
    for secret in foreign.secrets() {
        assert!(secret == theirs.1 || !text.contains(secret), "{what}: {secret} in {text}");
    }
    answer
}

async fn what_is_anothers_is_answered_as_what_nobody_has(app: &mut TestApp) {
    let (foreign, own) = foreign::settle(app).await;
    foreign::is_quiet(app).await;
    let before = (rows::of(app, "globex").await, rows::of(app, "acme").await);
    let (mut tried, mut covered) = (0, BTreeSet::new());
    for Thing { kind, theirs, nobodys } in &foreign.things {
        for operation in operations() {
            let pairs =
                operation.attacks(&own, theirs).into_iter().zip(operation.attacks(&own, nobodys));
            for (theirs_, nobodys_) in pairs {
                let in_path = theirs_.path.contains(&format!("/{theirs}"));
                let answer =
                    are_answered_alike(app, &foreign, (&theirs_, theirs), (&nobodys_, nobodys))
                        .await;
                let what = format!("{} with {kind} {theirs}", theirs_.what);
                if in_path {
                    assert_eq!(answer.status, 404, "{what}: {:#}", answer.body);
                } else if theirs_.body.is_some() {
                    assert!([404, 422].contains(&answer.status), "{what}: {:#}", answer.body);
                } else {
                    assert!([200, 404, 422].contains(&answer.status), "{what}: {:#}", answer.body);
                }
                assert!(answer.header("operation-id").is_none(), "{what}");
                tried += 1;
            }
            covered.insert(operation.says["operationId"].as_str().unwrap());
        }
    }
    assert_eq!(covered.len(), operations().count());
    let after = (rows::of(app, "globex").await, rows::of(app, "acme").await);
    rows::are_the_same(&before.0, &after.0);
    rows::are_the_same(&before.1, &after.1);
    let rows: usize = after.0.values().map(Vec::len).sum();
    println!(
        "{tried} requests for another's over {} operations, {} kinds of ids; {rows} rows of its unchanged",
        covered.len(),
        foreign.things.len()
    );
    assert!(tried > 500 && rows > 20, "{tried} {rows}");
}

/// A key that another organization used means nothing, and neither does one that it uses later.
async fn an_idempotency_key_of_anothers_is_a_fresh_one(app: &mut TestApp) {
    let (foreign, own) = foreign::settle(app).await;
    foreign::is_quiet(app).await;
    let before = rows::of(app, "globex").await;
    let unknown = Own::unknown();
    for operation in operations() {
        let mut headers = operation.parameters("header");
        if !headers.any(|parameter| parameter["name"] == "Idempotency-Key") {
            continue;
        }
        for key in &foreign.keys {
            for body in operation.bodies(&unknown) {
                let keyed = |key: &str| {
                    let path = operation.path_with(|name| unknown.value(name));
                    operation.attack("key", path, Some(key.to_owned()), body.clone())
                };
                let fresh = "x".repeat(key.len());
                let (theirs, nobodys) = (keyed(key), keyed(&fresh));
                let answer =
                    are_answered_alike(app, &foreign, (&theirs, key), (&nobodys, &fresh)).await;
                assert_eq!(answer.status, 404, "{}: {:#}", theirs.what, answer.body);
            }
        }
    }
    // And the same request under the same key is a purchase of one's own.
    let bought = json!({"plan_id": own.value("plan_id"), "name": foreign.name});
    let made = app.acme.keyed_post("/links", bought.clone(), &foreign.keys[0]).await;
    assert!(made.header("idempotent-replayed").is_none());
    let made = made.expect(201);
    let again = app.acme.keyed_post("/links", bought, &foreign.keys[0]).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.expect(201)["id"], made["id"]);
    assert!(!foreign.secrets().any(|secret| made["id"] == secret || made["iccid"] == secret));
    rows::are_the_same(&before, &rows::of(app, "globex").await);
}

/// What was just read for one organization is near at hand when another asks for the same.
async fn what_is_remembered_for_one_is_not_given_to_another(app: &mut TestApp) {
    let (foreign, own) = foreign::settle(app).await;
    let only_theirs = foreign.things.iter().find(|thing| thing.kind == "plan").unwrap();
    let (plan, theirs) = (own.value("plan_id"), foreign.own.value("identifier"));
    for _ in 0..2 {
        // Prices differ with the wallets' currencies: 0.9 euros are a dollar.
        for (caller, charged, currency) in
            [(&app.acme, "1.18", "USD"), (&app.globex, "1.06", "EUR"), (&app.acme, "1.18", "USD")]
        {
            let made = caller.post("/links", json!({"plan_id": plan})).await.expect(201);
            assert_eq!(
                (&made["amount_charged"], &made["currency"]),
                (&json!(charged), &json!(currency))
            );
        }
        let bought = json!({"plan_id": only_theirs.theirs});
        app.globex.post("/links", bought.clone()).await.expect(201);
        app.acme.post("/links", bought).await.fails(404, "PLAN_NOT_FOUND");
        app.globex.get(&format!("/plans/{}", only_theirs.theirs)).await.ok();
        app.acme.get(&format!("/plans/{}", only_theirs.theirs)).await.fails(404, "PLAN_NOT_FOUND");
        for path in ["", "/network-status", "/network-status?live=true", "/qr-code"] {
            let path = format!("/links/{theirs}{path}");
            if !path.ends_with("qr-code") {
                app.globex.get(&path).await.ok();
            }
            app.acme.get(&path).await.fails(404, "NOT_FOUND");
        }
        let topup = json!({"add": [own.value("add")]});
        let path = format!("/links/{theirs}/plans");
        app.globex.put(&path, json!({"add": [foreign.own.value("add")]})).await.ok();
        app.acme.put(&path, topup).await.fails(404, "NOT_FOUND");
    }
}

/// A cursor is a place in a list. One of another's list is a place in one's own.
async fn a_cursor_of_anothers_walks_ones_own_list(app: &mut TestApp) {
    let (foreign, own) = foreign::settle(app).await;
    let mut tried = 0;
    for operation in operations() {
        if !operation.parameters("query").any(|parameter| parameter["name"] == "cursor") {
            continue;
        }
        let own_path = operation.path_with(|name| own.value(name));
        let their_path = operation.path_with(|name| foreign.own.value(name));
        // What a list asks for, as the one of mobile networks does.
        let required = operation.parameters("query").filter(|is| is["required"] == true);
        let asked: Vec<_> =
            required.map(|is| format!("&{}=fr", is["name"].as_str().unwrap())).collect();
        let asked = asked.concat();
        let ours: Vec<Value> =
            app.acme.walk(&format!("{own_path}?{}", &asked.replacen('&', "", 1)), 100).await;
        let theirs = app.globex.get(&format!("{their_path}?per_page=1{asked}")).await.ok();
        let Some(cursor) = theirs["meta"]["next_cursor"].as_str() else { continue };
        let answer = app.acme.get(&format!("{own_path}?cursor={cursor}{asked}")).await;
        let page = answer.clone().ok();
        for row in page["data"].as_array().unwrap() {
            assert!(ours.contains(row), "{} {row:#}", operation.path);
        }
        let text = answer.body.to_string();
        assert!(!foreign.secrets().any(|secret| text.contains(secret)), "{text}");
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");
}

/// Every operation that the document does not declare public.
async fn without_a_token_every_operation_is_a_401_and_when_suspended_a_403(app: &mut TestApp) {
    let unknown = Own::unknown();
    for operation in operations() {
        let path = operation.path_with(|name| unknown.value(name));
        for body in operation.bodies(&unknown) {
            let (id, method) = (&operation.says["operationId"], &operation.method);
            let nobody = app.nobody.send(method.clone(), &path, body.clone(), None).await;
            let suspended = app.initech.send(method.clone(), &path, body, None).await;
            if operation.says["security"] == json!([]) {
                assert_eq!((nobody.status, suspended.status), (200, 200), "{id}");
                continue;
            }
            nobody.fails(401, "UNAUTHORIZED");
            assert_eq!(nobody.header("www-authenticate"), Some("Bearer realm=\"bappy\""), "{id}");
            if ["getOrganization", "getBalance"].contains(&id.as_str().unwrap()) {
                assert_eq!(suspended.status, 200, "{id}");
            } else {
                suspended.fails(403, "ORG_SUSPENDED");
            }
        }
    }
}

on_both! {
    AMPLE:
    what_is_anothers_is_answered_as_what_nobody_has,
    an_idempotency_key_of_anothers_is_a_fresh_one,
    what_is_remembered_for_one_is_not_given_to_another,
    a_cursor_of_anothers_walks_ones_own_list,
    without_a_token_every_operation_is_a_401_and_when_suspended_a_403,
}

//! Another organization with something of every kind, and what is one's own.

use super::UNKNOWN;
use crate::app::{Caller, TestApp, eventually, id};
use bappy::store::{organizations, stock};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Something of another organization's, and something of the same shape that nobody has.
pub struct Thing {
    pub kind: &'static str,
    pub theirs: String,
    pub nobodys: String,
}

/// The other organization, as far as it can be named.
pub struct Foreign {
    pub things: Vec<Thing>,
    /// Idempotency keys that it used, the first for the purchase of a Link with this name.
    pub keys: Vec<String>,
    pub name: String,
    /// What it puts into its own requests.
    pub own: Own,
}

impl Foreign {
    /// What nobody else may read.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let things = self.things.iter().filter(|thing| thing.kind != "plan");
        things.map(|thing| thing.theirs.as_str())
    }
}

/// Ids for an organization's own requests, by the names of parameters and fields.
pub struct Own(BTreeMap<&'static str, String>);

impl Own {
    /// Ids of nothing.
    pub fn unknown() -> Self {
        Self(BTreeMap::new())
    }

    /// Its value for a parameter or field; for one that is new here, an id of nothing.
    pub fn value(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| UNKNOWN.to_owned())
    }

    /// A body of the document with its ids in place of the example's.
    pub fn put_into(&self, mut body: Value) -> Value {
        for (name, value) in body.as_object_mut().unwrap() {
            match value {
                Value::Array(_) => *value = json!([self.value(name)]),
                Value::String(_) if name == "iccid" || name.ends_with("_id") => {
                    *value = json!(self.value(name));
                }
                _ => {}
            }
        }
        body
    }
}

/// The keys, the Link's name and the message of each organization.
struct Words {
    keys: [&'static str; 3],
    name: &'static str,
    message: &'static str,
}

const THEIRS: Words = Words {
    keys: ["order-1", "top-up:1", "message-1"],
    name: "Blue router",
    message: "a word for globex alone",
};
const OWN: Words =
    Words { keys: ["own-1", "own-2", "own-3"], name: "Red camera", message: "a word for acme" };

/// Has both organizations buy, and gives what came of it.
pub async fn settle(app: &mut TestApp) -> (Foreign, Own) {
    let only_theirs = app.globex.plan("Germany 1 GB, 7 days").await;
    let sql = format!(
        "UPDATE organization_plans SET enabled = FALSE \
         WHERE org_id = (SELECT id FROM organizations WHERE slug = 'acme') \
         AND plan_id IN (SELECT id FROM plans WHERE name = '{}')",
        only_theirs["name"].as_str().unwrap()
    );
    app.sql(sql).await;
    app.restart(|_| {}).await;
    let theirs = bought(&app.globex, &THEIRS).await;
    let own = bought(&app.acme, &OWN).await.own();
    let foreign = Foreign {
        things: theirs.things(id(&only_theirs), &stock(app, "globex").await),
        keys: THEIRS.keys.map(str::to_owned).to_vec(),
        name: THEIRS.name.to_owned(),
        own: theirs.own(),
    };
    (foreign, own)
}

/// Waits until the messages are delivered: from then on nothing changes by itself.
pub async fn is_quiet(app: &TestApp) {
    for caller in [&app.globex, &app.acme] {
        eventually("the message is delivered", async || {
            caller.get("/sms").await.ok()["data"][0]["status"] == "delivered"
        })
        .await;
    }
}

/// What an organization has after it bought something of every kind.
struct Bought {
    plan: Value,
    topup: Value,
    link: Value,
    operation: String,
    transaction: String,
    sms: String,
    organization: String,
}

/// A physical card that the organization may use.
async fn stock(app: &TestApp, slug: &str) -> String {
    let mut tx = app.database.read().await.unwrap();
    let organization = organizations::by_slug(&mut tx, slug).await.unwrap().unwrap();
    stock::list(&mut tx, organization.id).await.unwrap()[0].iccid.clone()
}

async fn bought(caller: &Caller, words: &Words) -> Bought {
    let plan = caller.plan("France 1 GB, 7 days").await;
    let body = json!({"plan_id": plan["id"], "name": words.name});
    let link = caller.keyed_post("/links", body, words.keys[0]).await.expect(201);
    let topup = caller.topups(&link).await[0].clone();
    let path = format!("/links/{}/plans", id(&link));
    caller.keyed_put(&path, json!({"add": [topup["id"]]}), words.keys[1]).await.ok();
    let message = json!({"link_id": link["id"], "message": words.message});
    let sms = caller.keyed_post("/sms", message, words.keys[2]).await.expect(202);
    // What is remembered of the card is remembered when the other organization asks.
    caller.get(&format!("/links/{}/network-status", id(&link))).await.ok();
    let first = async |path: &str| caller.get(path).await.ok()["data"][0]["id"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Bought {
        operation: text(&first("/operations").await),
        transaction: text(&first("/transactions").await),
        sms: text(&sms["id"]),
        organization: text(&caller.get("/organization").await.ok()["id"]),
        link: caller.show(&link).await,
        plan,
        topup,
    }
}

impl Bought {
    fn own(&self) -> Own {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Own(BTreeMap::from([
            ("identifier", text(&self.link["id"])),
            ("link_id", text(&self.link["id"])),
            ("plan_id", text(&self.plan["id"])),
            ("add", text(&self.topup["id"])),
            ("remove", text(&self.link["activations"][0]["id"])),
            ("id", self.operation.clone()),
        ]))
    }

    fn things(&self, plan: &str, stock: &str) -> Vec<Thing> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let uuid = |kind, theirs: String| Thing { kind, theirs, nobodys: UNKNOWN.to_owned() };
        let digits = |kind, theirs: String| {
            let nobodys = "890000000000000000099"[..theirs.len()].to_owned();
            Thing { kind, theirs, nobodys }
        };
        let link = text(&self.link["id"]);
        vec![
            uuid("link", link.clone()),
            Thing {
                kind: "link in capitals",
                theirs: link.to_uppercase(),
                nobodys: UNKNOWN.to_uppercase(),
            },
            uuid("activation", text(&self.link["activations"][0]["id"])),
            uuid("plan", plan.to_owned()),
            uuid("operation", self.operation.clone()),
            uuid("transaction", self.transaction.clone()),
            uuid("sms", self.sms.clone()),
            uuid("organization", self.organization.clone()),
            digits("iccid", text(&self.link["iccid"])),
            digits("card in stock", stock.to_owned()),
            digits("number", text(&self.link["msisdn"]).trim_start_matches('+').to_owned()),
            Thing { kind: "name", theirs: "router".to_owned(), nobodys: "rautor".to_owned() },
            Thing { kind: "key", theirs: THEIRS.keys[0].to_owned(), nobodys: "order-9".to_owned() },
        ]
    }
}

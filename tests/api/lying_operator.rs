//! An operator that answers with anything but what it did. Whatever it tells, on whichever call:
//! no partner gets a 500 or a word of it, nobody sees another's card, and once it tells the truth
//! again the books agree with what it holds.

use crate::app::{Answer, CALLS, DatabaseKind, Liar, Lie, TestApp, Timings, Told, id};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The operator's own name, which partners never see.
const NAME: &str = "Celltastic";

/// A lie is told for less than the horizon, so that what it hid is found afterwards.
const TIMINGS: Timings = Timings {
    call_timeout: Duration::from_secs(1),
    deadline: Duration::from_millis(1_500),
    horizon: Duration::from_secs(3),
};

fn told(status: u16, body: impl Into<Vec<u8>>) -> Told {
    Told { status, headers: format!("Server: {NAME}\r\n"), body: body.into() }
}

/// The truth with each value changed.
fn changed(truth: &Value, change: &impl Fn(&str, &Value) -> Value) -> Value {
    fn walk(name: &str, value: &Value, change: &impl Fn(&str, &Value) -> Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| walk(name, item, change)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    let changed = walk(name, value, change);
                    (name.clone(), changed)
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
            value => change(name, value),
        }
    }
    walk("", truth, change)
}

fn values(change: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Lie {
    Lie::of(move |truth| told(200, changed(truth, &change).to_string()))
}

fn instead(status: u16, body: impl Into<Vec<u8>>) -> Lie {
    let body = body.into();
    Lie::of(move |_| told(status, body.clone()))
}

/// The truth with a field more, or another.
fn with(field: &'static str, value: Value) -> Lie {
    Lie::of(move |truth| {
        let mut body = if truth.is_object() { truth.clone() } else { json!({}) };
        body[field] = value.clone();
        told(200, body.to_string())
    })
}

/// What is another tenant's, for lies that mix it in.
struct Foreign {
    iccid: String,
    endpoint: Value,
}

type Named = (&'static str, Lie);

fn lies(foreign: &Foreign) -> Vec<Named> {
    let kinds = [errors(), other_shapes(), changed_values(), of_others(foreign)];
    kinds.into_iter().flatten().collect()
}

/// It says that something went wrong, in its own words.
fn errors() -> Vec<Named> {
    let error = json!({"code": "E_1", "message": format!("{NAME} says no")});
    let page = format!("<html><title>{NAME}</title><h1>502 Bad Gateway</h1></html>");
    let elsewhere = "Location: http://127.0.0.1:1/elsewhere\r\n".to_owned();
    vec![
        ("an error in the truth", with("error", error.clone())),
        ("a wrapped error", instead(200, json!({"error": error}).to_string())),
        ("an error", instead(500, error.to_string())),
        ("an error without a body", instead(503, "")),
        ("a page", instead(502, page.clone())),
        ("a page as a success", instead(200, page)),
        ("a definite no", instead(422, error.to_string()).undone()),
        ("a no without words", instead(409, "").undone()),
        (
            "somewhere else",
            Lie::of(move |_| Told { status: 307, headers: elsewhere.clone(), body: Vec::new() }),
        ),
    ]
}

/// It answers with something that is not what the call answers.
fn other_shapes() -> Vec<Named> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let half = |truth: &Value| {
        let text = truth.to_string();
        told(200, text[..text.len() / 2].to_owned())
    };
    vec![
        ("10 MB of one letter", instead(200, vec![b'x'; 10_000_000])),
        ("the truth and 10 MB more", with("pad", json!("x".repeat(10_000_000)))),
        ("nothing", instead(200, "")),
        ("null", instead(200, "null")),
        ("a list", instead(200, "[]")),
        ("an empty object", instead(200, "{}")),
        ("no items", instead(200, r#"{"items": null}"#)),
        ("half of it", Lie::of(half)),
        ("deep", instead(200, deep)),
        ("not UTF-8", instead(200, b"{\"iccid\": \"\xff\xfe\"}".to_vec())),
    ]
}

/// It answers as it should, with values that cannot be.
fn changed_values() -> Vec<Named> {
    let numbers = |told: fn(&Value) -> Value| {
        values(move |_, value| if value.is_number() { told(value) } else { value.clone() })
    };
    let texts = |told: fn() -> Value| {
        // Another token would end the session, and nothing else be called.
        let is_told = |name: &str, value: &Value| value.is_string() && name != "access_token";
        values(move |name, value| if is_told(name, value) { told() } else { value.clone() })
    };
    let shown = |name: &str| {
        let fields = ["msisdn", "imei", "ip_address", "technology", "name", "country", "message"];
        fields.contains(&name) || ["description", "smdp_address", "matching_id"].contains(&name)
    };
    vec![
        ("negative figures", numbers(|_| json!(-5))),
        ("figures past every limit", numbers(|_| json!(1e300))),
        ("figures as text", numbers(|number| json!(number.to_string()))),
        ("numbers for texts", texts(|| json!(7))),
        ("its name for every text", texts(|| json!(NAME))),
        (
            "its name where texts are shown",
            values(move |name, value| if shown(name) { json!(NAME) } else { value.clone() }),
        ),
    ]
}

/// It mixes up its customers.
fn of_others(foreign: &Foreign) -> Vec<Named> {
    let field = |field: &'static str, told: Value| {
        values(move |name, value| if name == field { told.clone() } else { value.clone() })
    };
    let theirs = foreign.endpoint.clone();
    vec![
        ("another's card", field("iccid", json!(foreign.iccid))),
        (
            "another's endpoint id",
            field("endpoint_id", theirs["endpoint_id"].clone())
                // With our card and our reference it could not be told from the truth.
                .about(&["get_endpoint", "set_status", "connectivity"]),
        ),
        ("another's endpoint", Lie::of(move |_| told(200, theirs.to_string()))),
    ]
}

/// The Links that are tried on: one for each thing that is done to one.
struct Links {
    read: Value,
    charged: Value,
    switched: Value,
    emptied: Value,
}

/// Everything a partner can have the operator do, all at once.
async fn everything(app: &TestApp, links: &Links, plan: &Value, topup: &Value) -> Vec<Answer> {
    let acme = &app.acme;
    let path = |link: &Value, rest: &str| format!("/links/{}{rest}", id(link));
    let other_status = match acme.show(&links.switched).await["status"].as_str().unwrap() {
        "active" => "suspended",
        _ => "active",
    };
    let removable = acme.show(&links.emptied).await["activations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|activation| activation["status"] == "active")
        .map(|activation| activation["id"].clone());
    let read = path(&links.read, "");
    let (live, message) = (path(&links.read, "/network-status?live=true"), json!("hello"));
    let switched = path(&links.switched, "");
    let emptied = path(&links.emptied, "/plans");
    let topups = [topup];
    let (made, added, switched, removed, sent, shown, looked, status) = tokio::join!(
        acme.post("/links", json!({"plan_id": plan["id"], "name": "x"})),
        acme.add(&links.charged, &topups),
        acme.put(&switched, json!({"status": other_status})),
        async {
            match removable {
                Some(id) => Some(acme.put(&emptied, json!({"remove": [id]})).await),
                None => None,
            }
        },
        acme.post("/sms", json!({"link_id": links.read["id"], "message": message})),
        acme.get(&read),
        acme.get(&live),
        app.nobody.get("/status"),
    );
    let mut answers = vec![made, added, switched, sent, shown, looked, status];
    answers.extend(removed);
    answers
}

/// Tells every lie about each group of calls that is chosen for it by its place.
async fn lied_to(kind: DatabaseKind, choose: impl Fn(usize) -> Vec<Vec<&'static str>>) {
    let Some(mut app) = TestApp::start(kind, TIMINGS).await else { return };
    let plan = app.plan("France 1 GB, 7 days").await;
    let theirs = app.globex.link(&app.globex.plan("France 1 GB, 7 days").await).await;
    let their_iccid = theirs["iccid"].as_str().unwrap().to_owned();
    let their_number = theirs["msisdn"].as_str().unwrap().to_owned();
    let endpoint = app.operator.endpoint(&their_iccid).await;
    let foreign = Foreign { iccid: their_iccid.clone(), endpoint };
    let links = Links {
        read: app.acme.link(&plan).await,
        charged: app.acme.link(&plan).await,
        switched: app.acme.link(&plan).await,
        emptied: app.acme.link(&plan).await,
    };
    let topup = app.acme.topups(&links.read).await[0].clone();
    let liar = Liar::before(app.operator.url()).await;
    let url = liar.url();
    app.restart(|config| config.operator.url = Some(url.parse().unwrap())).await;
    // Free cards are at hand, and a session.
    app.acme.show(&links.read).await;

    let lies = lies(&foreign);
    let (count, mut answered, started) = (lies.len(), 0, std::time::Instant::now());
    for (place, (what, lie)) in lies.into_iter().enumerate() {
        for calls in choose(place) {
            liar.tell(Some(lie.about(&calls)));
            let answers = everything(&app, &links, &plan, &topup).await;
            liar.tell(None);
            for answer in &answers {
                let text = answer.body.to_string();
                let about = format!("{what} about {calls:?}: {:#}", answer.body);
                assert_ne!(answer.status, 500, "{about}");
                assert!(!text.to_lowercase().contains(&NAME.to_lowercase()), "{about}");
                assert!(!text.contains(&their_iccid) && !text.contains(&their_number), "{about}");
            }
            answered += answers.len();
        }
    }
    println!(
        "{kind:?}: {count} kinds of lies, {} told, {answered} answers to partners, {:.1?}",
        liar.told(),
        started.elapsed()
    );
    assert_eq!(app.globex.show(&theirs).await["iccid"], their_iccid);
    app.finish().await;
}

/// All calls but one: without it there is no session, and nothing else is called.
fn all_but_login() -> Vec<&'static str> {
    CALLS.into_iter().filter(|call| *call != "login").collect()
}

fn is_full() -> bool {
    std::env::var_os("BAPPY_FULL").is_some_and(|full| full == "1")
}

/// Every other lie; `BAPPY_FULL=1`: each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_about_every_call_at_once_costs_nobody_anything() {
    let told = |place: usize| is_full() || place.is_multiple_of(2);
    let groups = |place| told(place).then(all_but_login).into_iter().collect();
    lied_to(DatabaseKind::Sqlite, groups).await;
}

/// Each lie about one call, another one each time; `BAPPY_FULL=1`: each about each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_about_one_call_costs_nobody_anything() {
    let full = is_full();
    let calls = all_but_login();
    lied_to(DatabaseKind::Postgres, |place| {
        let each = calls.iter().map(|call| vec![*call]);
        if full { each.collect() } else { each.skip(place % calls.len()).take(1).collect() }
    })
    .await;
}

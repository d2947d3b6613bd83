//! What a test stands on: a database with one organization, the operator, an identity provider,
//! and services on demand.

use crate::postgres_server;
use crate::process::{Process, free_port};
use bappy::app::{self, Parts};
use bappy::config::{Config, Profile};
use bappy::operator::catalogue;
use bappy::store::DbError;
use bappy::store::catalogue::{self as offers, Selection, Terms};
use bappy::store::organizations::{self, NewOrganization};
use bappy_actors::model::{Currency, EntryId, EntryKind, Money, OrgId, Timestamp};
use bappy_actors::wallet::{Command, Credit};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// So long after its deadline a call may still appear at the operator of these tests.
pub const HORIZON: Duration = Duration::from_secs(6);
/// No answer waits for the operator longer.
pub const DEADLINE: Duration = Duration::from_secs(3);
/// The deadline, the margin of a commit behind it, and what a busy machine adds.
pub const ANSWERED_IN: Duration = DEADLINE.saturating_add(Duration::from_secs(4));
/// What is usual here: a call may take a second, which is what a hang costs.
const USUAL: Times = Times { call: Duration::from_secs(1), deadline: DEADLINE, horizon: HORIZON };
/// The file whose time says when a service was last started.
const STARTED: &str = "started";
/// An answer that takes longer than any deadline is a lost one.
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub struct World {
    pub parts: Parts,
    pub org: OrgId,
    pub plan: String,
    pub price: Money,
    pub client: reqwest::Client,
    pub token: String,
    pub operator_url: String,
    pub(crate) operator: Option<Process>,
    pub(crate) operator_at: SocketAddr,
    pub(crate) identity: Arc<Identity>,
    pub database_url: String,
    pub times: Times,
    pub(crate) folder: TempDir,
}

/// How long a service lets things take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// One call to the operator.
    pub call: Duration,
    /// No answer waits for the operator longer.
    pub deadline: Duration,
    /// So long after its deadline a call may still appear at the operator. Whole seconds.
    pub horizon: Duration,
}

/// An identity provider, with the one client `acme`.
pub struct Identity {
    _process: Process,
    issuer: String,
}

/// A service in a process of its own.
pub struct Service {
    process: Option<Process>,
    pub at: SocketAddr,
    environment: Vec<(&'static str, String)>,
    log: PathBuf,
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/bappy.db", folder.path().display());
        Self::furnish(folder, url).await
    }

    pub async fn postgres() -> Option<Self> {
        let url = postgres_server::fresh_database().await?;
        Some(Self::furnish(tempfile::tempdir().unwrap(), url).await)
    }

    /// One of its own, on a database of the same engine.
    pub async fn another(&self) -> Self {
        if self.database_url.starts_with("sqlite") {
            return Self::sqlite().await;
        }
        Self::postgres().await.unwrap()
    }

    /// On the database of an address, which is not migrated yet.
    pub async fn on(database_url: String) -> Self {
        Self::furnish(tempfile::tempdir().unwrap(), database_url).await
    }

    async fn furnish(folder: TempDir, database_url: String) -> Self {
        let client = reqwest::Client::builder().timeout(ANSWER_MAX).build().unwrap();
        let operator_at = free_port();
        let operator = start_operator(&client, operator_at, &folder).await;
        let identity = Identity::start(&client, &folder).await;
        let operator_url = format!("http://{operator_at}");
        let environment =
            configuration(&database_url, &identity, &operator_url, free_port(), USUAL);
        let (parts, org, plan, price) = seed(environment).await;
        let token = identity.token(&client).await;
        Self {
            parts,
            org,
            plan,
            price,
            client,
            token,
            operator_url,
            operator: Some(operator),
            operator_at,
            identity: Arc::new(identity),
            database_url,
            times: USUAL,
            folder,
        }
    }

    /// Starts a service and waits until it serves.
    pub async fn serve(&self, name: &str) -> Service {
        let mut service = self.service(name, &self.operator_url);
        service.start(&self.client).await;
        service
    }

    /// A service that does not run yet, with its way to the operator.
    pub fn service(&self, name: &str, operator_url: &str) -> Service {
        let at = free_port();
        let environment =
            configuration(&self.database_url, &self.identity, operator_url, at, self.times);
        let log = self.folder.path().join(format!("{name}.log"));
        Service { process: None, at, environment, log }
    }

    /// Runs a command of the program to its end, which must be a good one.
    pub async fn run(&self, arguments: &[&str]) {
        let environment = self.service("command", &self.operator_url).environment;
        let process =
            Process::start(arguments, &environment, &self.folder.path().join("command.log"));
        process.done().await;
    }

    /// A file in the folder of this World.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets the operator's faults; `{}` is none.
    pub async fn faults(&self, faults: Value) {
        let url = format!("{}/_control/faults", self.operator_url);
        let answer = self.client.put(url).json(&faults).send().await.unwrap();
        assert!(answer.status().is_success(), "{faults}: {answer:?}");
    }

    /// Hands over the operator's process.
    pub fn take_operator(&mut self) -> Process {
        self.operator.take().unwrap()
    }

    /// Kills the operator in the middle of whatever it does, and starts it again on its state.
    pub async fn restart_operator(&self, operator: Process) -> Process {
        operator.kill9();
        start_operator(&self.client, self.operator_at, &self.folder).await
    }

    /// Pays into the wallet.
    pub async fn pay_in(&self, amount: Money) {
        let credit = Command::Credit(Credit {
            entry_id: EntryId(self.parts.ids.next()),
            kind: EntryKind::Credit,
            amount,
            reference: None,
            description: "Credit".to_owned(),
        });
        app::credit(&self.parts, self.org, credit).await.unwrap();
    }

    /// So many times the plan's price.
    pub fn times(&self, count: usize) -> Money {
        Money::checked_sum(std::iter::repeat_n(self.price, count)).unwrap()
    }

    /// From now on counts as the last start: what was away is there again.
    pub fn starts_anew(&self) {
        std::fs::write(self.folder.path().join(STARTED), "").unwrap();
    }

    /// When a service was last started.
    pub fn last_start(&self) -> Timestamp {
        let started = self.folder.path().join(STARTED);
        let at = std::fs::metadata(started).and_then(|file| file.modified());
        at.unwrap().into()
    }

    pub async fn balance(&self) -> Money {
        let mut tx = self.parts.database.read().await.unwrap();
        let sql = "SELECT balance FROM wallets WHERE org_id = $1";
        let (balance,) = one!(tx, (i64,), sql, self.org.0).unwrap();
        Money::from_micros(balance)
    }
}

/// The operator, asked behind the service's back.
impl World {
    /// Every mutation there.
    pub async fn journal(&self) -> Vec<Value> {
        let url = format!("{}/_control/journal", self.operator_url);
        let all: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        all["items"].as_array().unwrap().clone()
    }

    /// Returns when the operator has done something of a kind.
    pub async fn until_the_operator_did(&self, operation: &str) {
        while !self.journal().await.iter().any(|entry| entry["operation"] == operation) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn operator_session(&self) -> String {
        let login = json!({ "username": "audit", "password": "audit" });
        let post = self.client.post(format!("{}/api/login", self.operator_url));
        let session: Value = post.json(&login).send().await.unwrap().json().await.unwrap();
        session["access_token"].as_str().unwrap().to_owned()
    }

    /// A call that does nothing but count.
    pub async fn ask_for_a_status_of_nothing(&self) {
        let session = self.operator_session().await;
        let patch = self.client.patch(format!("{}/api/endpoints/none", self.operator_url));
        let patch = patch.bearer_auth(session).json(&json!({ "status": "active" }));
        let answer = patch.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{answer:?}");
    }

    pub async fn endpoint(&self, session: &str, id: &str) -> Value {
        let get = self.client.get(format!("{}/api/endpoints/{id}", self.operator_url));
        get.bearer_auth(session).send().await.unwrap().json().await.unwrap()
    }
}

impl World {
    /// What all services logged.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("serve") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
        text
    }

    /// What the services logged beside the requests.
    pub fn warnings(&self) -> String {
        let logs = self.logs();
        let lines = logs.lines().filter(|line| !line.contains(r#""message":"request done""#));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Service {
    /// Sets a variable of its environment for the starts to come.
    pub fn set(&mut self, key: &'static str, value: impl ToString) {
        self.unset(key);
        self.environment.push((key, value.to_string()));
    }

    pub fn unset(&mut self, key: &str) {
        self.environment.retain(|(known, _)| *known != key);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().unwrap().ended()
    }

    /// Starts it, for the first time or again on its address.
    pub async fn start(&mut self, client: &reqwest::Client) {
        let process = self.launch();
        let health = format!("http://{}/health", self.at);
        self.process = Some(process.ready(client, &health).await);
    }

    /// Starts it; it may have ended by the time that it would serve.
    pub async fn start_or_end(&mut self, client: &reqwest::Client) {
        let process = self.launch();
        let health = format!("http://{}/health", self.at);
        self.process = Some(process.ready_or_ended(client, &health).await);
    }

    fn launch(&self) -> Process {
        std::fs::write(self.log.with_file_name(STARTED), "").unwrap();
        Process::start(&["serve"], &self.environment, &self.log)
    }

    pub fn kill9(&mut self) {
        self.process.take().unwrap().kill9();
    }

    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.take().unwrap().terminate().await
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }
}

impl Identity {
    async fn start(client: &reqwest::Client, folder: &TempDir) -> Self {
        let at = free_port();
        let (issuer, listen) = (format!("http://{at}/realms/platform"), at.to_string());
        let arguments = ["identity-sim", "--listen", &listen, "--client", "acme:secret:acme"];
        let process = Process::start(&arguments, &[], &folder.path().join("identity.log"));
        let discovery = format!("{issuer}/.well-known/openid-configuration");
        Self { _process: process.ready(client, &discovery).await, issuer }
    }

    pub async fn token(&self, client: &reqwest::Client) -> String {
        let form = json!({
            "grant_type": "client_credentials", "client_id": "acme", "client_secret": "secret",
        });
        let url = format!("{}/protocol/openid-connect/token", self.issuer);
        let answer: Value =
            client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn configuration(
    database: &str,
    identity: &Identity,
    operator: &str,
    listen: SocketAddr,
    times: Times,
) -> Vec<(&'static str, String)> {
    vec![
        ("BAPPY_LISTEN", listen.to_string()),
        ("BAPPY_DATABASE__URL", database.to_owned()),
        ("BAPPY_IDENTITY__ISSUER", identity.issuer.clone()),
        ("BAPPY_OPERATOR__URL", operator.to_owned()),
        ("BAPPY_OPERATOR__USERNAME", "bappy".to_owned()),
        ("BAPPY_OPERATOR__PASSWORD", "secret".to_owned()),
        ("BAPPY_OPERATOR__RATE_PER_SECOND", "100000".to_owned()),
        ("BAPPY_OPERATOR__HORIZON_S", times.horizon.as_secs().to_string()),
        ("BAPPY_OPERATOR__DEADLINE_MS", times.deadline.as_millis().to_string()),
        ("BAPPY_OPERATOR__CALL_TIMEOUT_MS", times.call.as_millis().to_string()),
        ("BAPPY_METRICS__LISTEN", "127.0.0.1:0".to_owned()),
        ("BAPPY_RATE_LIMIT__ENABLED", "false".to_owned()),
        // Where the monthly fees are what a test is about, it asks for them.
        ("BAPPY_FEES__ENABLED", "false".to_owned()),
    ]
}

/// Where the operator keeps its state.
pub(crate) const OPERATOR_STATE: &str = "operator.jsonl";

pub(crate) async fn start_operator(
    client: &reqwest::Client,
    at: SocketAddr,
    folder: &TempDir,
) -> Process {
    let (listen, state) = (at.to_string(), folder.path().join(OPERATOR_STATE));
    let state = state.to_str().unwrap();
    let arguments = ["operator-sim", "--listen", &listen, "--state", state];
    let process = Process::start(&arguments, &[], &folder.path().join("operator.log"));
    // The journal is a control: it is there whatever faults are set, and needs no session.
    process.ready(client, &format!("http://{at}/_control/journal?reference=none")).await
}

/// One organization with everything in the operator's catalogue, and its cheapest plan.
async fn seed(environment: Vec<(&'static str, String)>) -> (Parts, OrgId, String, Money) {
    let environment = environment.into_iter().map(|(key, value)| (key.to_owned(), value));
    let config = Config::load(&Profile::Service, None, environment).unwrap();
    let parts = app::open(&config).await.unwrap();
    let operator = app::operator(&config.required().unwrap()).unwrap();
    let items = catalogue::fetch(&*operator, USUAL.call * 10).await.unwrap();
    let (at, ids, org) = (parts.clock.now(), parts.ids.clone(), OrgId(parts.ids.next()));
    let new = NewOrganization {
        id: org,
        slug: "acme".to_owned(),
        name: "Acme Travel".to_owned(),
        currency: "USD".parse::<Currency>().unwrap(),
        price_per_sms: "0.05".parse().unwrap(),
        price_per_link: "0.50".parse().unwrap(),
        clients: vec!["acme".to_owned()],
    };
    let seeded = parts.database.write(move |tx| {
        Box::pin(async move {
            offers::sync(tx, &items, true, &*ids, at).await?;
            organizations::create(tx, &new, at).await?.unwrap();
            let terms = Terms { markup_percent: None, rates: BTreeMap::new() };
            offers::enable(tx, org, &Selection::All, &terms, at).await?.unwrap();
            let sql = "SELECT plan_id, price FROM organization_plans
                       WHERE org_id = $1 AND price > 0 ORDER BY price, plan_id LIMIT 1";
            let plan = one!(tx, (uuid::Uuid, i64), sql, org.0)?;
            Ok::<_, DbError>(plan)
        })
    });
    let (plan, price) = seeded.await.unwrap();
    (parts, org, plan.to_string(), Money::from_micros(price))
}

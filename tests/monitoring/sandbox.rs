//! A sandbox in a process of its own, and partners who use it.

use crate::process::{Process, free_port, program, without_settings};
use crate::scrape::Scrape;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// How long a statement waits for the service, which writes too.
const BUSY: Duration = Duration::from_secs(20);

pub struct Sandbox {
    pub client: Client,
    pub api: SocketAddr,
    pub operator: SocketAddr,
    pub metrics: SocketAddr,
    issuer: String,
    process: Mutex<Option<Process>>,
    environment: Vec<(&'static str, String)>,
    pub folder: TempDir,
}

/// The API's address, with the two behind it for the simulators: handed out to nobody else.
fn three_ports() -> SocketAddr {
    loop {
        let ports = [free_port(), free_port(), free_port()].map(|addr| addr.port());
        if ports[1] == ports[0] + 1 && ports[2] == ports[0] + 2 {
            return SocketAddr::from(([127, 0, 0, 1], ports[0]));
        }
    }
}

impl Sandbox {
    pub async fn start() -> Self {
        Self::start_with(|_| Vec::new()).await
    }

    /// Starts one with settings beside its own, which are told where its operator will be.
    pub async fn start_with(
        settings: impl FnOnce(SocketAddr) -> Vec<(&'static str, String)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (api, metrics) = (three_ports(), free_port());
        let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let (listen, data) = (api.to_string(), folder.path().join("data"));
        let arguments = ["sandbox", "--listen", &listen, "--data", data.to_str().unwrap()];
        let mut environment = vec![("BAPPY_METRICS__LISTEN", metrics.to_string())];
        let beside = |places| SocketAddr::new(api.ip(), api.port() + places);
        environment.extend(settings(beside(1)));
        let process = Process::start(&arguments, &environment, &folder.path().join("log"));
        let process = process.ready(&client, &format!("http://{api}/health")).await;
        let issuer = format!("http://{}/realms/platform", beside(2));
        let environment = vec![
            ("BAPPY_DATABASE__URL", format!("sqlite://{}/bappy.db", data.display())),
            ("BAPPY_OPERATOR__URL", format!("http://{}", beside(1))),
            ("BAPPY_OPERATOR__USERNAME", "sandbox".to_owned()),
            ("BAPPY_OPERATOR__PASSWORD", "sandbox".to_owned()),
        ];
        let (operator, process) = (beside(1), Mutex::new(Some(process)));
        Self { client, api, operator, metrics, issuer, process, environment, folder }
    }

    /// What `bappy` commands beside it need in their environment, and where they find it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let program = PathBuf::from(program());
        let path = std::env::var("PATH").unwrap_or_default();
        let mut all = self.environment.clone();
        all.push(("PATH", format!("{}:{path}", program.parent().unwrap().display())));
        all
    }

    /// Runs a `bappy` command beside it.
    pub fn command(&self, arguments: &[&str]) {
        let mut command = Command::new(program());
        let command = without_settings(&mut command).args(arguments).envs(self.environment());
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Runs statements on its database, behind its back.
    pub async fn sql(&self, statements: &str) {
        let file = self.folder.path().join("data/bappy.db");
        let options = SqliteConnectOptions::new().filename(file).busy_timeout(BUSY);
        let mut conn = options.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    /// Ends it without a word.
    pub fn kill(&self) {
        self.process.lock().unwrap().take().unwrap().kill9();
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(&self) {
        let process = self.process.lock().unwrap().take().unwrap();
        assert!(process.terminate().await.success());
    }

    pub async fn scrape(&self) -> Scrape {
        Scrape::of(&self.client, &format!("http://{}/metrics", self.metrics)).await
    }

    pub async fn token(&self, client_id: &str) -> String {
        let form = json!({
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": format!("{client_id}-secret"),
        });
        let url = format!("{}/protocol/openid-connect/token", self.issuer);
        let answer = self.client.post(url).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Calls the API; a `path` begins with `/v1`.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.api));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    pub async fn get(&self, path: &str, token: &str) -> Value {
        self.call(Method::GET, path, token, None).await.json().await.unwrap()
    }

    /// Sets what is wrong with the operator; `{}` is nothing.
    pub async fn faults(&self, faults: Value) {
        let url = format!("http://{}/_control/faults", self.operator);
        let answer = self.client.put(url).json(&faults).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

//! A database and a sandbox operator of a test's own, and the binary to run on them.

use crate::postgres_server;
use bappy::app::{self, Running};
use bappy::config::{Config, Profile};
use bappy::sandbox::operator::{OperatorSimConfig, RunningOperatorSim, start};
use bappy::store::Database;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Command, Output};
use tokio::runtime::Handle;

pub struct World {
    pub url: String,
    pub operator: RunningOperatorSim,
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/bappy.db", folder.path().display());
        Self::new(url, folder).await
    }

    pub async fn postgres() -> Option<Self> {
        let url = postgres_server::fresh_database().await?;
        Some(Self::new(url, tempfile::tempdir().unwrap()).await)
    }

    async fn new(url: String, folder: tempfile::TempDir) -> Self {
        let config = OperatorSimConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state_file: None,
            seed: 1,
            workers: 1,
        };
        Self { url, operator: start(config).await.unwrap(), folder }
    }

    /// The variables of a whole service.
    fn variables(&self) -> Vec<(String, String)> {
        [
            ("BAPPY_DATABASE__URL", self.url.clone()),
            ("BAPPY_OPERATOR__URL", format!("http://{}", self.operator.addr())),
            ("BAPPY_OPERATOR__USERNAME", "cli".into()),
            ("BAPPY_OPERATOR__PASSWORD", "cli".into()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }

    /// Runs a command with an operator configured.
    pub fn bappy(&self, args: &[&str]) -> Ran {
        ended(self.command(args).envs(self.variables()).output())
    }

    /// Runs a command with nothing but the database configured, and these variables.
    pub fn bappy_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.env("BAPPY_DATABASE__URL", &self.url).envs(variables.iter().copied());
        ended(command.output())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bappy"));
        command.args(args).current_dir(self.folder.path());
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("BAPPY_")) {
            command.env_remove(key);
        }
        command
    }

    /// An organization with a wallet at 0.00.
    pub fn org(&self, slug: &str, currency: &str) {
        self.bappy(&["org", "create", slug, "--name", slug, "--currency", currency]).done();
    }

    /// A file in the folder that commands run in.
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        name.to_owned()
    }

    pub async fn database(&self) -> Database {
        Database::open(&self.url, 2, Handle::current()).await.unwrap()
    }

    /// Runs one statement past every check.
    pub async fn tamper(&self, sql: &'static str) {
        let db = self.database().await;
        let changed = db.write(move |tx| Box::pin(async move { Ok(exec!(tx, sql)?) })).await;
        assert!(changed.unwrap() > 0, "{sql}");
        db.close().await;
    }

    /// A service over the same database and operator.
    pub async fn serve(&self) -> Running {
        self.serve_with(&[]).await
    }

    /// The same with more of its configuration.
    pub async fn serve_with(&self, more: &[(&str, &str)]) -> Running {
        let mut variables = self.variables();
        for (key, value) in [
            ("BAPPY_LISTEN", "127.0.0.1:0"),
            ("BAPPY_METRICS__LISTEN", "127.0.0.1:0"),
            ("BAPPY_WORKERS", "1"),
            ("BAPPY_IDENTITY__ISSUER", "http://127.0.0.1:9/realms/none"),
            ("BAPPY_OPERATOR__CALL_TIMEOUT_MS", "1000"),
            ("BAPPY_OPERATOR__DEADLINE_MS", "1500"),
        ] {
            variables.push((key.to_owned(), value.to_owned()));
        }
        variables.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let config = Config::load(&Profile::Service, None, variables).unwrap();
        app::start(config).await.unwrap()
    }
}

fn ended(output: std::io::Result<Output>) -> Ran {
    let output = output.unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// It was done; gives what it printed.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// It was done and printed JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.done()).unwrap()
    }

    /// It failed with one sentence on stderr that has these words.
    #[track_caller]
    pub fn failed(self, words: &[&str]) {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(self.err.starts_with("bappy: ") && self.err.lines().count() == 1, "{self:?}");
        self.says(words);
    }

    #[track_caller]
    fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "{word}: {self:?}");
        }
    }
}

//! The whole service under test, over HTTP: its own database, its own sandbox operator, the
//! sandbox identity provider of the test process, and `bappy::app::start` on a free port.
//!
//! [`TestApp::finish`] holds the books against each other: nothing left open, a clean audit, and
//! an operator that holds exactly what was paid for.

#[path = "app/caller.rs"]
mod caller;
#[path = "app/documented.rs"]
mod documented;
#[path = "app/gate.rs"]
mod gate;
#[path = "app/identity.rs"]
mod identity;
#[path = "app/liar.rs"]
mod liar;
#[path = "app/operator.rs"]
mod operator;
#[path = "app/schema.rs"]
mod schema;
#[path = "app/seeded.rs"]
mod seeded;
#[path = "app/settled.rs"]
mod settled;

pub use caller::{Answer, Caller, id};
pub use documented::Document;
pub use gate::Gate;
pub use identity::token;
pub use liar::{CALLS, Liar, Lie, Told};
pub use operator::SimulatedOperator;
pub use seeded::seed;

use bappy::app::Running;
use bappy::config::Config;
use bappy::store::{Conn, Database, DbError};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::time::Duration;
use tempfile::TempDir;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// How patient the service is with its operator.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    pub call_timeout: Duration,
    pub deadline: Duration,
    pub horizon: Duration,
}

/// So long that a loaded machine is never taken for a broken operator.
pub const AMPLE: Timings = Timings {
    call_timeout: Duration::from_secs(10),
    deadline: Duration::from_secs(15),
    horizon: Duration::from_secs(2),
};

/// For what is refunded and then watched to its horizon, of an operator that does answer.
pub const MODERATE: Timings = Timings {
    call_timeout: Duration::from_secs(3),
    deadline: Duration::from_secs(4),
    horizon: Duration::from_millis(300),
};

/// So short that what an operator never answers is over soon.
pub const SHORT: Timings = Timings {
    call_timeout: Duration::from_millis(500),
    deadline: Duration::from_millis(1500),
    horizon: Duration::from_millis(300),
};

/// A service with all around it.
pub struct TestApp {
    /// Callers of the three organizations, the third of which is suspended.
    pub acme: Caller,
    pub globex: Caller,
    pub initech: Caller,
    /// A caller without a token.
    pub nobody: Caller,
    pub operator: SimulatedOperator,
    pub config: Config,
    pub database: Database,
    running: Option<Running>,
    _folder: TempDir,
}

impl TestApp {
    /// A service on a fresh database; none where PostgreSQL is asked for and not installed.
    pub async fn start(kind: DatabaseKind, timings: Timings) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = seeded::database(kind, folder.path()).await?;
        Some(Self::start_on(url, folder, timings).await)
    }

    /// A service on a database that is seeded already.
    pub async fn start_on(database: String, folder: TempDir, timings: Timings) -> Self {
        let operator = SimulatedOperator::start().await;
        let mut config = Config::sandbox(folder.path()).unwrap();
        config.database.url = SecretString::from(database);
        config.database.migrate = false;
        // Whatever is tested on PostgreSQL is tested behind this wall.
        config.database.row_level_security = true;
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.workers = 1;
        config.identity.issuer = Some(identity::issuer().await);
        config.operator.url = Some(operator.url().parse().unwrap());
        config.operator.username = Some("bappy".to_owned());
        config.operator.password = Some(SecretString::from("secret"));
        config.operator.call_timeout = timings.call_timeout;
        config.operator.deadline = timings.deadline;
        config.operator.horizon = timings.horizon;
        // Tests of the breaker ask for it; elsewhere it would only hide what is tested.
        config.operator.breaker.calls_min = 1_000;
        // Each read asks the operator anew, unless a test wants to see the cache.
        config.cache.usage_ttl = Duration::from_nanos(1);
        config.cache.status_ttl = Duration::from_nanos(1);
        Self::start_with(folder, operator, config).await
    }

    async fn start_with(folder: TempDir, operator: SimulatedOperator, config: Config) -> Self {
        let database = seeded::open(&config).await;
        let running = bappy::app::start(config.clone()).await.unwrap();
        let base = format!("http://{}{}/v1", running.addr(), config.base_path);
        let caller = async |client: &str| Caller::new(&base, token(client).await);
        Self {
            acme: caller("acme").await,
            globex: caller("globex").await,
            initech: caller("initech").await,
            nobody: Caller::new(&base, String::new()),
            operator,
            config,
            database,
            running: Some(running),
            _folder: folder,
        }
    }

    /// Starts the service again with another configuration.
    pub async fn restart(&mut self, change: impl FnOnce(&mut Config)) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        change(&mut self.config);
        let running = bappy::app::start(self.config.clone()).await.unwrap();
        let base = format!("http://{}{}/v1", running.addr(), self.config.base_path);
        for caller in [&mut self.acme, &mut self.globex, &mut self.initech, &mut self.nobody] {
            caller.base.clone_from(&base);
        }
        self.running = Some(running);
    }

    /// Another service on the same database and operator, with a caller of acme's.
    pub async fn another(&self) -> (Running, Caller) {
        let running = bappy::app::start(self.config.clone()).await.unwrap();
        let base = format!("http://{}{}/v1", running.addr(), self.config.base_path);
        let caller = Caller::new(&base, token("acme").await);
        (running, caller)
    }

    /// The address of the API's server.
    pub fn addr(&self) -> std::net::SocketAddr {
        self.running.as_ref().unwrap().addr()
    }

    /// The actors of the service.
    pub fn core(&self) -> &bappy::app::Core {
        self.running.as_ref().unwrap().core()
    }

    /// A plan of acme's by its name, such as `France 1 GB, 7 days`.
    pub async fn plan(&self, name: &str) -> Value {
        self.acme.plan(name).await
    }

    /// Writes to the database behind the service's back.
    pub async fn sql(&self, text: String) {
        let write = self.database.write(move |tx| {
            Box::pin(async move {
                match tx.conn() {
                    Conn::Sqlite(conn) => {
                        sqlx::query(AssertSqlSafe(text)).execute(conn).await?;
                    }
                    Conn::Postgres(conn) => {
                        sqlx::query(AssertSqlSafe(text)).execute(conn).await?;
                    }
                }
                Ok::<_, DbError>(())
            })
        });
        write.await.unwrap();
    }

    /// Waits until nothing is open, compares the books and stops.
    pub async fn finish(mut self) {
        settled::assert_settled(&self).await;
        self.stop().await;
    }

    /// Stops without a look at the books, where the operator is not the simulated one.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.database.close().await;
    }
}

/// Waits until a condition holds; fails after 20 s.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}

/// Makes a test on SQLite and a test on PostgreSQL of each fact. A fact gets a [`TestApp`] that
/// runs, and leaves it settled.
#[macro_export]
macro_rules! on_both {
    ($timings:ident: $($fact:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                use $crate::app::{DatabaseKind, TestApp};
                let mut app =
                    TestApp::start(DatabaseKind::Sqlite, $crate::app::$timings).await.unwrap();
                super::$fact(&mut app).await;
                app.finish().await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                use $crate::app::{DatabaseKind, TestApp};
                let app = TestApp::start(DatabaseKind::Postgres, $crate::app::$timings).await;
                let Some(mut app) = app else { return };
                super::$fact(&mut app).await;
                app.finish().await;
            })+
        }
    };
}

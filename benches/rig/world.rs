//! What is measured stands on: a database, the operator, an identity provider, organizations with
//! money, and the service; all throwaway.

use crate::process::{Process, free_port, program};
use crate::{Failed, postgres_server, usage};
use bappy::app::{self, Parts};
use bappy::config::{Config, Profile};
use bappy::operator::catalogue;
use bappy::store::DbError;
use bappy::store::catalogue::{self as offers, Selection, Terms};
use bappy::store::organizations::{self, NewOrganization};
use bappy_actors::model::{EntryId, EntryKind, Money, OrgId};
use bappy_actors::wallet::{Command, Credit};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::OnceCell;

const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// More than any run can spend.
const CREDIT: i64 = 1_000_000_000_000_000;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The ground that services stand on.
pub struct World {
    pub parts: Parts,
    pub client: reqwest::Client,
    pub database_url: String,
    pub folder: TempDir,
    pub organizations: Vec<(OrgId, String)>,
    /// The cheapest plan.
    pub plan: String,
    pub issuer: String,
    pub operator_url: String,
    pub operator: Process,
    _identity: Process,
}

/// A service in a process of its own.
pub struct Service {
    pub at: SocketAddr,
    pub process: Process,
    /// Where the real service in the same process listens, where there is one.
    pub beside: SocketAddr,
}

/// Segments of PostgreSQL's write-ahead log that are gone through before anything is measured: a
/// gigabyte, so that a checkpoint has been.
const LOG_SEGMENTS: usize = 64;

/// How a service is configured where it is not as usual.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// `operator.concurrency_max`.
    pub concurrency: u32,
    /// `cache.entries_max`.
    pub cache_entries: u32,
    /// `cache.usage_ttl_ms`.
    pub usage_ttl_ms: u32,
    /// `log.level`.
    pub log: &'static str,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { concurrency: 512, cache_entries: 100_000, usage_ttl_ms: 30_000, log: "info" }
    }
}

/// A fresh, migrated database.
pub async fn database(engine: Engine, folder: &TempDir) -> Result<String, Failed> {
    match engine {
        Engine::Sqlite => Ok(format!("sqlite://{}/bappy.db", folder.path().display())),
        Engine::Postgres => {
            static LOG: OnceCell<()> = OnceCell::const_new();
            let url = postgres_server::fresh_database().await;
            let missing = || Failed("PostgreSQL is not installed (Debian: postgresql)".to_owned());
            let url = url.ok_or_else(missing)?;
            LOG.get_or_try_init(|| settle_log(&url)).await?;
            Ok(url)
        }
    }
}

/// Brings PostgreSQL's write-ahead log to where it is after the first hour of a cluster: a checkpoint has
/// left old segments of it to be written again. A new cluster makes each anew, sixteen megabytes that are
/// written twice, and who commits waits: half of a top-up's 99th percentile.
async fn settle_log(url: &str) -> Result<(), Failed> {
    const SWITCH: [&str; 2] =
        ["SELECT pg_logical_emit_message(true, '', '')", "SELECT pg_switch_wal()"];
    let mut statements = SWITCH.repeat(LOG_SEGMENTS);
    statements.push("CHECKPOINT");
    execute(url, &statements).await
}

impl World {
    /// A world with so many organizations, each rich and with one plan enabled.
    pub async fn new(engine: Engine, organizations: usize) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let client = reqwest::Client::builder().timeout(CALL_TIMEOUT).build()?;
        let database_url = database(engine, &folder).await?;
        let slugs: Vec<String> = (0..organizations).map(|n| format!("org-{n:04}")).collect();
        let (operator_at, identity_at) = (free_port(), free_port());
        let operator_url = format!("http://{operator_at}");
        let arguments = ["operator-sim", "--listen", &operator_at.to_string()].map(str::to_owned);
        let log = folder.path().join("operator.log");
        let operator = Process::start(&program(), &arguments, &[], &log)?
            .ready(&client, &format!("{operator_url}/_control/journal?reference=none"))
            .await?;
        let issuer = format!("http://{identity_at}/realms/platform");
        let mut arguments =
            ["identity-sim", "--listen", &identity_at.to_string()].map(str::to_owned).to_vec();
        // A world without organizations is given them otherwise; the first can call all the same.
        let first = "org-0000".to_owned();
        for slug in if slugs.is_empty() { std::slice::from_ref(&first) } else { &slugs } {
            arguments.extend(["--client".to_owned(), format!("{slug}:secret:{slug}")]);
        }
        let log = folder.path().join("identity.log");
        let identity = Process::start(&program(), &arguments, &[], &log)?
            .ready(&client, &format!("{issuer}/.well-known/openid-configuration"))
            .await?;
        let environment =
            environment(&database_url, &issuer, &operator_url, free_port(), Tuning::default());
        let config = Config::load(&Profile::Service, None, environment)
            .map_err(|error| Failed(error.to_string()))?;
        let parts = app::open(&config).await?;
        let plan = catalogue_into(&parts, &config).await?;
        let organizations = seed(&parts, &slugs, &plan).await?;
        Ok(Self {
            parts,
            client,
            database_url,
            folder,
            organizations,
            plan,
            issuer,
            operator_url,
            operator,
            _identity: identity,
        })
    }

    /// The variables of a service that listens there.
    pub fn environment(&self, at: SocketAddr, tuning: Tuning) -> Vec<(String, String)> {
        environment(&self.database_url, &self.issuer, &self.operator_url, at, tuning)
    }

    /// Starts the service.
    pub async fn serve(&self, tuning: Tuning) -> Result<Service, Failed> {
        let at = free_port();
        let environment = self.environment(at, tuning);
        let log = self.folder.path().join("serve.log");
        let process = Process::start(&program(), &["serve".to_owned()], &environment, &log)?
            .ready(&self.client, &format!("http://{at}/health"))
            .await?;
        Ok(Service { at, process, beside: at })
    }

    /// Starts another service of this benchmark program's own, beside the real one.
    pub async fn serve_own(&self, name: &str, real: Option<&Service>) -> Result<Service, Failed> {
        let (at, beside) = (free_port(), free_port());
        let mut environment = self.environment(beside, Tuning::default());
        environment.push(("RIG_LISTEN".to_owned(), at.to_string()));
        let real = real.map(|real| ("RIG_SERVICE".to_owned(), real.at.to_string()));
        environment.extend(real);
        let log = self.folder.path().join(format!("{name}.log"));
        let me: PathBuf = std::env::current_exe()?;
        let process = Process::start(&me, &[name.to_owned()], &environment, &log)?
            .ready(&self.client, &format!("http://{at}/health"))
            .await?;
        Ok(Service { at, process, beside })
    }

    /// The first process of the PostgreSQL below.
    pub fn postmaster(&self) -> Result<Option<u32>, Failed> {
        let url = url::Url::parse(&self.database_url).map_err(|e| Failed(e.to_string()))?;
        match url.port() {
            Some(port) if url.scheme() == "postgres" => usage::postmaster(port).map(Some),
            _ => Ok(None),
        }
    }

    /// Lets each call to the operator take so long.
    pub async fn operator_takes(&self, ms: u32) -> Result<(), Failed> {
        let faults = json!({ "latency_ms": { "p50": ms, "p99": ms } });
        let url = format!("{}/_control/faults", self.operator_url);
        let answer = self.client.put(url).json(&faults).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// A file of all clients, for `bappy load --clients-file`.
    pub fn clients_file(&self) -> Result<String, Failed> {
        let path = self.folder.path().join("clients.txt");
        let lines = self.organizations.iter().map(|(_, slug)| format!("{slug}:secret\n"));
        std::fs::write(&path, lines.collect::<String>())?;
        Ok(path.display().to_string())
    }

    /// The token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}/protocol/openid-connect/token", self.issuer)
    }

    /// A token of the first organization.
    pub async fn first_token(&self) -> Result<String, Failed> {
        let form = json!({ "grant_type": "client_credentials",
            "client_id": "org-0000", "client_secret": "secret" });
        let answer = self.client.post(self.token_url()).form(&form).send().await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
    }
}

fn environment(
    database_url: &str,
    issuer: &str,
    operator_url: &str,
    at: SocketAddr,
    tuning: Tuning,
) -> Vec<(String, String)> {
    [
        ("BAPPY_LISTEN", at.to_string()),
        ("BAPPY_DATABASE__URL", database_url.to_owned()),
        // Two cores are served best by 4 to 8.
        ("BAPPY_DATABASE__MAX_CONNECTIONS", "8".to_owned()),
        ("BAPPY_IDENTITY__ISSUER", issuer.to_owned()),
        ("BAPPY_OPERATOR__URL", operator_url.to_owned()),
        ("BAPPY_OPERATOR__USERNAME", "bench".to_owned()),
        ("BAPPY_OPERATOR__PASSWORD", "bench".to_owned()),
        // The limits are what a benchmark must not measure.
        ("BAPPY_OPERATOR__RATE_PER_SECOND", "1000000".to_owned()),
        ("BAPPY_OPERATOR__CONCURRENCY_MAX", tuning.concurrency.to_string()),
        ("BAPPY_CACHE__ENTRIES_MAX", tuning.cache_entries.to_string()),
        ("BAPPY_CACHE__USAGE_TTL_MS", tuning.usage_ttl_ms.to_string()),
        ("BAPPY_RATE_LIMIT__ENABLED", "false".to_owned()),
        ("BAPPY_METRICS__LISTEN", free_port().to_string()),
        ("BAPPY_LOG__LEVEL", tuning.log.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

/// Reads the operator's catalogue into the database; gives its cheapest plan that costs anything.
async fn catalogue_into(parts: &Parts, config: &Config) -> Result<String, Failed> {
    let required = config.required().map_err(|error| Failed(error.to_string()))?;
    let operator = app::operator(&required)?;
    let items = catalogue::fetch(&*operator, CALL_TIMEOUT)
        .await
        .map_err(|error| Failed(format!("{error:?}")))?;
    let (ids, at) = (parts.ids.clone(), parts.clock.now());
    let synced = parts.database.write(move |tx| {
        Box::pin(async move {
            offers::sync(tx, &items, true, &*ids, at).await?;
            let sql =
                "SELECT id FROM plans WHERE wholesale_price > 0 AND wholesale_currency = 'USD'
                       ORDER BY wholesale_price, id LIMIT 1";
            Ok::<_, DbError>(one!(tx, (uuid::Uuid,), sql)?)
        })
    });
    Ok(synced.await?.0.to_string())
}

async fn seed(parts: &Parts, slugs: &[String], plan: &str) -> Result<Vec<(OrgId, String)>, Failed> {
    let mut organizations = Vec::with_capacity(slugs.len());
    for slug in slugs {
        let (id, at) = (OrgId(parts.ids.next()), parts.clock.now());
        let new = NewOrganization {
            id,
            slug: slug.clone(),
            name: slug.clone(),
            currency: "USD".parse()?,
            price_per_sms: "0.05".parse()?,
            price_per_link: "0.50".parse()?,
            clients: vec![slug.clone()],
        };
        let selection = Selection::These(vec![plan.to_owned()]);
        let made = parts.database.write(move |tx| {
            Box::pin(async move {
                if let Err(error) = organizations::create(tx, &new, at).await? {
                    return Ok(Err(error.to_string()));
                }
                let enabled = offers::enable(tx, id, &selection, &Terms::default(), at).await?;
                Ok::<_, DbError>(enabled.map(|_| ()).map_err(|error| error.to_string()))
            })
        });
        made.await??;
        let credit = Credit {
            entry_id: EntryId(parts.ids.next()),
            kind: EntryKind::Credit,
            amount: Money::from_micros(CREDIT),
            reference: None,
            description: "Credit".to_owned(),
        };
        app::credit(parts, id, Command::Credit(credit)).await?;
        organizations.push((id, slug.clone()));
    }
    Ok(organizations)
}

/// Runs statements on a PostgreSQL.
pub async fn execute(url: &str, statements: &[&str]) -> Result<(), Failed> {
    use sqlx::{Connection, Executor};
    let mut conn = sqlx::PgConnection::connect(url).await?;
    for statement in statements {
        conn.execute(AssertSqlSafe((*statement).to_owned())).await?;
    }
    conn.close().await?;
    Ok(())
}

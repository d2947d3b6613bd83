//! PostgreSQL's own measure beside ours: one hot row, by pgbench.

use crate::Failed;
use crate::world::{self, execute};
use std::path::PathBuf;
use std::process::Command;

/// What a wallet and its ledger would be at the least, and nothing else.
const TABLES: [&str; 3] = [
    "CREATE TABLE hot_wallets (org_id BIGINT PRIMARY KEY, balance BIGINT NOT NULL,
         version BIGINT NOT NULL) WITH (fillfactor = 50)",
    "CREATE TABLE hot_entries (org_id BIGINT NOT NULL, sequence BIGINT NOT NULL,
         amount BIGINT NOT NULL, balance_after BIGINT NOT NULL, description TEXT NOT NULL,
         created_at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (org_id, sequence))",
    "INSERT INTO hot_wallets VALUES (1, 1000000000000, 0)",
];

/// The textbook's form: the row's lock is held from the update to the commit.
const TRANSACTION: &str = "BEGIN;
UPDATE hot_wallets SET balance = balance - 1, version = version + 1 WHERE org_id = 1 RETURNING balance, version \\gset
INSERT INTO hot_entries (org_id, sequence, amount, balance_after, description) VALUES (1, :version, -1, :balance, 'topup');
COMMIT;
";

/// The best that one statement a debit can do.
const CTE: &str = "WITH w AS (UPDATE hot_wallets SET balance = balance - 1, version = version + 1 WHERE org_id = 1 RETURNING balance, version) INSERT INTO hot_entries (org_id, sequence, amount, balance_after, description) SELECT 1, version, -1, balance, 'topup' FROM w;
";

/// pgbench on a database of its own, in the cluster of what it is compared with.
pub struct Pgbench {
    url: String,
    folder: tempfile::TempDir,
}

/// A form of the hot row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Transaction,
    Cte,
}

impl Pgbench {
    /// Makes its database.
    pub async fn new() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let url = world::database(world::Engine::Postgres, &folder).await?;
        execute(&url, &TABLES).await?;
        std::fs::write(folder.path().join("transaction.sql"), TRANSACTION)?;
        std::fs::write(folder.path().join("cte.sql"), CTE)?;
        Ok(Self { url, folder })
    }

    /// Debits a second with so many clients. The tables are emptied before: they must not grow
    /// from round to round.
    pub async fn run(&self, form: Form, clients: u32, seconds: u64) -> Result<f64, Failed> {
        execute(&self.url, &["TRUNCATE hot_entries", "UPDATE hot_wallets SET version = 0"]).await?;
        execute(&self.url, &["VACUUM ANALYZE hot_wallets"]).await?;
        let file = match form {
            Form::Transaction => "transaction.sql",
            Form::Cte => "cte.sql",
        };
        let mut command = Command::new(binary());
        command.args(["-n", "-M", "prepared", "-j", "1", "-c", &clients.to_string()]);
        command.args(["-T", &seconds.to_string(), "-f"]).arg(self.folder.path().join(file));
        command.arg(&self.url);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split(' ').next()?.parse().ok());
        rate.ok_or_else(|| {
            Failed(format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
        })
    }
}

/// The newest installed pgbench.
fn binary() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = folders.map(|version| version.path().join("bin/pgbench")).collect();
    found.retain(|path| path.is_file());
    found.sort();
    found.pop().unwrap_or_else(|| "pgbench".into())
}

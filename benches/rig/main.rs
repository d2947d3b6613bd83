//! The measurements that take a whole world: a throwaway PostgreSQL, the simulators, the service
//! and what it is compared with, in turns. `docs/performance.md` says what each is for.
//!
//! `cargo bench --bench rig -- COMMAND`; without a command it says which there are.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends")]

#[macro_use]
#[path = "../../src/store/sql.rs"]
#[expect(unused_macros, reason = "a few statements only")]
mod sql;
/// Where the statement macros look for the connection's type.
mod store {
    pub use bappy::store::Conn;
}
#[path = "../../tests/support/postgres.rs"]
#[expect(clippy::unwrap_used, reason = "shared with the tests")]
mod postgres_server;

mod bare;
mod debits;
mod growth;
mod ledger;
mod load;
mod memory;
mod pgbench;
mod plain;
mod process;
mod read;
mod table;
mod topup;
mod usage;
mod world;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::process::ExitCode;

/// The service's own, so that what runs in this process is as it is there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a measurement ended: one sentence.
#[derive(Debug)]
pub struct Failed(String);

impl<E: std::fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Measures Bappy beside what it can be compared with.
#[derive(Parser)]
#[command(name = "rig", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Top-ups on one hot wallet over REST, beside pgbench's hot row and a plain handler
    Topup(topup::Topup),
    /// Throughput with a slow operator, against its concurrency
    Slow(topup::Slow),
    /// Many wallets at once, beside one
    Wallets(topup::Wallets),
    /// Top-ups on SQLite, beside PostgreSQL
    Sqlite(topup::Sqlite),
    /// Reads of Links, beside a handler that answers the same bytes with no work
    Read(read::Read),
    /// The ledger alone, beside pgbench; on SQLite batched beside one by one
    Ledger(ledger::Ledger),
    /// Every endpoint at a thousand, a hundred thousand and ten million transactions
    Growth(growth::Growth),
    /// Memory: idle, for each live Link, and over minutes of load
    Memory(memory::Memory),
    #[command(hide = true)]
    Plain,
    #[command(hide = true)]
    Bare,
}

fn main() -> ExitCode {
    // `cargo bench` adds a flag of its own.
    let cli = Cli::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.expect("a runtime starts").block_on(async {
        match cli.command {
            Command::Topup(command) => command.run().await,
            Command::Slow(command) => command.run().await,
            Command::Wallets(command) => command.run().await,
            Command::Sqlite(command) => command.run().await,
            Command::Read(command) => command.run().await,
            Command::Ledger(command) => command.run().await,
            Command::Growth(command) => command.run().await,
            Command::Memory(command) => command.run().await,
            Command::Plain => {
                let listen = own_listen()?;
                // actix-web's workers need its own runtime on this thread.
                let serve = move || actix_web::rt::System::new().block_on(plain::serve(listen));
                tokio::task::spawn_blocking(serve).await?
            }
            Command::Bare => bare::serve(own_listen()?).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(sentence)) => {
            eprintln!("rig: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Where a server of this program's own listens.
fn own_listen() -> Result<SocketAddr, Failed> {
    Ok(std::env::var("RIG_LISTEN")?.parse()?)
}

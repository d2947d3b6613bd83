//! The ledger alone: callers of the wallet's handle on the real store, with no HTTP and no operator.

use crate::Failed;
use crate::debits::{Debits, What};
use crate::pgbench::{Form, Pgbench};
use crate::table::{goal, median};
use crate::world::{Engine, World};
use actix::{Arbiter, ArbiterHandle, System};
use bappy::app::arbiter;
use bappy::store::SqlStore;
use bappy_actors::Arbiters;
use bappy_actors::model::PlanId;
use bappy_actors::ports::{Clock, CommitOutcome, Store};
use bappy_actors::wallet::{WalletHandle, WalletLimits, state};
use clap::Args;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

#[derive(Args)]
pub struct Ledger {
    /// Rounds, in which everything takes its turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Callers that wait for their answers
    #[arg(long, default_value_t = 64)]
    callers: u32,
}

impl Ledger {
    pub async fn run(self) -> Result<(), Failed> {
        let turn = Duration::from_secs(self.seconds);
        let threads = threads()?;
        let (sqlite, postgres) =
            (World::new(Engine::Sqlite, 1).await?, World::new(Engine::Postgres, 1).await?);
        let pgbench = Pgbench::new().await?;
        let wallets = |world: &World| {
            let database = world.parts.database.clone();
            let store = Arc::new(SqlStore::start_on(database, &threads.writers));
            let (clock, arbiters) =
                (world.parts.clock.clone(), Arbiters::new(threads.wallets.clone(), []));
            let limits = WalletLimits::default();
            (store.clone(), Arc::new(WalletHandle::new(store, clock, arbiters, limits)))
        };
        let (sqlite_store, on_sqlite) = wallets(&sqlite);
        let (postgres_store, on_postgres) = wallets(&postgres);
        println!("Debits a second, {} callers; {} rounds", self.callers, self.rounds);
        let (mut to_pgbench, mut to_single) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds {
            let many = async |world: &World, wallets: &Arc<WalletHandle>, what| {
                together(world, &threads.callers, wallets, what, self.callers, turn).await
            };
            let entries = many(&postgres, &on_postgres, What::Entry).await?;
            let hot = pgbench.run(Form::Transaction, 64, self.seconds).await?;
            let operations = many(&postgres, &on_postgres, What::Operation).await?;
            let alone =
                one_by_one(&postgres, postgres_store.clone(), &threads.wallets, turn).await?;
            println!(
                "{round} PostgreSQL: {entries:.0} ({operations:.0} with their operations), one by \
                 one {alone:.0}; pgbench hot row, 64 clients: {hot:.0}"
            );
            to_pgbench.push(entries / hot);
            let entries = many(&sqlite, &on_sqlite, What::Entry).await?;
            let alone = one_by_one(&sqlite, sqlite_store.clone(), &threads.wallets, turn).await?;
            let operations = many(&sqlite, &on_sqlite, What::Operation).await?;
            println!(
                "{round} SQLite: {entries:.0} ({operations:.0} with their operations), one by one \
                 {alone:.0}"
            );
            to_single.push(entries / alone);
        }
        println!();
        goal("PostgreSQL ÷ pgbench hot row", median(to_pgbench), "≥", 35.0);
        goal("SQLite, batched ÷ one by one", median(to_single), "≥", 7.0);
        Ok(())
    }
}

fn debits(world: &World) -> Debits {
    let (ids, clock) = (world.parts.ids.clone(), world.parts.clock.clone());
    let plan = world.plan.parse().expect("a plan's id is a UUID");
    Debits::new(ids, clock, world.organizations[0].0, PlanId(plan))
}

/// The threads that a service has: one of the wallets and the writers, one of who calls them.
struct Threads {
    wallets: ArbiterHandle,
    writers: Handle,
    callers: ArbiterHandle,
}

fn threads() -> Result<Threads, Failed> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runner = System::new();
        runner.block_on(async {
            let started = arbiter().await;
            let callers = Arbiter::new().handle();
            let _ =
                tell.send(started.map(|(wallets, writers)| Threads { wallets, writers, callers }));
        });
        let _ = runner.run();
    });
    Ok(told.recv()??)
}

/// Callers each of whom debits again once it has its answer, where the service's operations are.
async fn together(
    world: &World,
    arbiter: &ArbiterHandle,
    wallets: &Arc<WalletHandle>,
    what: What,
    callers: u32,
    turn: Duration,
) -> Result<f64, Failed> {
    let begin = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (wallets, debits) = (wallets.clone(), debits(world));
            let (tell, told) = oneshot::channel();
            arbiter.spawn(async move {
                let mut done = 0_u32;
                let ended = loop {
                    if begin.elapsed() >= turn {
                        break Ok(done);
                    }
                    match wallets.submit(debits.org, debits.next(what)).await {
                        Ok(_) => done += 1,
                        Err(error) => break Err(error),
                    }
                };
                let _ = tell.send(ended);
            });
            told
        })
        .collect();
    let mut done = 0.0;
    for caller in callers {
        done += f64::from(caller.await??);
    }
    Ok(done / begin.elapsed().as_secs_f64())
}

/// The same debits, each in a commit of its own, by a caller on the writers' thread.
async fn one_by_one(
    world: &World,
    store: Arc<SqlStore>,
    thread: &ArbiterHandle,
    turn: Duration,
) -> Result<f64, Failed> {
    let (debits, clock) = (debits(world), world.parts.clock.clone());
    let (tell, told) = oneshot::channel();
    thread.spawn(async move {
        let _ = tell.send(singly(&store, &*clock, &debits, turn).await);
    });
    told.await?
}

async fn singly(
    store: &SqlStore,
    clock: &dyn Clock,
    debits: &Debits,
    turn: Duration,
) -> Result<f64, Failed> {
    let begin = Instant::now();
    let mut done = 0.0;
    let missing = || Failed("there is no wallet".to_owned());
    let mut wallet = store.wallet(debits.org).await?.ok_or_else(missing)?;
    while begin.elapsed() < turn {
        let command = debits.next(What::Entry);
        let decided = state::decide(debits.org, wallet, [&command], clock.now());
        (wallet.balance, wallet.version) = (decided.batch.balance, decided.batch.version);
        if store.commit(decided.batch).await? != CommitOutcome::Committed {
            return Err(Failed("somebody else holds the wallet".to_owned()));
        }
        done += 1.0;
    }
    Ok(done / begin.elapsed().as_secs_f64())
}

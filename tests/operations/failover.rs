//! The primary of the database is lost under load, and its synchronous standby takes its place:
//! what was acknowledged is there, and what was not is known to have been or not.

use crate::load::{Client, Load, Told, links, mixed};
use crate::pair::{Loss, Pair};
use crate::world::World;
use crate::{agreement, figures, sizes};
use bappy::store::Database;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Load before a loss, and after a promotion: some thousand calls.
const LOAD: Duration = Duration::from_secs(2);
/// A service that is not back by then is not coming back by itself.
const BACK_MAX: Duration = Duration::from_secs(30);

pub async fn what_was_acknowledged_outlives_the_primary() {
    let Some(mut pair) = Pair::start().await else { return };
    let world = World::on(pair.url()).await;
    let started = Instant::now();
    let services = [world.serve("serve-1").await, world.serve("serve-2").await];
    let at = services.iter().map(|service| service.at).collect::<Vec<_>>();
    let links = links(&world, at[0], 16).await;
    let failovers = sizes::size("FAILOVERS", 1, 12);
    let calls = mixed(&links, sizes::topups(), sizes::creates());
    let round = calls.len();
    world.pay_in("1000000".parse().unwrap()).await;
    let before = world.balance().await;
    let load = Load::new(&world, at, Client::Patient, sizes::in_flight());
    let goes_on = AtomicBool::new(true);
    let next = |n: usize| {
        let call = goes_on.load(Ordering::Relaxed).then(|| calls[n % round].clone());
        call.map(|call| crate::load::Call { key: format!("call-{n}"), ..call })
    };
    let lost = async {
        let mut lost = Vec::new();
        for nth in 0..failovers {
            tokio::time::sleep(LOAD).await;
            let how = [Loss::Killed, Loss::Stopped, Loss::Frozen][nth % 3];
            let at = Instant::now();
            pair.lose_primary(how).await;
            pair.promote().await;
            lost.push((how, at, Instant::now()));
            world.starts_anew();
            let answered = load.answered();
            load.reaches(answered + sizes::in_flight() * 2).await;
            if nth + 1 < failovers {
                pair.attach_standby().await;
            }
        }
        tokio::time::sleep(LOAD).await;
        goes_on.store(false, Ordering::Relaxed);
        lost
    };
    let (told, lost) = tokio::join!(load.run_while(next), lost);
    let settled = agreement::settled(&world, &told, before).await;
    let acknowledged = told.iter().filter(|told| told.is_success()).count();
    for (how, at, promoted) in &lost {
        let (away, promoted) = (away(&told, *at, *promoted), promoted.duration_since(*at));
        println!("{how:?}: promoted after {promoted:.1?}, without service for {away:.1?}");
        assert!(away < BACK_MAX, "{how:?}: {away:?}");
    }
    let logs = world.logs();
    let unknown = logs.matches("the outcome of a commit was lost").count();
    let looked_up = fields(&logs, "lost commits were looked up");
    println!(
        "{failovers} failovers: acknowledged {acknowledged} of {}, lost 0; {unknown} batches in \
         doubt, of their commands {looked_up:?} (looked up, found applied)",
        told.len()
    );
    figures::print(&world, &format!("{failovers} failovers"), started, &told, &settled);
    assert!(acknowledged > round / 2);
    an_old_primary_is_not_taken_for_the_new_one(&pair).await;
}

/// Fenced is what it should have been.
async fn an_old_primary_is_not_taken_for_the_new_one(pair: &Pair) {
    pair.start_the_old_primary().await;
    let handle = tokio::runtime::Handle::current();
    let database = Database::open(&pair.url(), 1, handle).await.unwrap();
    let mut tx = database.read().await.unwrap();
    let port = one!(tx, (String,), "SELECT current_setting('port')").unwrap().0;
    assert_eq!(port, pair.primary_port().to_string());
}

/// From a loss to the first success behind the promotion.
fn away(told: &[Told], lost_at: Instant, promoted_at: Instant) -> Duration {
    let times = told.iter().filter(|told| told.is_success()).map(|told| told.at);
    let back = times.filter(|at| *at > promoted_at).min();
    back.map_or(BACK_MAX, |back| back - lost_at)
}

/// The sums of `doubtful` and `applied` over all lines with these words.
fn fields(logs: &str, words: &str) -> (u64, u64) {
    let lines = logs.lines().filter(|line| line.contains(words));
    let parsed = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    parsed.fold((0, 0), |(doubtful, applied), line| {
        let field = |name: &str| line[name].as_u64().unwrap_or(0);
        (doubtful + field("doubtful"), applied + field("applied"))
    })
}

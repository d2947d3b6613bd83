//! The money under faults, with real processes: a lossy operator, kills, pauses, stops, two
//! services on one database. Whatever happens, every operation ends, the audit is clean, the
//! operator holds exactly what is paid for, and the client was told the truth.
//!
//! The default sizes take about a minute. The full ones, on a release build:
//! `BAPPY_FULL=1 cargo test --release --test operations -- --nocapture --test-threads 1`
//! (each test then prints a line of figures). One size alone: see `sizes.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[macro_use]
#[expect(unused_macros, reason = "not all of them are needed")]
#[path = "../../src/store/sql.rs"]
mod sql;
/// Where the statement macros look for the connection's type.
mod store {
    pub use bappy::store::Conn;
}
#[path = "../support/postgres.rs"]
mod postgres_server;
#[path = "../support/process.rs"]
mod process;

mod agreement;
mod figures;
mod load;
mod pair;
mod sizes;
mod template;
mod world;

mod changes;
mod crash;
mod crash_matrix;
mod database_cut;
mod failover;
mod graceful_stop;
mod late;
mod lossy;
mod operator_restart;
mod paused;
mod sms;
mod two_services;

/// Makes a test on SQLite and a test on PostgreSQL of each fact of a module.
macro_rules! on_both {
    ($($module:ident { $($fact:ident),+ $(,)? })+) => {
        mod sqlite {
            $(mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $fact() {
                    crate::$module::$fact(crate::world::World::sqlite().await).await;
                }
            )+})+
        }
        mod postgres {
            $(mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $fact() {
                    if let Some(world) = crate::world::World::postgres().await {
                        crate::$module::$fact(world).await;
                    }
                }
            )+})+
        }
    };
}

on_both! {
    lossy { a_lossy_operator_costs_nobody_anything }
    late { what_lands_after_its_refund_is_undone }
    crash { kills_lose_nothing_and_charge_nothing_twice }
    crash_matrix { the_service_may_die_at_any_point }
    changes {
        statuses_and_removals_agree_with_the_operator_after_kills,
        a_change_left_in_doubt_by_a_crash_is_not_given_up_for_a_throttle,
    }
    graceful_stop { a_stop_under_load_leaves_nothing_pending }
    sms { each_message_is_sent_once_or_given_back_once }
    operator_restart { a_restart_of_the_operator_costs_nobody_anything }
}

/// What takes more than one service, which SQLite is not for.
mod postgres_only {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_services_spend_a_wallet_to_exactly_nothing() {
        if let Some(world) = crate::world::World::postgres().await {
            crate::two_services::two_services_spend_a_wallet_to_exactly_nothing(world).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_paused_service_does_no_harm_when_it_goes_on() {
        if let Some(world) = crate::world::World::postgres().await {
            crate::paused::a_paused_service_does_no_harm_when_it_goes_on(world).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn lost_connections_to_the_database_cost_nobody_anything() {
        if let Some(world) = crate::world::World::postgres().await {
            crate::database_cut::lost_connections_to_the_database_cost_nobody_anything(world).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_acknowledged_outlives_the_primary() {
        crate::failover::what_was_acknowledged_outlives_the_primary().await;
    }
}

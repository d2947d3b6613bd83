//! The commands, as a person at a terminal has them: the real binary against a database and the
//! sandbox operator. Each fact is a test on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

#[expect(unused_macros, reason = "the tests only write past the checks; they read by commands")]
#[macro_use]
#[path = "../../src/store/sql.rs"]
mod sql;
/// Where the statement macros look for the connection's type.
mod store {
    pub use bappy::store::Conn;
}
#[path = "../support/postgres.rs"]
mod postgres_server;
mod world;

mod audit;
mod cards;
mod fees;
mod fees_at_once;
mod load;
mod operations;
mod organizations;
mod plans;
mod usage;

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
    organizations {
        an_organization_is_made_listed_and_shown,
        what_is_taken_or_unknown_is_said_in_one_sentence,
        a_credit_reference_pays_in_once,
        an_adjustment_may_be_negative_and_never_overdraws,
        status_prices_and_clients_can_be_changed,
        credits_of_many_processes_at_once_all_count,
    }
    plans {
        prices_follow_the_catalogue_unless_set_by_hand,
        a_plan_of_another_currency_needs_a_rate_which_stays_in_force,
        plans_are_imported_from_csv_and_json,
        a_bad_row_names_its_line_and_field_and_nothing_is_imported,
        what_is_withdrawn_or_unknown_is_not_enabled,
    }
    cards {
        cards_are_imported_and_listed,
        a_bad_or_known_card_names_its_line_and_field_and_nothing_is_imported,
    }
    operations {
        nothing_open_is_said_and_an_unknown_operation_fails,
        a_watched_operation_is_listed_and_resolved,
    }
    fees {
        a_run_charges_each_link_once_and_a_dry_run_nothing,
        the_service_charges_the_current_month_by_itself,
        an_organization_that_cannot_be_charged_keeps_no_other_from_it,
        what_breaks_the_rules_of_fees_is_found,
    }
    fees_at_once { runs_at_once_charge_each_link_once }
    audit {
        credits_are_clean_and_a_tampered_balance_is_not,
        without_an_operator_the_database_is_judged_alone,
        what_stands_at_the_operator_is_compared,
    }
}

//! What commands and the edge read and write beside the core's store: organizations, the
//! catalogue, lists and the audit. Each fact is a test on SQLite and on PostgreSQL; what SQLite goes
//! through for it is counted on SQLite alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
#[expect(unused_macros, reason = "only some statements are needed here")]
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
mod catalogue;
mod lists;
mod organizations;
mod searches;
mod steps;

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
        a_new_organization_has_an_empty_wallet_and_its_clients,
        a_slug_or_client_that_is_taken_changes_nothing,
        what_cannot_be_an_organization_is_said,
        status_name_and_prices_can_be_changed,
        a_client_leads_to_its_organization,
        of_many_made_at_once_with_one_slug_one_is_made,
    }
    catalogue {
        a_plan_keeps_its_id_and_is_withdrawn_and_offered_again,
        an_incomplete_or_empty_catalogue_withdraws_nothing,
        prices_carry_markup_and_rate_rounded_half_up,
        a_plan_without_a_rate_is_not_enabled_and_neither_are_the_others,
        a_price_once_set_stays_without_a_markup,
        only_what_is_enabled_and_offered_is_sold,
        every_filter_narrows_the_list,
        plans_of_one_name_are_walked_exactly_once,
    }
    lists {
        links_are_filtered_searched_and_walked,
        a_search_finds_what_reading_every_link_does,
        another_organization_sees_nothing,
        history_is_newest_first_and_filtered,
        operations_are_listed_and_found_by_key,
        a_deep_page_is_the_same_from_a_kept_rank,
        a_balance_says_when_it_changed,
    }
    searches {
        every_text_is_found_as_by_reading_all_links,
        a_link_is_found_by_what_it_is_now,
        links_of_before_the_index_are_found,
        links_of_before_the_digits_are_found,
    }
    audit {
        a_sound_ledger_is_clean_and_counts_what_is_open,
        every_broken_row_is_found_by_its_rule,
        one_organization_can_be_audited_alone,
        a_total_that_is_not_what_it_totals_is_found,
        what_should_stand_at_the_operator_is_walked,
    }
}

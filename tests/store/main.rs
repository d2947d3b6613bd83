//! The contract of the store, held by SQLite and PostgreSQL alike: each fact below is a test on
//! both.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[macro_use]
#[path = "../../src/store/sql.rs"]
#[expect(unused_macros, reason = "three of the four are enough here")]
mod sql;
/// Where the statement macros look for the connection's type.
mod store {
    pub use bappy::store::Conn;
}
#[path = "../support/postgres.rs"]
mod postgres_server;
mod world;

mod batches;
mod concurrency;
mod counts;
mod expiry;
mod guards;
mod ledger_check;
mod links;
mod open_work;
mod operations;
mod outages;
mod planner_statistics;
mod races;
mod schema;
mod settings;
mod sims;
mod sms;
mod throughput;
mod transactions;

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
    batches {
        a_batch_writes_all_that_it_holds,
        a_batch_that_fails_writes_nothing,
        a_stale_version_writes_nothing,
        closing_ends_what_was_taken_and_takes_no_more,
        a_raised_fence_shuts_an_earlier_batch_out,
        a_wallet_that_is_not_there_is_stale,
        wallets_of_one_statement_stand_and_fall_alone,
        batches_of_any_size_are_written_whole,
        a_negative_balance_is_a_defect_and_not_written,
        a_dropped_caller_leaves_no_batch_half_written,
        a_topup_adds_its_volume_to_its_link,
        a_group_is_leased_by_its_first,
    }
    settings {
        every_change_of_what_requests_look_up_is_counted,
        what_is_taken_back_and_what_is_paid_are_not_counted,
        a_read_that_nobody_waited_for_is_not_told_later,
    }
    guards {
        a_key_in_use_is_key_taken,
        the_same_key_twice_in_a_batch_takes_the_later_out,
        a_recorded_operation_is_already_open,
        an_epoch_that_moved_on_is_epoch_lost,
        an_operation_that_ended_is_epoch_lost,
        ending_twice_in_a_batch_takes_the_later_out,
        a_used_reference_is_reference_taken,
        the_same_reference_twice_in_a_batch_takes_the_later_out,
        another_links_card_is_sim_taken,
        every_culprit_of_a_batch_is_named,
        a_refund_frees_its_key_and_a_success_keeps_it,
    }
    concurrency {
        two_hundred_debits_against_money_for_a_hundred_are_a_hundred,
        settlements_and_usage_of_one_link_do_not_lose_each_other,
        fencing_amid_commits_loses_none,
        two_instances_share_a_wallet,
    }
    counts {
        links_are_counted_by_status_and_kind,
        messages_are_counted_by_status,
        counts_are_right_when_all_is_written_at_once,
        a_count_that_is_wrong_is_found,
        what_was_there_before_is_counted_by_the_migration,
    }
    expiry {
        what_is_over_is_expired_and_taken_off_its_link,
        the_longest_over_are_expired_first,
        a_snapshot_is_of_its_time_whatever_is_stored,
        instances_expire_each_activation_once,
        topups_and_the_end_of_others_do_not_lose_each_other,
        a_link_that_is_being_changed_is_left_for_the_next_time,
    }
    ledger_check {
        a_sound_ledger_is_clean_however_long_it_is,
        a_ledger_row_changed_by_hand_is_found_and_told_until_it_is_mended,
        a_wallet_or_a_total_changed_by_hand_is_found_at_the_next_look,
        a_look_beside_commits_finds_nothing,
        the_runbooks_statement_mends_a_wallet,
    }
    open_work {
        what_is_open_is_counted_and_what_is_over_is_not,
        what_was_refunded_late_is_watched_for_a_horizon_more,
        messages_are_counted_until_they_are_handed_over_and_then_until_they_arrive,
    }
    operations {
        an_operation_reads_back_as_it_was_written,
        how_far_an_operation_is_can_be_read_when_the_rest_cannot,
        a_second_exclusive_operation_finds_the_link_busy,
        a_late_status_is_undone_only_while_the_link_has_the_other,
        a_fee_falls_due_only_while_it_is_not_covered,
        a_key_in_use_refuses_a_free_operation,
        every_operation_recorded_is_counted_and_no_other,
        operations_of_every_kind_and_end_are_counted,
        closing_updates_the_link_once,
        a_name_is_kept_set_or_cleared,
        cancelling_takes_the_volume_off_the_link_once,
        a_removal_that_goes_on_is_not_settled,
        each_due_operation_goes_to_one_of_many_claimers,
        a_claim_shuts_the_previous_holder_out,
        putting_a_refunded_operation_off_as_pending_leaves_it_watched,
        only_what_is_open_can_be_claimed,
        a_group_reads_in_order,
        the_debit_of_an_operation_is_found_after_its_refund,
    }
    sims {
        concurrent_claims_give_distinct_cards,
        known_cards_are_not_added_again,
        a_card_is_given_back_only_by_its_operation,
        a_claim_that_is_over_is_freed,
        the_cards_of_an_operation_are_retired_when_it_is_cleaned_up,
        a_used_card_is_not_retired_into_the_pool,
        stock_says_why_not,
    }
    sms {
        a_message_is_queued_with_its_debit_and_reads_back,
        a_refund_fails_its_message_and_no_other,
        a_message_is_handed_over_once_and_under_its_epoch,
        messages_are_claimed_apart_and_each_by_one_of_many,
        messages_are_listed_and_counted_by_link_and_status,
        an_audit_tells_a_message_that_its_operation_does_not,
    }
    links {
        a_snapshot_has_all_in_force_and_the_newest_hundred_others,
        a_snapshot_unites_the_coverage_in_force,
        usage_is_kept_and_totals_follow,
        totals_follow_what_is_settled_late,
        an_older_reading_changes_nothing,
        termination_is_final,
        where_a_card_was_last_known_to_be_is_kept_and_never_goes_back,
        another_organization_sees_no_link,
    }
    transactions {
        daily_totals_agree_after_a_mixed_load,
        daily_totals_agree_when_instances_and_commands_write_at_once,
        a_turnover_past_all_range_keeps_no_money_from_being_booked,
        any_page_of_any_filter_is_what_counting_gives,
        any_page_is_right_where_days_overlap,
        any_page_is_right_from_blocks,
        any_page_is_right_from_blocks_where_days_overlap,
        the_sums_of_any_period_are_what_counting_gives,
        the_sums_of_any_period_are_right_from_blocks,
        the_sums_of_any_period_are_right_from_blocks_where_days_overlap,
        blocks_are_kept_once_and_a_wrong_one_is_found,
        plans_of_any_period_are_right_from_months,
        days_and_plans_count_what_came_about,
    }
    schema {
        migrating_twice_is_harmless,
        an_empty_database_is_behind,
        the_ledger_refuses_update_and_delete,
        unknown_words_and_amounts_out_of_range_are_refused,
        another_organizations_link_is_refused,
        times_round_trip_to_the_microsecond,
        stored_times_sort_as_times,
        a_word_that_is_not_known_is_broken,
        a_batchs_rows_have_the_columns_of_their_types,
        an_audit_looks_each_row_up_by_an_index_of_its_own,
    }
}

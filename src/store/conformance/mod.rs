//! What every home of the store must do, case by case, over the trait alone. New behaviour starts here; a home adds one
//! [`Home`] and runs the whole suite by `conformance!`.

pub(crate) mod damage;
pub(crate) mod dead_letters;
pub(crate) mod dispositions;
pub(crate) mod durability;
pub(crate) mod evidence;
pub(crate) mod harness;
pub(crate) mod publishing;
pub(crate) mod reading;
pub(crate) mod resolving;
pub(crate) mod subscriptions;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Store, StoreError};

/// Where a store under test lives: it can be opened, left and opened again, be made full, and be tampered with.
#[async_trait]
pub(crate) trait Home: Send + Sync + Sized {
    /// An empty home.
    async fn fresh() -> Self;
    /// Opens the store in it.
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError>;
    /// Lets the open store grow by at most so many bytes from now on; `None` = without limit again.
    async fn limit_growth(&self, bytes: Option<u64>);
    /// Runs a statement behind the store's back. Statements keep to plain SQL.
    async fn tamper(&self, statement: &'static str);
    /// Makes the schema that of a newer program.
    async fn make_newer(&self);
}

/// Runs the suite over a home.
macro_rules! conformance {
    ($home:ty: $($module:ident { $($case:ident)* })*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::store::conformance::$module::$case(&<$home as $crate::store::conformance::Home>::fresh().await).await;
            }
        )*)*
    };
}
pub(crate) use conformance;

/// All cases: `every_case!(MyHome)` in a home's tests.
macro_rules! every_case {
    ($home:ty) => {
        $crate::store::conformance::conformance! { $home:
            publishing {
                a_record_is_published_and_read_back
                every_kind_is_published_and_read_back
                the_same_content_is_a_duplicate
                other_content_is_the_next_revision
                a_given_revision_is_checked
                what_is_referred_to_must_stand
                the_kind_never_changes
                a_batch_lists_every_conflict_and_writes_nothing
                a_record_twice_in_a_batch_works_in_order
                duplicates_stand_beside_new_ones
                a_validated_batch_writes_nothing
                acts_of_a_group_see_each_other
                a_withdrawal_is_a_revision
                times_rise_with_positions
                a_large_group_is_one_commit
                a_group_does_what_its_acts_do_singly
            }
            dispositions {
                a_step_needs_its_nonconformity
                a_step_must_be_possible
                steps_follow_each_other_in_a_batch
                a_disposition_takes_over_what_its_nonconformity_is
                a_correction_keeps_its_place
                a_nonconformity_cannot_begin_elsewhere_under_its_steps
                a_disposition_stays_with_its_nonconformity
                tracks_run_beside_the_state
            }
            resolving {
                a_name_is_resolved_to_its_only_survey_row
                a_name_of_two_enterprises_is_not_resolved
                a_contradicting_region_is_not_resolved
                a_row_of_the_same_batch_counts_and_a_withdrawn_one_does_not
                a_renamed_row_no_longer_answers_to_its_old_name
                a_later_resolution_moves_no_order_key
                survey_rows_are_filed_under_their_core
                a_decision_follows_its_nonconformity
            }
            reading {
                pages_are_bounded
                a_record_is_read_as_it_stood
                superseded_positions_are_told
                revisions_of_an_order_key_are_paged
                subjects_find_records_as_they_stood
                lists_are_filtered_and_paged
                times_are_turned_into_positions
                attestations_never_move_back
            }
            subscriptions {
                a_subscription_is_made_once
                an_old_epoch_is_fenced
                passing_over_is_kept_without_evidence
                a_deleted_subscription_is_gone
                names_are_paged
                deltas_do_what_the_engine_trusts
            }
            dead_letters {
                dead_letters_are_selected_as_the_selector_says
                letters_that_died_later_are_not_in_a_fixed_selection
                dead_letters_are_counted_by_reason
                runs_are_kept_with_what_they_did
                old_runs_are_forgotten
            }
            evidence {
                every_act_has_its_entry
                a_publish_entry_speaks_of_its_positions
                entries_prove_themselves
                entries_are_found_by_what_they_say
                a_search_reads_on_past_what_only_seems_to_fit
                checkpoints_are_kept
            }
            durability {
                a_store_opened_again_goes_on
                groups_are_known_by_their_id
                an_empty_store_is_sound
                a_newer_schema_is_refused
                readers_never_see_gaps_beside_a_writer
                a_full_store_refuses_and_recovers
                without_any_room_it_says_so_and_still_answers
            }
            damage {
                planted_damage_is_found
            }
        }
    };
}
pub(crate) use every_case;

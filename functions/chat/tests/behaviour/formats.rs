//! A part of the suite on every other wire format of models, in each run. The whole suite on one of them:
//! `BATON_TEST_FORMAT=anthropic cargo test -p baton-chat --features aws --test behaviour`.

use std::thread;

use crate::suite::support::OTHERS;
use crate::suite::{actions, contract, conversations, crashes, defects, failures, team};

/// Each on all formats at once. A thread has the name of its service, which a failure tells.
fn on_each(test: fn()) {
    thread::scope(|scope| {
        for service in OTHERS {
            let named = thread::Builder::new().name(service.name.to_owned());
            named.spawn_scoped(scope, || service.plays(test)).unwrap();
        }
    });
}

macro_rules! on_each {
    ($($subject:ident::$test:ident;)*) => {
        $(
            #[test]
            fn $test() {
                on_each($subject::$test);
            }
        )*
    };
}

on_each! {
    contract::a_turn_is_one_json_object_a_line;
    contract::every_word_is_sent_before_the_model_says_the_next_one;
    contract::a_stream_can_be_resumed_behind_any_of_its_lines;
    team::the_active_agent_stays_from_turn_to_turn_and_over_restarts;
    team::a_model_is_shown_whole_turns_within_the_budget;
    team::parallel_calls_are_looked_up_side_by_side_and_answered_in_their_places;
    failures::every_model_failure_ends_the_stream_with_an_error_line_and_a_done_line;
    failures::malformed_arguments_and_unknown_tools_are_answered_to_the_model;
    defects::two_hand_offs_in_one_response_answer_once;
    defects::a_tool_and_a_hand_off_in_one_response_leave_no_call_without_result;
    actions::an_order_is_executed_and_its_result_told;
    actions::a_late_result_is_told_in_the_turn_that_runs;
    crashes::a_turn_that_a_crash_cut_is_answered_once_by_the_next_server;
    crashes::an_action_that_a_crash_cut_is_done_once;
    conversations::a_turn_can_be_stopped_twice_and_the_conversation_goes_on;
}

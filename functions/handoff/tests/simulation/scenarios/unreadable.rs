//! One record that cannot be read hides nothing.

use baton_handoff::Tenant;
use baton_handoff::record::ActionState;

use super::stage::Stage;
use crate::world::lock;

#[test]
fn unreadable_records_hide_no_action_from_operators() {
    let stage = Stage::set();
    lock(&stage.town.records).bury_relics(2);
    stage.say(&[&[("execute_order", r#"{"product":"A","price":1}"#)]]);
    let queued = stage.shown(ActionState::Queued);
    assert_eq!(queued.action.tool, "execute_order");
    let summary = stage.begin(1, |engine| async move {
        engine.action_summary(&Tenant::default()).await
    });
    assert!(stage.end(&summary).is_ok());
}

#[test]
fn a_sweep_goes_on_behind_any_number_of_records_that_it_cannot_read() {
    let stage = Stage::set();
    stage.say(&[&[("execute_order", r#"{"product":"A","price":1}"#)]]);
    let id = stage.shown(ActionState::Queued).action.id;
    lock(&stage.town.records).bury_relics(200);
    let before = stage.town.letters_to(&id.to_string());
    // As sweeps of a few minutes.
    for _ in 0..40 {
        let sweep = stage.begin(2, |engine| async move { engine.sweep().await });
        let _swept = stage.end(&sweep);
        if stage.town.letters_to(&id.to_string()) > before {
            return;
        }
        stage.pass(5_000);
    }
    panic!("no sweep found the action");
}

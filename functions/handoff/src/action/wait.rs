//! How a turn waits for an action that it has accepted.

use crate::engine::Engine;
use crate::ids::ActionId;
use crate::ports::{Millis, millis};
use crate::record::ActionState;
use crate::record::journal::read_action;
use crate::turn::window;

/// The first and the longest pause between two polls of an action that another process may be executing.
const FIRST_PAUSE: Millis = 100;
const LONGEST_PAUSE: Millis = 1_000;

/// Waits until the action has ended or the team's patience is over. Returns the action's state and its result.
pub(crate) async fn wait_for(engine: &Engine, id: &ActionId) -> (ActionState, String) {
    let patience = millis(engine.team.limits.patience);
    let until = engine.env.now() + patience;
    let poked = engine.hub.poked(&id.conversation);
    let mut pause = FIRST_PAUSE;
    let mut last = ActionState::Queued;
    loop {
        let poke = poked.notified();
        let mut poke = std::pin::pin!(poke);
        // Registered before the read, so that an end between the read and the wait is not missed.
        poke.as_mut().enable();
        match read_action(&*engine.store, id).await {
            Ok(Some((_, action))) if action.state.is_terminal() => {
                return (action.state, action.result.unwrap_or_default());
            }
            // A person decides, which takes longer than a customer waits.
            Ok(Some((_, action))) if action.state == ActionState::Proposed => {
                let asked = if action.waits_for_customer() {
                    window::ASKED
                } else {
                    ""
                };
                return (action.state, asked.to_owned());
            }
            Ok(Some((_, action))) => last = action.state,
            Ok(None) => {}
            Err(error) => tracing::warn!(action = %id, %error, "an action could not be read"),
        }
        let now = engine.env.now();
        if now >= until {
            return (last, String::new());
        }
        tokio::select! {
           biased;
            () = poke => {}
            () = engine.env.sleep_until(until.min(now + pause)) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

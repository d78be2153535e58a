//! What the model says next. Knows the request only: no sockets, no clock, no state.
//!
//! `scene` reads the conversation, one module plays each part, `prompts` serves developers, and `words`,
//! `things`, `arguments` and `outcome` read what customers, schemas and tools say.

mod anyone;
mod arguments;
mod issues;
mod outcome;
mod prompts;
mod reception;
mod sales;
mod scene;
mod things;
mod words;

use crate::reply::Reply;
use crate::request::{ChatRequest, ToolChoice};
use scene::{Moment, Scene};

pub(crate) use scene::hash;

/// Prefix of the tools that hand the customer on.
const TRANSFER: &str = "transfer_";
const EXECUTE_ORDER: &str = "execute_order";
const EXECUTE_REFUND: &str = "execute_refund";
const LOOK_UP_ITEM: &str = "look_up_item";

/// The part to play, by the tools in the request.
enum Part {
    Sales,
    Issues,
    Reception,
    Anyone,
}

/// The next answer. Equal requests get equal answers.
pub(crate) fn reply(request: &ChatRequest) -> Reply {
    let scene = Scene::new(request);
    let reply = match prompts::reply(&scene).or_else(|| forced(&scene)) {
        Some(reply) => reply,
        None => play(&scene),
    };
    permitted(request, reply)
}

fn play(scene: &Scene<'_>) -> Reply {
    let mut reply = match scene.moment {
        Moment::Noted => Reply::default(),
        Moment::Spoken | Moment::Results => match part(scene) {
            Part::Sales => sales::reply(scene),
            Part::Issues => issues::reply(scene),
            Part::Reception => reception::reply(scene),
            Part::Anyone => anyone::reply(scene),
        },
    };
    let told = scene.notes.iter().map(|note| outcome::told_late(note));
    let text = reply.text.clone();
    let texts: Vec<String> = told.chain((!text.is_empty()).then_some(text)).collect();
    reply.text = texts.join("\n\n");
    reply
}

fn part(scene: &Scene<'_>) -> Part {
    let orders = scene.tool(EXECUTE_ORDER).is_some();
    let refunds = scene.tool(EXECUTE_REFUND).is_some();
    let transfers = scene.transfers().count();
    match (orders, refunds) {
        (false, true) => Part::Issues,
        // One agent for everything: the topic decides.
        (true, true) if scene.complains() => Part::Issues,
        (true, _) => Part::Sales,
        (false, false) if transfers > 0 && transfers == scene.request.tools.len() => {
            Part::Reception
        }
        (false, false) => Part::Anyone,
    }
}

/// The call that `tool_choice` demands; as with the real service, in every answer as long as it is demanded.
fn forced(scene: &Scene<'_>) -> Option<Reply> {
    let tool = match &scene.request.choice {
        ToolChoice::Auto | ToolChoice::Forbidden => return None,
        ToolChoice::Named(name) => scene.tool(name)?,
        ToolChoice::Required => {
            let reply = play(scene);
            if !reply.calls.is_empty() {
                return Some(reply);
            }
            scene.request.tools.first()?
        }
    };
    Some(Reply::calls(
        &tool.name,
        &arguments::for_tool(tool, &[], scene.said()),
    ))
}

/// The reply without what the client has ruled out.
fn permitted(request: &ChatRequest, mut reply: Reply) -> Reply {
    if request.choice == ToolChoice::Forbidden && !reply.calls.is_empty() {
        reply.calls.clear();
        if reply.text.is_empty() {
            "I would have to look into that first, and I may not at the moment."
                .clone_into(&mut reply.text);
        }
    }
    if !request.parallel_calls {
        reply.calls.truncate(1);
    }
    reply
}

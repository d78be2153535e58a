//! The agent that customers meet first: introduces the house, finds the department, hands on.

use crate::reply::Reply;
use crate::request::Tool;

use super::scene::{Moment, Scene};
use super::words::{Topic, Words};
use super::{anyone, arguments};

const GREETINGS: &[&str] = &[
    "Hello, this is ACME Inc. customer service! Are you after something new, or is it about something you have?",
    "Welcome to ACME Inc.! What brings you here: a wish, or something that did not behave?",
    "ACME Inc., good day! Tell me in a few words: what can we do for you?",
];
const QUESTIONS: &[&str] = &[
    "Gladly. Is it something you would like to have, or something you already own?",
    "Tell me a little more: is it about a new ACME product, or about one that gives you trouble?",
];
const PREFACES: &[&str] = &["", "One moment, I know just the colleague.", ""];

pub(super) fn reply(scene: &Scene<'_>) -> Reply {
    match scene.moment {
        Moment::Results => anyone::tell_results(scene),
        Moment::Spoken | Moment::Noted => answer(scene),
    }
}

fn answer(scene: &Scene<'_>) -> Reply {
    if let Some(tool) = fitting_transfer(scene) {
        let preface = scene.pick(PREFACES).copied().unwrap_or_default();
        return Reply::calls(&tool.name, &arguments::for_tool(tool, &[], scene.said()))
            .saying(preface);
    }
    if Words::of(scene.said()).parts() {
        return Reply::says("You are welcome. ACME Inc. is always here for you.");
    }
    if !scene.instructions.contains("ACME") {
        return Reply::says(format!(
            "{} What is it about?{}",
            anyone::introduction(scene.instructions),
            departments(scene)
        ));
    }
    let texts = if scene.is_opening() {
        GREETINGS
    } else {
        QUESTIONS
    };
    Reply::says(scene.pick(texts).copied().unwrap_or_default())
}

fn departments(scene: &Scene<'_>) -> String {
    let lines = scene.transfers().map(|tool| {
        let name = tool
            .name
            .trim_start_matches(super::TRANSFER)
            .trim_start_matches("to_");
        format!("\n- {}", name.replace('_', " "))
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        format!(" I can connect you to:\n{lines}")
    }
}

/// The hand-off that fits what the customer said, unless it was tried for this message already.
pub(super) fn fitting_transfer<'a>(scene: &Scene<'a>) -> Option<&'a Tool> {
    let topic = Words::of(scene.said()).topic();
    scene
        .transfers()
        .filter(|tool| !scene.called_since_spoken(&tool.name))
        .map(|tool| (fit(tool, topic, scene.said()), tool))
        .filter(|(fit, _)| *fit > 0)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, tool)| tool)
}

/// The topic outweighs any words that the message and the description happen to share.
fn fit(tool: &Tool, topic: Option<Topic>, message: &str) -> usize {
    const TOPIC: usize = 100;
    let about = Words::of(&tool.name.replace('_', " "));
    let (sales, repairs) = (
        about.any(&["sale*", "order*", "shop*"]),
        about.any(&["repair*", "issue*", "refund*"]),
    );
    match (topic, sales, repairs) {
        (Some(Topic::Sales), true, _) | (Some(Topic::Repairs), _, true) => TOPIC,
        (None, _, _) | (Some(_), false, false) => anyone::fit(tool, message),
        // A department of the other topic is wrong, whatever words there are.
        (Some(_), _, _) => 0,
    }
}

use serde_json::json;

use super::scenes::SCRIPT;
use super::*;
use crate::conversation::{Delivery, Message, Thoughts, ToolChoice};

/// Texts of a conversation and of a cue.
const TEXTS: [&str; 13] = [
    "said",
    "case",
    "latest",
    "customer",
    "own",
    "answers",
    "acted",
    "arrived",
    "called",
    "tried",
    "instructions",
    "tools",
    "result",
];
/// Written for a model: a condition may test them, a reply may not have them.
const FOR_THE_MODEL: [&str; 3] = ["instructions", "result", "{result}"];

fn slots_of(template: &str) -> Vec<String> {
    let pieces = template.split(['{', '}']).skip(1).step_by(2);
    pieces
        .map(|piece| piece.split('|').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_name_in_the_file_is_known_and_nothing_for_the_model_gets_into_a_reply() {
    let script = &*SCRIPT;
    let is_set = |set: &String| assert!(script.words.contains_key(set), "no words '{set}'");
    let is_value = |name: &String| {
        let known = [&script.texts, &script.slots].map(|table| table.contains_key(name));
        let known = TEXTS.contains(&name.as_str()) || known.contains(&true);
        assert!(known, "no text or slot '{name}'");
    };
    for entry in script.words.values().flatten() {
        let entry = entry.trim_start_matches('-');
        entry
            .strip_prefix('@')
            .map(str::to_owned)
            .iter()
            .for_each(is_set);
    }
    for finder in script.patterns.values().flatten() {
        finder.mask.iter().chain(&finder.find.set).for_each(is_set);
    }
    for source in script.slots.values().flatten() {
        let (source, unlike) = source.split_once(" != ").unwrap_or((source, "said"));
        is_value(&unlike.to_owned());
        let (text, pattern) = source.split_once(" -> ").unwrap_or((source, "note"));
        assert!(
            script.patterns.contains_key(pattern),
            "no pattern '{pattern}'"
        );
        slots_of(text).iter().for_each(is_value);
        let is_text = TEXTS.contains(&text) || script.texts.contains_key(text);
        assert!(
            is_text || text.contains('{') || !source.contains(" -> "),
            "no texts '{text}'"
        );
        assert!(
            source.contains(" -> ") || !FOR_THE_MODEL.contains(&text),
            "{source} as it is"
        );
    }
    for scene in &script.scenes {
        assert!(
            ["", "result", "note"].contains(&scene.on.as_str()),
            "no '{}'",
            scene.on
        );
        let arguments = scene.calls.iter().flat_map(|call| call.arguments.values());
        let slots = scene
            .reply
            .iter()
            .chain(arguments)
            .flat_map(|text| slots_of(text));
        for slot in slots.chain(scene.repeat.clone()) {
            is_value(&slot);
            assert!(!FOR_THE_MODEL.contains(&slot.as_str()), "{slot} as it is");
        }
        for (name, test) in scene.when.iter().flatten() {
            is_value(name);
            test.set.iter().for_each(is_set);
        }
    }
}

#[test]
fn money_is_written_with_commas() {
    let written = ["7", "950", "1000000", "12.5", "many"].map(dollars);
    let expected = [
        Some("$7"),
        Some("$950"),
        Some("$1,000,000"),
        Some("$12.50"),
        None,
    ];
    assert_eq!(written.each_ref().map(Option::as_deref), expected);
}

#[test]
fn the_thing_is_found_in_what_customers_write() {
    for (text, thing) in [
        (
            "My rocket-powered unicycle exploded, I want my money back",
            Some("rocket-powered unicycle"),
        ),
        (
            "hi. the ACME giant magnet doesn’t work at all",
            Some("giant magnet"),
        ),
        (
            "I want my money back for my new jet skates!",
            Some("jet skates"),
        ),
        ("it exploded", None),
        ("I have a problem with my order", None),
    ] {
        assert_eq!(SCRIPT.find("own_thing", text).as_deref(), thing, "{text}");
    }
    let wanted = |text| SCRIPT.find("wanted_thing", text);
    assert_eq!(
        wanted("I'd like to buy an anvil, please").as_deref(),
        Some("anvil")
    );
    assert_eq!(wanted("How do I catch a roadrunner?"), None);
    assert_eq!(title("rocket-powered unicycle"), "Rocket-Powered Unicycle");
}

#[test]
fn a_complaint_about_a_product_belongs_to_repairs() {
    for (text, topic) in [
        ("I want to buy an anvil", Some("sales")),
        ("What helps against roadrunners?", Some("sales")),
        ("The anvil I bought is broken", Some("repairs")),
        ("I want my money back", Some("repairs")),
        ("good morning", None),
    ] {
        assert_eq!(SCRIPT.find("topic", text).as_deref(), topic, "{text}");
    }
}

#[test]
fn yes_and_no_are_distinguished() {
    for (text, yes, no) in [
        ("Yes!", true, false),
        ("no problem, go ahead", true, false),
        ("No, that did not help", false, true),
        ("that's too expensive", false, true),
        ("what colours are there?", false, false),
    ] {
        assert_eq!(
            (SCRIPT.says("yes", text), SCRIPT.says("no", text)),
            (yes, no),
            "{text}"
        );
    }
}

#[test]
fn results_of_every_shape_are_read() {
    for (text, outcome) in [
        (r#"{"order_number":1007}"#, "done"),
        (r#"{"status":"done","result":{"refund_id":"R-7"}}"#, "done"),
        (r#"{"status":"pending","note":"accepted"}"#, "pending"),
        (r#"{"state":"needs_approval"}"#, "approval"),
        (r#"{"state":"unknown"}"#, "unknown"),
        (r#"{"error":{"message":"Refunded before."}}"#, "refused"),
        (r#"{"error":false,"ok":true}"#, "done"),
        (r#"{"status":"rejected","reason":"too much"}"#, "refused"),
        (r#"{"ok":false}"#, "refused"),
        (r#"Late result of execute_order: {"order_id":"A1"}"#, "done"),
        (
            r#"[Result of execute_refund, which was pending: {"status":"done"}]"#,
            "done",
        ),
        (r#"Rejected, nothing was done: {"code":"R7"}"#, "refused"),
        (r#"[{"status":"failed"}]"#, "done"),
        ("Accepted and pending.", "pending"),
        (
            "Accepted and pending: it will be done, but is not done yet. Tell the customer so.",
            "pending",
        ),
        (
            "Accepted and pending: a colleague has to approve it first, nothing is done yet. Tell the customer so.",
            "approval",
        ),
        (
            "Nobody can say yet whether this was done, and it must not be tried again; a colleague will look at it.",
            "unknown",
        ),
        ("Error: no such item.", "refused"),
        ("\"success\"", "done"),
    ] {
        assert_eq!(
            SCRIPT
                .find("outcome", &results::lines(text, ""))
                .unwrap_or("done".to_owned()),
            outcome,
            "{text}"
        );
    }
}

#[test]
fn of_a_list_the_object_with_most_words_of_the_question_is_read() {
    let found = json!({ "count": 2, "items": [{ "item_id": "a", "name": "Giant Magnet" }, { "item_id": "b", "name": "Unicycle" }] });
    let lines = |asked| results::lines(&found.to_string(), asked);
    let unicycle = "around=\n.count=2\n.items.000001.item_id=b\n.items.000001.name=Unicycle\n";
    assert_eq!(lines("my unicycle"), unicycle);
    assert!(
        lines("giant magnet").contains("item_id=a"),
        "{}",
        lines("giant magnet")
    );
    assert_eq!(
        lines("nothing of it"),
        lines("giant"),
        "the first of equals"
    );
}

#[test]
fn scenes_from_outside_come_before_those_of_the_file() {
    let said = |scenes: &Scenes, text: &str| {
        let request = Conversation {
            model: "m".to_owned(),
            messages: vec![Message::User(text.to_owned())],
            tools: Vec::new(),
            choice: ToolChoice::Auto,
            parallel_calls: true,
            max_tokens: None,
            delivery: Delivery::Whole,
            thoughts: Thoughts::Off,
            caches: false,
        };
        reply(scenes, &request).text
    };
    let mine = "[words]\nparting = [\"farewell\"]\n[[scene]]\nwhen = [{ said = \"@parting\" }]\nreply = [\"Mine.\"]\n";
    let scenes = Scenes::with_first(mine).unwrap();
    assert_eq!(said(&scenes, "Farewell!"), "Mine.");
    // A set of the same name takes the place of the file's; all else stays.
    assert_ne!(said(&scenes, "Bye!"), said(&Scenes::default(), "Bye!"));
    let sample = "Show me some markdown.";
    assert_eq!(said(&scenes, sample), said(&Scenes::default(), sample));
    for bad in [
        "[[scene]]\nsays = \"x\"",
        "[[scene]]\nwhen = [{ said = \"(\" }]",
        "scene",
    ] {
        assert!(Scenes::with_first(bad).is_err(), "{bad}");
    }
}

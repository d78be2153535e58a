//! Whole conversations with the ACME team, turn by turn.

use serde_json::json;

use crate::client::{Conversation, Server, tool};

fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no '{part}' in: {text}");
}

#[tokio::test]
async fn triage_greets_for_acme_and_stays_when_there_is_no_topic() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    let turn = conversation.say("Hi there").await;
    assert_has(&turn.text, "ACME");
    assert!(
        turn.text.ends_with('?') && turn.calls.is_empty(),
        "{turn:?}"
    );
    let turn = conversation.say("I am not sure myself").await;
    assert!(
        turn.text.ends_with('?') && turn.calls.is_empty(),
        "{turn:?}"
    );
}

#[tokio::test]
async fn a_buyer_gets_product_price_caveat_and_order() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation.say("hello").await;
    let turn = conversation.say("I want to buy an anvil").await;
    assert_eq!(turn.names(), ["transfer_to_sales_agent"]);
    assert_has(&turn.text, "roadrunner");

    let turn = conversation.say("Yes, he outruns me every day").await;
    assert_has(&turn.text, "**ACME Anvil**");
    assert!(
        !turn.text.contains('$'),
        "the price comes later: {}",
        turn.text
    );

    let turn = conversation.say("Tell me").await;
    assert_has(&turn.text, "$");
    let price: u64 = turn
        .text
        .split('$')
        .nth(1)
        .unwrap()
        .split('*')
        .next()
        .unwrap()
        .replace(',', "")
        .parse()
        .unwrap();

    let turn = conversation.say("Yes!").await;
    assert_has(&turn.text, "One small thing");
    assert!(turn.calls.is_empty());

    let turn = conversation.say("ok, go ahead").await;
    assert_eq!(
        turn.calls,
        [(
            "execute_order".to_owned(),
            json!({ "product": "Anvil", "price": price })
        )]
    );
    assert_has(&turn.text, "A-1007");

    let turn = conversation.say("thank you").await;
    assert!(
        turn.calls.is_empty() && !turn.text.contains("**ACME"),
        "{turn:?}"
    );
}

#[tokio::test]
async fn a_second_order_in_one_conversation_is_a_deal_of_its_own() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    for text in ["How do I catch a roadrunner?", "tell me", "yes", "yes"] {
        conversation.say(text).await;
    }
    let turn = conversation.say("Now I want to buy a catapult").await;
    assert_has(&turn.text, "**ACME Catapult**");
    conversation.say("how much?").await;
    conversation.say("yes").await;
    let turn = conversation.say("yes").await;
    assert_eq!(turn.calls[0].1["product"], "Catapult");
}

#[tokio::test]
async fn a_buyer_who_changes_their_mind_orders_the_other_product() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation
        .say("I want to buy an anvil against a roadrunner")
        .await;
    conversation.say("how much?").await;
    let turn = conversation.say("I would rather buy a bicycle pump").await;
    assert_has(&turn.text, "**ACME Bicycle Pump**");
    for text in ["the price?", "yes"] {
        conversation.say(text).await;
    }
    assert_eq!(
        conversation.say("yes").await.calls[0].1["product"],
        "Bicycle Pump"
    );
}

#[tokio::test]
async fn a_buyer_who_says_no_is_offered_something_else_and_nothing_is_ordered() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation
        .say("I need an anvil against a roadrunner, what do you sell?")
        .await;
    conversation.say("what does it cost?").await;
    let turn = conversation.say("No, that is too expensive").await;
    assert_has(&turn.text, "Then perhaps");
    assert!(!turn.text.contains("Anvil"), "{}", turn.text);
    let turn = conversation.say("no thanks, bye").await;
    assert!(
        turn.calls.is_empty() && !turn.text.contains("**ACME"),
        "{turn:?}"
    );
}

#[tokio::test]
async fn an_exploded_unicycle_gets_to_a_refund_in_three_turns() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    let turn = conversation
        .say("My rocket-powered unicycle exploded, I want my money back")
        .await;
    assert_eq!(turn.names(), ["transfer_to_issues_and_repairs"]);
    assert_has(&turn.text, "rocket-powered unicycle");
    assert_has(&turn.text, "What exactly happened");

    let turn = conversation
        .say("I lit the fuse and the saddle was gone")
        .await;
    assert_has(&turn.text, "try this first");
    assert!(turn.calls.is_empty());

    let turn = conversation.say("No. Give me a refund!").await;
    assert_eq!(
        turn.calls,
        [
            (
                "look_up_item".to_owned(),
                json!({ "search_query": "rocket-powered unicycle" })
            ),
            (
                "execute_refund".to_owned(),
                json!({ "item_id": "item_42", "reason": "My rocket-powered unicycle exploded, I want my money back" }),
            ),
        ]
    );
    assert_has(&turn.text, "R-9");
    assert_has(&turn.text, "$1,200");
}

#[tokio::test]
async fn a_fix_that_does_not_help_leads_to_an_offer_and_a_yes_to_the_refund() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation.say("my giant magnet is broken").await;
    conversation.say("It does not attract anything").await;
    let turn = conversation.say("That did not help").await;
    assert_has(&turn.text, "shall I refund your giant magnet");
    let turn = conversation.say("Yes please").await;
    assert_eq!(turn.calls[1].1["item_id"], "item_31");
}

#[tokio::test]
async fn a_fix_that_helps_ends_the_case_without_a_refund() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation.say("my giant magnet is broken").await;
    conversation.say("It does not attract anything").await;
    let turn = conversation.say("great, it works again, thanks").await;
    assert_has(&turn.text, "glad");
    assert!(turn.calls.is_empty());
}

#[tokio::test]
async fn a_refused_or_pending_refund_is_told_as_it_is() {
    let server = Server::start().await;
    for (result, told) in [
        (
            json!({ "error": "This item was refunded before." }),
            "did not go through: This item was refunded before.",
        ),
        (
            json!({ "status": "pending", "message": "accepted and pending" }),
            "still pending",
        ),
        (
            json!({ "status": "needs_approval" }),
            "A colleague has to look",
        ),
    ] {
        let mut conversation = Conversation::new(&server);
        conversation.results.insert("execute_refund", result);
        conversation
            .say("My rocket-powered unicycle exploded")
            .await;
        conversation.say("It just did").await;
        let turn = conversation.say("refund it").await;
        assert_has(&turn.text, told);
        assert!(!turn.text.contains("done"), "{}", turn.text);
    }
}

#[tokio::test]
async fn an_item_that_is_not_found_is_asked_for_again() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation.results.insert("look_up_item", json!([]));
    conversation.say("My thingamajig exploded").await;
    conversation.say("It just did").await;
    let turn = conversation.say("I want a refund").await;
    assert_eq!(turn.names(), ["look_up_item"]);
    assert_has(&turn.text, "Which product is it?");

    conversation
        .results
        .insert("look_up_item", json!("item_77 is a tornado seed"));
    let turn = conversation.say("tornado seeds").await;
    assert_eq!(turn.calls[0].1["search_query"], "tornado seeds");
    assert_eq!(turn.calls[1].1["item_id"], "item_77");
}

#[tokio::test]
async fn who_asks_again_after_a_refund_gets_a_new_call_and_its_answer() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation
        .say("My rocket-powered unicycle exploded")
        .await;
    conversation.say("It just did").await;
    conversation.say("refund it").await;
    conversation
        .results
        .insert("execute_refund", json!({ "error": "already refunded" }));
    let turn = conversation.say("I want that refund again").await;
    assert_eq!(turn.names(), ["look_up_item", "execute_refund"]);
    assert_has(&turn.text, "already refunded");
}

#[tokio::test]
async fn a_repair_topic_in_sales_goes_by_triage_to_repairs_and_back() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation.say("I want to buy an anvil").await;
    let turn = conversation
        .say("By the way, my rocket-powered unicycle exploded")
        .await;
    assert_eq!(
        turn.names(),
        ["transfer_back_to_triage", "transfer_to_issues_and_repairs"]
    );
    assert_has(&turn.text, "rocket-powered unicycle");
    let turn = conversation
        .say("Never mind. I would like to buy a giant magnet instead")
        .await;
    assert_eq!(
        turn.names(),
        ["transfer_back_to_triage", "transfer_to_sales_agent"]
    );
    assert_eq!(conversation.agent, "sales");
}

#[tokio::test]
async fn a_late_result_is_told_once() {
    let server = Server::start().await;
    for (role, empty_message) in [("system", false), ("system", true), ("user", false)] {
        let mut conversation = Conversation::new(&server);
        conversation
            .results
            .insert("execute_refund", json!({ "status": "pending" }));
        for text in ["My giant magnet exploded", "It just did", "refund it"] {
            conversation.say(text).await;
        }
        let note =
            r#"[Result of execute_refund, which was pending: {"status":"done","refund_id":"R-5"}]"#;
        conversation
            .history
            .push(json!({ "role": role, "content": note }));
        if empty_message {
            conversation
                .history
                .push(json!({ "role": "user", "content": "" }));
        }
        let turn = conversation.run().await;
        assert_has(&turn.text, "your refund is done. The number is **R-5**");
        let turn = conversation.say("thanks").await;
        assert!(!turn.text.contains("R-5"), "{}", turn.text);
    }
}

#[tokio::test]
async fn a_transfer_that_was_refused_is_not_tried_again() {
    let server = Server::start().await;
    let transfer = tool("transfer_to_sales_agent", &json!({}), &[]);
    let call = json!({ "id": "c1", "type": "function", "function": { "name": "transfer_to_sales_agent", "arguments": "{}" } });
    let request = json!({ "model": "m", "tools": [transfer], "messages": [
        { "role": "system", "content": "You are ACME's bot." },
        { "role": "user", "content": "I want to buy an anvil" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "c1", "content": "not transferred: too many hand-offs" },
    ]});
    let message = &server.whole(&request).await["choices"][0]["message"];
    assert!(
        message["tool_calls"].is_null() && !message["content"].as_str().unwrap().is_empty(),
        "{message}"
    );
}

#[tokio::test]
async fn an_agent_of_an_unknown_team_greets_and_looks_things_up() {
    let server = Server::start().await;
    let weather = tool(
        "get_weather",
        &json!({ "city": { "type": "string" }, "days": { "type": "integer" } }),
        &["city", "days"],
    );
    let system =
        json!({ "role": "system", "content": "You are the concierge of the Hotel Post. Be kind." });
    let ask = |text: &str| json!({ "model": "m", "tools": [weather], "messages": [system, { "role": "user", "content": text }] });

    let hello = server.whole(&ask("hello")).await;
    let text = hello["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("Hello") && text.ends_with('?'), "{text}");
    assert!(!text.contains("concierge"), "{text}");

    let call = server
        .whole(&ask("How is the weather in Bern for 3 days?"))
        .await;
    let function = &call["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(function["name"], "get_weather");
    let arguments: serde_json::Value =
        serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["days"], 3);
    assert_has(arguments["city"].as_str().unwrap(), "Bern");
}

#[tokio::test]
async fn a_developers_calls_are_made_as_they_are_written() {
    let server = Server::start().await;
    let mut conversation = Conversation::new(&server);
    conversation.agent = "issues";
    let turn = conversation
        .say(r#"rehearse: call execute_refund {"item_id": "item_9", "reason": "test"}"#)
        .await;
    assert_eq!(
        turn.calls,
        [(
            "execute_refund".to_owned(),
            json!({ "item_id": "item_9", "reason": "test" })
        )]
    );
    assert_has(&turn.text, "R-9");
    let turn = conversation.say("rehearse: call launch_rocket {}").await;
    assert_has(&turn.text, "no tool `launch_rocket`");
}

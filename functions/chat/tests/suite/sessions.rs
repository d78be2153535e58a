//! Sessions: visitors and their cookies, tokens of widgets, and signing in.

use std::time::Duration;

use baton_rehearsal::scripted::ScriptedModel;
use futures_util::future::join_all;
use serde_json::json;

use super::asking::{
    and, bearer, begin, by_token, get, id_in, own, post, session, token_in, visitor,
};
use super::matrix::shared::callers::{Caller, Standing, cookie_of};
use super::matrix::shared::tokens::{OF_CUSTOMERS, customer, now, signed, signed_as, with};
use super::matrix::shared::{Ask, Asks as _, Mode};
use super::matrix::{open, open_for, open_with};
use super::support::{Setup, clerk};

#[tokio::test]
async fn the_first_message_makes_a_visitor_whose_cookie_no_script_reads() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open_for(Mode::Visitors, &model, &["https://chat.example"]).await;
    let client = server.client();
    let here = begin(&client, &Caller::nobody()).await;
    let cookie = here.headers["set-cookie"].join("\n");
    let (value, flags) = cookie.split_once("; ").unwrap();
    assert!(value.starts_with("baton=ey"), "{cookie}");
    assert_eq!(flags, "Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax");
    assert_eq!(here.headers["cache-control"], ["no-store"]);
    let far = Caller::new("far", Standing::Nobody, &[("host", "chat.example")]);
    let cookie = begin(&client, &far).await.headers["set-cookie"].join("\n");
    let (value, flags) = cookie.split_once("; ").unwrap();
    assert!(value.starts_with("__Host-baton=ey"), "{cookie}");
    assert_eq!(
        flags,
        "Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"
    );

    let visitor = Caller::new(
        "a visitor",
        Standing::Other,
        &[("cookie", &cookie_of(&here).unwrap())],
    );
    let again = begin(&client, &visitor).await;
    assert_eq!(
        again.headers.get("set-cookie"),
        None,
        "one cookie is enough"
    );
    let mut both = vec![id_in(&again), id_in(&here)];
    both.sort();
    let mut listed = own(&client, &visitor).await;
    listed.sort();
    assert_eq!(listed, both);
    // More than half of its life later the cookie is renewed with the next message, and the old one is still good.
    server.time_passes(Duration::from_hours(201 * 24));
    let renewed = begin(&client, &visitor).await;
    let newer = cookie_of(&renewed).unwrap();
    let newer = Caller::new("the same", Standing::Other, &[("cookie", &newer)]);
    server.time_passes(Duration::from_hours(200 * 24));
    assert_eq!(own(&client, &newer).await.len(), 3);
    let old = get(&client, &visitor, "/conversations").await;
    assert_eq!(old.status, 401);
    assert!(
        old.headers["set-cookie"][0].contains("Max-Age=0"),
        "{old:?}"
    );
}

#[tokio::test]
async fn a_first_message_without_a_credential_chooses_no_name() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Visitors, &model).await;
    let client = server.client();
    let named = json!({ "message": "hello", "conversation_id": "c" });
    let refused = post(&client, &Caller::nobody(), named).await;
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("BATON_AUTH=open"), "{refused:?}");
    assert_eq!(refused.headers.get("set-cookie"), None);
    assert_eq!(model.requests().len(), 0);
}

#[tokio::test]
async fn a_session_says_who_asks_and_how_strangers_are_treated() {
    for (mode, strangers, made) in [
        (Mode::Open, "open", 403),
        (Mode::Visitors, "visitors", 200),
        (Mode::Tokens, "refused", 401),
    ] {
        let model = ScriptedModel::responding(clerk).await;
        let (server, people) = open(mode, &model).await;
        let client = server.client();
        let nobody = get(&client, &Caller::nobody(), "/session").await.json();
        let none =
            json!({ "kind": null, "name": null, "expires_at": null, "strangers": strangers });
        assert_eq!(nobody, none);
        let reply = session(&client, &Caller::nobody(), json!({})).await;
        assert_eq!(reply.status, made, "{mode:?}: {reply:?}");
        if made == 200 {
            let visitor = get(&client, &bearer(&token_in(&reply)), "/session")
                .await
                .json();
            assert_eq!(visitor["kind"], "visitor");
        }
        let claims = with(customer("coyote"), "name", "Wile E.");
        let shown = get(&client, &bearer(&signed(&claims, OF_CUSTOMERS)), "/session")
            .await
            .json();
        assert_eq!(
            (&shown["kind"], &shown["name"]),
            (&json!("customer"), &json!("Wile E."))
        );
        for (caller, kind) in [
            (bearer(&people.shop), "service"),
            (people.operator.clone(), "operator"),
        ] {
            let shown = get(&client, &caller, "/session").await.json();
            assert_eq!(shown["kind"], kind);
            assert_eq!(shown.get("token"), None);
        }
    }
}

#[tokio::test]
async fn a_service_makes_tokens_of_customers_for_5_to_15_minutes() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, people) = open(Mode::Tokens, &model).await;
    let client = server.client();
    let service = bearer(&people.sessions);
    let wanted =
        |minutes: u64| json!({ "subject": "coyote", "name": "Wile E.", "minutes": minutes });
    for minutes in [0, 4, 16, u64::MAX] {
        let refused = session(&client, &service, wanted(minutes)).await;
        assert_eq!(refused.status, 400, "{minutes}: {refused:?}");
    }
    for subject in ["", "a\nb", &"x".repeat(256)] {
        let refused = session(&client, &service, json!({ "subject": subject })).await;
        assert_eq!(refused.status, 400, "{subject:?}: {refused:?}");
    }
    let refused = session(&client, &bearer(&people.namesake), wanted(5)).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    for (asked, minutes) in [
        (wanted(5), 5),
        (wanted(15), 15),
        (json!({ "subject": "coyote" }), 10),
    ] {
        let made = session(&client, &service, asked).await;
        let end = made.json()["expires_at"].as_u64().unwrap() / 1000;
        assert!(
            (minutes * 60 - 30..=minutes * 60 + 1).contains(&(end - now())),
            "{made:?}"
        );
    }
    let widget = bearer(&token_in(&session(&client, &service, wanted(5)).await));
    let conversation = id_in(&begin(&client, &widget).await);
    // It is the customer, by whatever credential.
    assert_eq!(own(&client, &by_token("coyote")).await, [conversation]);
    let shown = get(&client, &widget, "/session").await.json();
    assert_eq!(
        (&shown["kind"], &shown["name"]),
        (&json!("customer"), &json!("Wile E."))
    );
    server.time_passes(Duration::from_mins(7));
    assert_eq!(get(&client, &widget, "/conversations").await.status, 401);
}

#[tokio::test]
async fn a_widgets_token_is_refused_in_a_page_of_another_origin() {
    let model = ScriptedModel::responding(clerk).await;
    let (shop, other) = ("https://shop.example", "https://other.example");
    let (server, people) = open_for(Mode::Tokens, &model, &[shop, other]).await;
    let client = server.client();
    let wanted = json!({ "subject": "coyote", "origin": shop });
    let made = session(&client, &bearer(&people.shop), wanted).await;
    let widget = bearer(&token_in(&made));
    for (origin, status) in [
        (shop, 200),
        (other, 401),
        ("http://shop.example", 403),
        ("null", 403),
    ] {
        let caller = and(&widget, "origin", origin);
        let reply = get(&client, &caller, "/conversations").await;
        assert_eq!(reply.status, status, "{origin}: {reply:?}");
    }
    assert_eq!(get(&client, &widget, "/conversations").await.status, 200);
}

#[tokio::test]
async fn a_visitor_who_signs_in_keeps_its_conversations_and_its_cookie_opens_nothing() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Visitors, &model).await;
    let client = server.client();
    let (visitor, conversation) = visitor(&client).await;
    let cookie = visitor.headers[0].1.clone();
    let path = format!("/conversations/{conversation}");
    let coyote = by_token("coyote");
    assert_eq!(get(&client, &coyote, &path).await.status, 404);

    let both = and(&coyote, "cookie", &cookie);
    let signed_in = session(&client, &both, json!({})).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert_eq!(signed_in.json()["kind"], "customer");
    assert!(
        signed_in.headers["set-cookie"][0].contains("Max-Age=0"),
        "{signed_in:?}"
    );
    assert_eq!(get(&client, &coyote, &path).await.status, 200);
    assert_eq!(
        own(&client, &coyote).await,
        std::slice::from_ref(&conversation)
    );
    let goes_on = json!({ "message": "and on", "conversation_id": conversation });
    let second = post(&client, &coyote, goes_on.clone()).await;
    assert_eq!(second.headers["x-turn"], ["2"]);

    for rest in ["", "/export", "/events", "/turns/1/events"] {
        let reply = get(&client, &visitor, &format!("{path}{rest}")).await;
        assert_eq!(reply.status, 404, "{rest}: {reply:?}");
    }
    for message in [
        goes_on,
        json!({ "message": "x" }),
        json!({ "message": "x", "conversation_id": "c" }),
    ] {
        let reply = post(&client, &visitor, message.clone()).await;
        assert_eq!(reply.status, 404, "{message}: {reply:?}");
    }
    let listed = get(&client, &visitor, "/conversations").await;
    assert!(!listed.body.contains(&conversation), "{listed:?}");

    // Once more is the same. Another customer, also one of another tenant, is too late.
    assert_eq!(session(&client, &both, json!({})).await.status, 200);
    let far = signed(&with(customer("coyote"), "tenant", "acme"), OF_CUSTOMERS);
    for late in [by_token("roadrunner"), bearer(&far)] {
        let refused = session(&client, &and(&late, "cookie", &cookie), json!({})).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        assert_eq!(get(&client, &late, &path).await.status, 404);
    }
    assert_eq!(own(&client, &coyote).await, [conversation]);
}

#[tokio::test]
async fn who_leaves_has_no_cookie_any_more_whatever_it_was() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Visitors, &model).await;
    let client = server.client();
    let (visitor, _conversation) = visitor(&client).await;
    let broken = Caller::new("broken", Standing::Bad, &[("cookie", "baton=nonsense")]);
    for caller in [&visitor, &broken] {
        let left = client.ask(&Ask::new("DELETE", "/session", caller)).await;
        assert_eq!(left.status, 204, "{left:?}");
        assert!(
            left.headers["set-cookie"][0].starts_with("baton=; Path=/; Max-Age=0;"),
            "{left:?}"
        );
    }
    let nobody = Caller::nobody();
    let left = client.ask(&Ask::new("DELETE", "/session", &nobody)).await;
    assert_eq!((left.status, left.headers.get("set-cookie")), (204, None));
    let page = and(&visitor, "origin", "https://elsewhere.example");
    let refused = client.ask(&Ask::new("DELETE", "/session", &page)).await;
    assert_eq!(refused.status, 403, "another site signs nobody out");
}

#[tokio::test]
async fn a_visitor_who_signs_in_twice_at_once_becomes_one_customer() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Visitors, &model).await;
    let client = server.client();
    for _ in 0..8 {
        let (visitor, conversation) = visitor(&client).await;
        let (_, cookie) = &visitor.headers[0];
        let customers = ["coyote", "roadrunner", "coyote", "roadrunner"];
        let tries = customers.map(async |name| {
            let caller = and(&by_token(name), "cookie", cookie);
            (name, session(&client, &caller, json!({})).await.status)
        });
        let statuses = join_all(tries).await;
        let (winner, _) = statuses.iter().find(|(_, status)| *status == 200).unwrap();
        for (name, status) in &statuses {
            assert_eq!(
                *status,
                if name == winner { 200 } else { 409 },
                "{statuses:?}"
            );
        }
        for name in ["coyote", "roadrunner"] {
            let has = own(&client, &by_token(name)).await.contains(&conversation);
            assert_eq!(has, name == *winner, "{name}: {statuses:?}");
        }
    }
}

#[tokio::test]
async fn a_customer_signs_in_as_sixteen_visitors_at_most() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Visitors, &model).await;
    let client = server.client();
    let coyote = by_token("coyote");
    for number in 1..=17 {
        let visitor = token_in(&session(&client, &Caller::nobody(), json!({})).await);
        let reply = session(&client, &coyote, json!({ "visitor": visitor })).await;
        assert_eq!(
            reply.status,
            if number <= 16 { 200 } else { 409 },
            "{reply:?}"
        );
    }
    let nonsense = session(&client, &coyote, json!({ "visitor": "nonsense" })).await;
    assert_eq!(nonsense.status, 400, "{nonsense:?}");
}

#[tokio::test]
async fn a_header_of_ours_is_stronger_than_the_usual_one() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, people) = open(Mode::Tokens, &model).await;
    let client = server.client();
    let token = signed(&customer("coyote"), OF_CUSTOMERS);
    let ours = Caller::new(
        "ours",
        Standing::Other,
        &[("x-baton-authorization", &format!("Bearer {token}"))],
    );
    let conversation = id_in(&begin(&client, &ours).await);
    let signature = "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y";
    let roadrunner = format!("Bearer {}", signed(&customer("roadrunner"), OF_CUSTOMERS));
    for usual in [signature, &roadrunner, "Basic dTpw", "Bearer nonsense"] {
        let both = and(&ours, "authorization", usual);
        assert_eq!(
            own(&client, &both).await,
            std::slice::from_ref(&conversation),
            "{usual}"
        );
    }
    // A service acts for the customer that it names, and for no other.
    let for_customer = |name: &str| and(&bearer(&people.shop), "x-baton-customer", name);
    assert_eq!(own(&client, &for_customer("coyote")).await, [conversation]);
    assert_eq!(
        own(&client, &for_customer("roadrunner")).await,
        [] as [String; 0]
    );
    let spoken = id_in(&begin(&client, &for_customer("roadrunner")).await);
    assert_eq!(own(&client, &by_token("roadrunner")).await, [spoken]);
}

#[tokio::test]
async fn an_issuer_that_is_down_stops_nobody_else() {
    let model = ScriptedModel::responding(clerk).await;
    // Nothing listens on this port.
    let issuer = [
        ("BATON_JWT_ISSUER", "http://127.0.0.1:9".to_owned()),
        ("BATON_JWT_AUDIENCE", "chat".to_owned()),
    ];
    let (server, people) = open_with(Mode::Visitors, Setup::new(&model), &issuer).await;
    let client = server.client();
    let claims = with(customer("coyote"), "iss", "http://127.0.0.1:9");
    let token = signed_as(
        &json!({ "alg": "ES256", "kid": "k" }),
        &claims,
        OF_CUSTOMERS,
    );
    let late = get(&client, &bearer(&token), "/conversations").await;
    assert_eq!(late.status, 503, "{late:?}");
    let seconds: u64 = late.headers["retry-after"][0].parse().unwrap();
    assert!((1..=60).contains(&seconds), "{late:?}");
    let (visitor, conversation) = visitor(&client).await;
    assert_eq!(own(&client, &visitor).await, [conversation]);
    let service = and(&bearer(&people.shop), "x-baton-customer", "coyote");
    let of_service = id_in(&begin(&client, &service).await);
    let wanted = json!({ "subject": "coyote" });
    let widget = token_in(&session(&client, &bearer(&people.shop), wanted).await);
    assert_eq!(own(&client, &bearer(&widget)).await, [of_service]);
    for operator in [&people.operator, &people.operators[1]] {
        let listed = get(&client, operator, "/actions").await;
        assert_eq!(listed.status, 200, "{}: {listed:?}", operator.name);
    }
}

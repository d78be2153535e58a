//! Who opens a conversation, and who does not.

use std::time::Duration;

use baton_handoff::ids::ConversationId;
use baton_handoff::{
    Accepted, CannotRegenerate, EraseError, Followed, Kind, Principal, Refusal, SignInError,
    StopError, Subject, Tenant, View,
};

use crate::play::{Play, a_minute_passes, listen, message};

fn principal(kind: Kind, subject: &str) -> Principal {
    in_tenant("default", kind, subject)
}

fn in_tenant(tenant: &str, kind: Kind, subject: &str) -> Principal {
    let subject = Subject::parse(subject).unwrap();
    Principal::new(Tenant::parse(tenant).unwrap(), kind, subject)
}

fn name(raw: &str) -> ConversationId {
    ConversationId::parse(raw).unwrap()
}

/// Says something in a new conversation of this principal.
async fn begin(play: &Play, principal: &Principal) -> ConversationId {
    let conversation = play.engine.begin(principal);
    let accepted = conversation.submit(message("hello")).await.unwrap();
    listen(&accepted).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    conversation.id().clone()
}

async fn say(play: &Play, id: &ConversationId, principal: &Principal) -> Result<Accepted, Refusal> {
    let conversation = play.engine.conversation(id, principal);
    conversation.submit(message("and?")).await
}

async fn reads(play: &Play, id: &ConversationId, principal: &Principal) -> bool {
    let conversation = play.engine.conversation(id, principal);
    conversation
        .history(None, 10, View::Customer)
        .await
        .unwrap()
        .is_some()
}

async fn listed(play: &Play, principal: &Principal) -> Vec<ConversationId> {
    let page = play.engine.conversations(principal, None, 100).await;
    let conversations = page.unwrap().conversations.into_iter();
    conversations.map(|one| one.id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stranger_finds_no_conversation_whatever_it_asks_for() {
    let play = Play::begin();
    let ann = principal(Kind::Customer, "ann");
    let id = begin(&play, &ann).await;
    let strangers = [
        Principal::Open,
        principal(Kind::Customer, "bob"),
        principal(Kind::Visitor, "ann"),
        principal(Kind::Service, "ann"),
        in_tenant("other", Kind::Customer, "ann"),
        in_tenant("other", Kind::Operator, "carl"),
    ];
    for stranger in strangers {
        let theirs = play.engine.conversation(&id, &stranger);
        assert!(
            theirs
                .history(None, 10, View::Customer)
                .await
                .unwrap()
                .is_none()
        );
        assert!(theirs.export(View::Customer).await.unwrap().is_none());
        assert!(theirs.pulse().await.unwrap().is_none());
        let followed = theirs.follow(1, None).await.unwrap();
        assert!(matches!(followed, Followed::NoSuchTurn), "{stranger:?}");
        let stopped = theirs.stop(1).await;
        assert!(matches!(stopped, Err(StopError::NotFound)), "{stranger:?}");
        let anew = theirs.regenerate(1).await;
        assert!(matches!(anew, Err(CannotRegenerate::NotFound)));
        let erased = theirs.erase().await;
        assert!(matches!(erased, Err(EraseError::NotFound)));
        let said = theirs.submit(message("let me in")).await;
        assert_eq!(said.unwrap_err(), Refusal::NotFound, "{stranger:?}");
        assert_eq!(listed(&play, &stranger).await, []);
    }
    assert!(reads(&play, &id, &ann).await);
    assert_eq!(listed(&play, &ann).await, [id]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_oversees_the_conversations_of_its_tenant_and_does_not_speak_in_them() {
    let play = Play::begin();
    let id = begin(&play, &principal(Kind::Customer, "ann")).await;
    let nobodys = begin(&play, &Principal::Open).await;
    let carl = principal(Kind::Operator, "carl");
    assert!(reads(&play, &id, &carl).await);
    assert!(reads(&play, &nobodys, &carl).await);
    let said = say(&play, &id, &carl).await;
    assert_eq!(said.unwrap_err(), Refusal::NotFound);
    let conversation = play.engine.conversation(&id, &carl);
    conversation.erase().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_means_another_conversation_to_each_owner() {
    let play = Play::begin();
    let (ann, bob) = (
        principal(Kind::Visitor, "ann"),
        principal(Kind::Visitor, "bob"),
    );
    let planted = name("attackers-fresh-id");
    for owner in [&ann, &bob] {
        let accepted = say(&play, &planted, owner).await.unwrap();
        assert_eq!(accepted.turn, 1);
        listen(&accepted).await;
    }
    let [anns] = listed(&play, &ann).await.try_into().unwrap();
    let [bobs] = listed(&play, &bob).await.try_into().unwrap();
    assert_ne!(anns, bobs);
    // Both the name and the id go on.
    for (owner, own) in [(&ann, &anns), (&bob, &bobs)] {
        for id in [&planted, own] {
            assert!(reads(&play, id, owner).await);
        }
    }
    assert!(!reads(&play, &anns, &bob).await);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_baton_made_and_nobody_has_begins_no_conversation() {
    let play = Play::begin();
    let made = ConversationId::made(7);
    for principal in [Principal::Open, principal(Kind::Customer, "ann")] {
        let said = say(&play, &made, &principal).await;
        assert_eq!(said.unwrap_err(), Refusal::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_begun_without_a_credential_is_opened_by_its_id_alone_and_only_without_one() {
    let play = Play::begin();
    let id = begin(&play, &Principal::Open).await;
    listen(&say(&play, &id, &Principal::Open).await.unwrap()).await;
    let said = say(&play, &id, &principal(Kind::Customer, "ann")).await;
    assert_eq!(said.unwrap_err(), Refusal::NotFound);
    assert_eq!(listed(&play, &Principal::Open).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_signs_in_keeps_the_conversations_and_the_visitor_opens_nothing() {
    let play = Play::begin();
    let visitor = principal(Kind::Visitor, "v1");
    let ann = principal(Kind::Customer, "ann");
    let before = begin(&play, &visitor).await;
    let own = begin(&play, &ann).await;
    play.engine.sign_in(&visitor, &ann).await.unwrap();
    play.engine.sign_in(&visitor, &ann).await.unwrap();

    assert!(!reads(&play, &before, &visitor).await);
    assert_eq!(listed(&play, &visitor).await, []);
    let again = say(&play, &name("mine"), &visitor).await;
    assert_eq!(again.unwrap_err(), Refusal::NotFound);

    listen(&say(&play, &before, &ann).await.unwrap()).await;
    listen(&say(&play, &before, &ann).await.unwrap()).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let last = begin(&play, &ann).await;
    assert_eq!(listed(&play, &ann).await, [last, before.clone(), own]);

    let bob = principal(Kind::Customer, "bob");
    let taken = play.engine.sign_in(&visitor, &bob).await;
    assert!(matches!(taken, Err(SignInError::Taken)));
    assert!(!reads(&play, &before, &bob).await);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_knows_a_visitor_lets_it_in_for_a_minute_after_it_signed_in_elsewhere() {
    let play = Play::begin();
    let visitor = principal(Kind::Visitor, "v1");
    let ann = principal(Kind::Customer, "ann");
    let id = begin(&play, &visitor).await;
    let elsewhere = play.another();
    elsewhere.engine.sign_in(&visitor, &ann).await.unwrap();
    assert!(!reads(&elsewhere, &id, &visitor).await);
    assert!(reads(&play, &id, &visitor).await);
    a_minute_passes().await;
    assert!(!reads(&play, &id, &visitor).await);
    let said = say(&play, &id, &visitor).await;
    assert_eq!(said.unwrap_err(), Refusal::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_customer_goes_on_at_once_where_a_process_still_knows_the_visitor() {
    let play = Play::begin();
    let visitor = principal(Kind::Visitor, "v1");
    let ann = principal(Kind::Customer, "ann");
    let id = begin(&play, &visitor).await;
    let elsewhere = play.another();
    elsewhere.engine.sign_in(&visitor, &ann).await.unwrap();
    listen(&say(&play, &id, &ann).await.unwrap()).await;
    assert!(!reads(&play, &id, &visitor).await);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_begun_by_its_real_id_is_its_beginners_alone() {
    let carl = principal(Kind::Operator, "carl");
    for (first, second) in [(&carl, &Principal::Open), (&Principal::Open, &carl)] {
        let play = Play::begin();
        let free = name("free");
        listen(&say(&play, &free, first).await.unwrap()).await;
        let said = say(&play, &free, second).await;
        assert_eq!(said.unwrap_err(), Refusal::NotFound);
        listen(&say(&play, &free, first).await.unwrap()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_customer_was_sixteen_visitors_at_most_and_of_its_own_tenant() {
    let play = Play::begin();
    let ann = principal(Kind::Customer, "ann");
    for number in 0..16 {
        let visitor = principal(Kind::Visitor, &format!("v{number}"));
        play.engine.sign_in(&visitor, &ann).await.unwrap();
    }
    let one_more = principal(Kind::Visitor, "v16");
    let refused = play.engine.sign_in(&one_more, &ann).await;
    assert!(matches!(refused, Err(SignInError::TooMany)));
    let foreign = in_tenant("other", Kind::Visitor, "v17");
    for (visitor, customer) in [(&foreign, &ann), (&ann, &ann), (&one_more, &one_more)] {
        let refused = play.engine.sign_in(visitor, customer).await;
        assert!(matches!(refused, Err(SignInError::NotTogether)));
    }
}

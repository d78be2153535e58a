//! Operators: who decides on what, the reasons, two approvals, and the audit trail.

use std::time::Duration;

use baton_handoff::ports::Price;
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{
    AuditLine, Audited, AuditedDecision, Day, Decision, DecisionError, Operator, Reasons, Role,
    Scope, Subject, Tenant, View,
};

use crate::model::{calls, says};
use crate::play::{Play, a_minute_passes, because, colleague};

const REFUND: (&str, &str) = ("execute_refund", r#"{"item_id":"i-1"}"#);

/// A reason that is for colleagues only.
const CANARY: &str = "c4nary: the customer has tried this before";

/// A refund that waits for approval.
async fn proposed(play: &Play, price: Price) -> ActionRecord {
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model.will([
        calls(&[REFUND]),
        says(&["A colleague will look at it."]),
        says(&["There is news."]),
    ]);
    play.shop.set_price(price);
    play.say("my rocket broke").await;
    play.action(ActionState::Proposed).await
}

fn decision_of(line: &AuditLine) -> &AuditedDecision {
    let Audited::Decided(decision) = &line.entry.event else {
        panic!("{:?}", line.entry.event)
    };
    decision
}

async fn approve(play: &Play, name: &str, action: &ActionRecord) -> Result<(), DecisionError> {
    let operator = colleague(name);
    let decided = play
        .decide_as(&operator, action, Decision::Approve, Reasons::default())
        .await;
    decided.map(drop)
}

#[tokio::test(start_paused = true)]
async fn above_the_amount_two_different_operators_must_approve() {
    let play = Play::with_four_eyes_above(59_999);
    let shown = proposed(&play, Price::Known(60_000)).await;
    approve(&play, "Carl", &shown).await.unwrap();
    let once = play.action(ActionState::Proposed).await;
    assert_eq!(once.approvals.len(), 1);
    assert_eq!(play.shop.effects(), 0);

    // The same operator is refused, whether or not the page is fresh.
    for seen in [&shown, &once] {
        let again = approve(&play, "Carl", seen).await.unwrap_err();
        assert!(matches!(again, DecisionError::ApprovedAlready), "{again}");
    }
    tokio::time::advance(Duration::from_secs(3)).await;
    let stale = approve(&play, "Dora", &shown).await.unwrap_err();
    assert_eq!(
        stale.to_string(),
        "the action has changed since it was shown: Carl approved it 3 s ago, and another operator must approve it too. \
         Look at it again."
    );
    approve(&play, "Dora", &once).await.unwrap();
    play.hear(3, None).await;
    let done = play.action(ActionState::Done).await;
    let by: Vec<&str> = done.approvals.iter().map(|one| one.by.as_str()).collect();
    assert_eq!(by, ["Carl", "Dora"]);
    assert_eq!(done.decided.unwrap().by.as_str(), "Dora");
    assert_eq!(play.shop.effects(), 1);
    let trail = play.trail().await;
    let firsts: Vec<bool> = trail
        .iter()
        .map(|line| decision_of(line).first_of_two)
        .collect();
    assert_eq!(firsts, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_action_without_a_known_amount_needs_two_approvals_where_any_does() {
    let play = Play::with_four_eyes_above(1_000_000);
    let unknown = Price::CannotTell("the books are closed".to_owned());
    let shown = proposed(&play, unknown).await;
    approve(&play, "carl", &shown).await.unwrap();
    assert_eq!(play.action(ActionState::Proposed).await.approvals.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn up_to_the_amount_one_approval_is_enough() {
    let play = Play::with_four_eyes_above(60_000);
    let shown = proposed(&play, Price::Known(60_000)).await;
    approve(&play, "carl", &shown).await.unwrap();
    play.hear(3, None).await;
    assert_eq!(play.shop.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_rejection_ends_an_action_that_one_operator_approved() {
    let play = Play::with_four_eyes_above(0);
    let shown = proposed(&play, Price::Known(60_000)).await;
    approve(&play, "carl", &shown).await.unwrap();
    let once = play.action(ActionState::Proposed).await;
    play.decide_as(&colleague("dora"), &once, Decision::Reject, because("no"))
        .await
        .unwrap();
    let late = approve(&play, "erin", &once).await.unwrap_err();
    assert_eq!(
        late.to_string(),
        "this cannot be decided: dora rejected it 0 s ago, and it is rejected now"
    );
    assert_eq!(play.shop.effects(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operator_decides_within_its_roles_and_its_tenant_only() {
    let play = Play::with_workers();
    let shown = proposed(&play, Price::Known(60_000)).await;
    let with = |roles: &[Role]| Operator {
        roles: roles.to_vec(),
        ..colleague("erin")
    };
    let low = Role::Approve {
        up_to: Some(59_900),
    };
    let no_role = with(&[Role::See, low, Role::Settle, Role::Administer]);
    for decision in [Decision::Approve, Decision::Reject] {
        let refused = play
            .decide_as(&no_role, &shown, decision, because("I may not"))
            .await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.to_string(), "this needs the role approve:600");
    }
    let stranger = Operator {
        tenant: Tenant::parse("other").unwrap(),
        ..colleague("mallory")
    };
    let refused = play
        .decide_as(&stranger, &shown, Decision::Approve, Reasons::default())
        .await;
    assert!(matches!(refused, Err(DecisionError::NotFound)));
    let action = play.engine.action(&shown.id);
    assert!(action.shown_to(&stranger).await.unwrap().is_none());
    let theirs = play
        .engine
        .actions(&stranger.tenant, ActionState::Proposed, None, 10);
    assert_eq!(theirs.await.unwrap().actions, []);
    let summary = play.engine.action_summary(&stranger.tenant).await.unwrap();
    assert_eq!(summary.counts["proposed"], 0);
    assert_eq!(play.trail().await, []);
    assert_eq!(play.action(ActionState::Proposed).await, shown);
    let enough = with(&[Role::Approve {
        up_to: Some(60_000),
    }]);
    play.decide_as(&enough, &shown, Decision::Approve, Reasons::default())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reason_for_colleagues_reaches_no_model_and_no_customer() {
    for (customer, result) in [
        (None, "A colleague decided against it."),
        (
            Some("it was used"),
            "A colleague decided against it: it was used",
        ),
    ] {
        let play = Play::with_workers();
        let shown = proposed(&play, Price::Known(60_000)).await;
        let nothing = play
            .decide_as(&colleague("carl"), &shown, Decision::Reject, because(" "))
            .await;
        assert!(matches!(nothing, Err(DecisionError::Reasons)));
        let reasons = Reasons {
            colleagues: Some(CANARY.to_owned()),
            customer: customer.map(str::to_owned),
        };
        play.decide_as(&colleague("carl"), &shown, Decision::Reject, reasons)
            .await
            .unwrap();
        let heard = play.hear(3, None).await;
        let rejected = play.action(ActionState::Rejected).await;
        assert_eq!(rejected.result.as_deref(), Some(result));
        assert_eq!(rejected.reason.as_deref(), Some(CANARY));
        let asked = play.model.last_asked();
        assert!(asked.iter().any(|text| text.contains(result)), "{asked:?}");
        let export = play
            .conversation()
            .export(View::Customer)
            .await
            .unwrap()
            .unwrap();
        let seen = format!(
            "{asked:?} {:?} {:?} {export:?}",
            heard.events,
            play.history().await
        );
        assert!(!seen.contains("c4nary"), "{seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_trail_tells_a_decision_and_an_erasure_removes_what_was_shown() {
    let play = Play::with_workers();
    let shown = proposed(&play, Price::Known(60_000)).await;
    let carl = colleague("carl");
    play.decide_as(&carl, &shown, Decision::Reject, because(CANARY))
        .await
        .unwrap();
    play.hear(3, None).await;
    let [line] = play.trail().await.try_into().unwrap();
    assert_eq!(line.entry.by.as_ref(), Some(&carl.name));
    let decision = decision_of(&line);
    assert_eq!(decision.decision, Decision::Reject);
    assert_eq!(
        (decision.tool.as_str(), decision.amount_cents),
        ("execute_refund", Some(60_000))
    );
    assert_eq!(decision.arguments_hash, shown.arguments_hash());
    let details = line.details.clone().unwrap();
    assert_eq!(
        (
            &details.action,
            &details.arguments,
            details.reason.as_deref()
        ),
        (&shown.id, &shown.arguments, Some(CANARY))
    );

    play.conversation().erase().await.unwrap();
    a_minute_passes().await;
    let [kept] = play.trail().await.try_into().unwrap();
    assert_eq!((&kept.entry, kept.details), (&line.entry, None));
    let (tenant, other_day) = (Tenant::default(), Day::parse("2001-01-01").unwrap());
    let empty = play.engine.audit(&tenant, &other_day, None, 10);
    assert_eq!(empty.await.unwrap().lines, []);
}

#[tokio::test(start_paused = true)]
async fn keys_and_operators_are_told_in_the_trail() {
    let play = Play::begin();
    let engine = &play.engine;
    let (tenant, shop) = (Tenant::default(), Subject::parse("shop").unwrap());
    let scopes = vec![Scope::Chat];
    let secret = engine.create_key(shop, tenant.clone(), scopes, None);
    let secret = secret.await.unwrap();
    let a_moment = Duration::from_millis(1);
    tokio::time::advance(a_moment).await;
    assert_eq!(engine.revoke_key(&tenant, "shop").await.unwrap(), 1);
    tokio::time::advance(a_moment).await;
    let token = engine.add_operator(colleague("carl")).await.unwrap();
    tokio::time::advance(a_moment).await;
    assert!(engine.remove_operator("carl").await.unwrap());
    let trail = play.trail().await;
    let told: Vec<String> = trail
        .iter()
        .map(|line| {
            let entry = serde_json::to_value(&line.entry).unwrap();
            format!(
                "{} {}",
                entry["event"].as_str().unwrap(),
                entry["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "key_created shop",
            "key_revoked shop",
            "operator_added carl",
            "operator_removed carl"
        ]
    );
    let seen = format!("{trail:?}");
    assert!(!seen.contains(&secret) && !seen.contains(&token));
}

//! The books of the back office beside the journals of the conversations: what was accepted stands in them once.

use std::collections::BTreeMap;

use baton_handoff::Tenant;
use baton_handoff::ids::{ConversationId, TurnNumber};
use baton_handoff::ports::{Order, Range, Stored};
use baton_handoff::record::keys::{self, TurnPart};
use baton_handoff::record::{
    ActionRecord, ActionState, Meta, Origin, TurnRecord, TurnState, decode,
};
use serde_json::Value;

use crate::Front;

/// How often each thing was ordered, or each item refunded.
pub(crate) type Counts = BTreeMap<String, usize>;

/// What stands in the journal of a conversation.
pub(crate) struct Journal {
    turns: Vec<(TurnNumber, TurnRecord)>,
    pub(crate) actions: Vec<ActionRecord>,
    /// How often somebody went on with another's turn: each turn begins with one fence more, and so does each take-over.
    pub(crate) taken_over: u64,
}

impl Journal {
    pub(crate) async fn of(front: &Front, conversation: &str) -> Self {
        let conversation = ConversationId::parse(conversation).unwrap();
        let store = front.engine.store();
        let meta = store.get(&keys::meta(&conversation)).await.unwrap();
        let meta: Meta = decode(&meta.unwrap()).unwrap();
        let range = Range {
            partition: keys::partition(&conversation),
            prefix: "T#".to_owned(),
            after: None,
            order: Order::Ascending,
            limit: 1_000,
        };
        let mut journal = Self {
            turns: Vec::new(),
            actions: Vec::new(),
            taken_over: (meta.fence + 1).saturating_sub(u64::from(meta.next_turn)),
        };
        for stored in store.range(&range).await.unwrap().records {
            journal.add(&stored);
        }
        journal
    }

    fn add(&mut self, stored: &Stored) {
        let (number, part) = keys::parse_turn_part(&stored.key.sort).unwrap();
        match part {
            TurnPart::Turn => self.turns.push((number, decode(stored).unwrap())),
            TurnPart::Action(_) => self.actions.push(decode(stored).unwrap()),
            TurnPart::Step(_) => {}
        }
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        let mut turns = self.turns.iter();
        turns.all(|(_, turn)| turn.state != TurnState::Accepted)
            && self.actions.iter().all(|action| action.state.is_terminal())
    }

    pub(crate) fn failed(&self) -> usize {
        let turns = self.turns.iter();
        turns
            .filter(|(_, turn)| turn.state == TurnState::Failed)
            .count()
    }

    /// Every message has its turn, and every turn that ended well its action. One that was taken over again and again without
    /// a step may have failed.
    pub(crate) fn check(&self, messages: usize) {
        let turns = self.turns.iter();
        let turns: Vec<_> = turns
            .filter(|(_, turn)| turn.origin == Origin::Customer)
            .collect();
        assert_eq!(turns.len(), messages);
        for (number, turn) in turns {
            let own = self
                .actions
                .iter()
                .filter(|action| action.id.turn == *number);
            let own = own.count();
            let failed = turn.state == TurnState::Failed;
            assert!(
                own == 1 || (failed && own == 0),
                "{own} actions of {turn:?}"
            );
        }
    }

    /// Crosses what was accepted off the books.
    pub(crate) fn cross_off(&self, (orders, refunds): &mut (Counts, Counts)) {
        for action in &self.actions {
            assert_eq!(action.state, ActionState::Done, "{action:?}");
            let arguments: Value = serde_json::from_str(&action.arguments).unwrap();
            let (book, thing) = match action.tool.as_str() {
                "execute_order" => (&mut *orders, &arguments["product"]),
                "execute_refund" => (&mut *refunds, &arguments["item_id"]),
                other => panic!("nobody asked for {other}"),
            };
            let effects = book.remove(thing.as_str().unwrap());
            assert_eq!(effects, Some(1), "effects of {action:?}");
        }
    }
}

/// How often each thing was ordered and each item refunded by customers of this test.
pub(crate) async fn books(front: &Front) -> (Counts, Counts) {
    let (office, tenant) = (&front.parts.office, Tenant::default());
    let (mut orders, mut refunds) = (Counts::new(), Counts::new());
    let mut after = None;
    loop {
        let page = office.orders(&tenant, after.as_ref(), 200).await.unwrap();
        let entries = page.entries.into_iter();
        for order in entries.filter(|order| order.conversation.is_some()) {
            *orders.entry(order.product).or_default() += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    loop {
        let page = office.refunds(&tenant, after.as_ref(), 200).await.unwrap();
        for refund in page.entries {
            *refunds.entry(refund.item_id).or_default() += 1;
        }
        after = page.next;
        if after.is_none() {
            return (orders, refunds);
        }
    }
}

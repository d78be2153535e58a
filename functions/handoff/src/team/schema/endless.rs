//! Finds schemas that ask themselves without end.

use super::{Node, NodeId, ObjectRule, Rule};

/// Whether a schema asks something of the same value again and again. Asking it of a part of the value comes to an end.
pub(super) fn is_endless(nodes: &[Node]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Never,
        Above,
        Done,
    }
    fn visit(nodes: &[Node], id: NodeId, seen: &mut [Seen]) -> bool {
        match seen.get_mut(id) {
            None | Some(Seen::Done) => return false,
            Some(Seen::Above) => return true,
            Some(state) => *state = Seen::Above,
        }
        let rules = nodes.get(id).map(Vec::as_slice).unwrap_or_default();
        let found = rules
            .iter()
            .flat_map(of_the_same)
            .any(|id| visit(nodes, id, seen));
        if let Some(state) = seen.get_mut(id) {
            *state = Seen::Done;
        }
        found
    }
    let mut seen = vec![Seen::Never; nodes.len()];
    (0..nodes.len()).any(|id| visit(nodes, id, &mut seen))
}

/// The schemas that a rule applies to the very value that it is about.
fn of_the_same(rule: &Rule) -> Vec<NodeId> {
    match rule {
        Rule::Same(id) | Rule::Not(id) | Rule::Object(ObjectRule::DependentSchema(_, id)) => {
            vec![*id]
        }
        Rule::All(ids) | Rule::Any(ids) | Rule::One(ids) => ids.clone(),
        Rule::If {
            condition,
            then,
            otherwise,
        } => [Some(*condition), *then, *otherwise]
            .into_iter()
            .flatten()
            .collect(),
        Rule::Never
        | Rule::Type(_)
        | Rule::Const(_)
        | Rule::Enum(_)
        | Rule::Number(_)
        | Rule::String(_)
        | Rule::Array(_)
        | Rule::Object(_) => Vec::new(),
    }
}

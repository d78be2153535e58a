//! How many schemas are asked of one and the same value: finds those that ask themselves without end. Asking a part of a value
//! comes to an end by itself.

use std::collections::{BTreeMap, HashMap};

use super::{Problem, tokens};

/// Pointers to schemas, each with those that it asks of the same value.
pub(super) type Graph = BTreeMap<String, Vec<String>>;

/// Schemas inside of each other that are asked of the same value.
const MAX_CHAIN: u64 = 100;

#[derive(Clone, Copy)]
enum Seen {
    Above,
    Done { chain: u64, weight: u64 },
}

/// The longest chain of schemas that are asked of one value, and the most of them.
pub(super) fn cost(graph: &Graph) -> Result<(u64, u64), Problem> {
    let mut seen = HashMap::with_capacity(graph.len());
    let mut most = (1, 1);
    for place in graph.keys() {
        let (chain, weight) = visit(graph, place, &mut seen, 0)?;
        most = (most.0.max(chain), most.1.max(weight));
    }
    Ok(most)
}

fn visit<'a>(
    graph: &'a Graph,
    place: &'a str,
    seen: &mut HashMap<&'a str, Seen>,
    above: u64,
) -> Result<(u64, u64), Problem> {
    match seen.get(place) {
        Some(Seen::Above) => {
            let at: Vec<_> = tokens(place).collect();
            return Err(Problem::whole(&at, "it refers to itself without end"));
        }
        Some(Seen::Done { chain, weight }) => return Ok((*chain, *weight)),
        None => {}
    }
    if above > MAX_CHAIN {
        let what =
            format!("it asks one value of more than {MAX_CHAIN} schemas inside of each other");
        let at: Vec<_> = tokens(place).collect();
        return Err(Problem::whole(&at, what));
    }
    seen.insert(place, Seen::Above);
    let (mut chain, mut weight) = (0, 1_u64);
    for next in graph.get(place).into_iter().flatten() {
        let (below, beside) = visit(graph, next, seen, above + 1)?;
        chain = chain.max(below);
        weight = weight.saturating_add(beside);
    }
    chain += 1;
    seen.insert(place, Seen::Done { chain, weight });
    Ok((chain, weight))
}

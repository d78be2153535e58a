//! Which expected effect and record is which.

use serde_json::Value;
use toml::Spanned;

use super::evidence::Evidence;
use super::file::Case;
use super::pattern::Pattern;

/// The expected effects that are missing, and those that no expectation names, each a sentence.
pub(super) fn effects(case: &Case, evidence: &Evidence) -> (Vec<String>, Vec<String>) {
    let before = Evidence::before(&evidence.facts(None));
    let expected: Vec<_> = case
        .effects
        .iter()
        .flat_map(|effect| {
            std::iter::repeat_n(effect, effect.times.min(evidence.effects.len() + 1))
        })
        .collect();
    let fits = |one: usize, other: usize| {
        let pair = expected_and_seen(&expected, &evidence.effects, one, other);
        pair.is_some_and(|(expected, seen)| {
            expected.tool.get_ref() == &seen.tool
                && expected.arguments.fits(&seen.arguments, &before)
        })
    };
    let (missing, extra) = unmatched(expected.len(), evidence.effects.len(), &fits);
    let missing = missing.into_iter().filter_map(|at| expected.get(at));
    let missing = missing.filter(|effect| !effect.optional).map(|effect| {
        let (tool, arguments) = (effect.tool.get_ref(), &effect.arguments);
        format!("an effect is missing: {tool} {arguments}")
    });
    let extra = extra.into_iter().filter(|_| !case.any_effects);
    let extra = extra.filter_map(|at| evidence.effects.get(at));
    let extra = extra.map(|effect| format!("{effect}, and no [[effect]] of the file names it"));
    (missing.collect(), extra.collect())
}

fn expected_and_seen<'a, A, B>(
    expected: &'a [A],
    seen: &'a [B],
    one: usize,
    other: usize,
) -> Option<(&'a A, &'a B)> {
    Some((expected.get(one)?, seen.get(other)?))
}

pub(super) fn records(
    what: &str,
    expected: Option<&[Spanned<Pattern>]>,
    seen: &[Value],
    evidence: &Evidence,
) -> Vec<String> {
    let before = Evidence::before(&evidence.facts(None));
    let Some(expected) = expected else {
        return Vec::new();
    };
    let fits = |one: usize, other: usize| {
        let pair = expected_and_seen(expected, seen, one, other);
        pair.is_some_and(|(pattern, value)| pattern.get_ref().fits(value, &before))
    };
    let (missing, extra) = unmatched(expected.len(), seen.len(), &fits);
    let missing = missing.into_iter().filter_map(|at| expected.get(at));
    let missing = missing.map(Spanned::get_ref);
    let missing =
        missing.map(|it| format!("the back office should have the {what} {it}, and has not"));
    let extra = extra.into_iter().filter_map(|at| seen.get(at));
    let extra = extra.map(|it| format!("the back office has the {what} {it}, and should not"));
    missing.chain(extra).collect()
}

/// Gives each expectation one thing that fits it, as many as possible (augmenting paths, as in Kuhn's algorithm): one that fits
/// several must not be taken by the wrong one. Returns expectations and things that are left.
fn unmatched(
    expected: usize,
    seen: usize,
    fits: &dyn Fn(usize, usize) -> bool,
) -> (Vec<usize>, Vec<usize>) {
    let mut taken: Vec<Option<usize>> = vec![None; seen];
    let mut missing = Vec::new();
    for one in 0..expected {
        let mut tried = vec![false; seen];
        if !place(one, fits, &mut taken, &mut tried) {
            missing.push(one);
        }
    }
    let extra = taken.iter().enumerate();
    let extra = extra.filter(|(_, by)| by.is_none()).map(|(at, _)| at);
    (missing, extra.collect())
}

/// Finds a thing for this expectation; others may have to take another one. Each thing is tried once, which bounds it.
fn place(
    one: usize,
    fits: &dyn Fn(usize, usize) -> bool,
    taken: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for at in 0..taken.len() {
        let is_new = tried.get(at).is_some_and(|tried| !tried);
        if !is_new || !fits(one, at) {
            continue;
        }
        if let Some(tried) = tried.get_mut(at) {
            *tried = true;
        }
        let by = taken.get(at).copied().flatten();
        if by.is_none_or(|by| place(by, fits, taken, tried)) {
            if let Some(taken) = taken.get_mut(at) {
                *taken = Some(one);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::unmatched;

    #[test]
    fn an_expectation_that_fits_several_leaves_the_others_theirs() {
        // The first fits both things, the second the first one only.
        let fits = |one: usize, at: usize| [(0, 0), (0, 1), (1, 0)].contains(&(one, at));
        assert_eq!(unmatched(2, 2, &fits), (vec![], vec![]));
        assert_eq!(unmatched(3, 2, &fits), (vec![2], vec![]));
        assert_eq!(unmatched(2, 3, &fits), (vec![], vec![2]));
        assert_eq!(unmatched(2, 0, &fits), (vec![0, 1], vec![]));
    }
}

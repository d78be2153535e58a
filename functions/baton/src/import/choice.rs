//! The operations that `--only` names.
//! Knows ids, methods and paths; never what an operation does.

use super::document::Operation;

/// Those of the operations that a person chose, in the order of the document; all where nothing was chosen. Err: a name that no
/// operation has, as a sentence with the nearest one.
pub(super) fn chosen<'a, 'b>(
    operations: &'a [Operation<'b>],
    only: &[String],
) -> Result<Vec<&'a Operation<'b>>, String> {
    let mut wanted = Vec::new();
    for one in only {
        // A path may hold a comma.
        if operations.iter().any(|operation| is_named(operation, one)) {
            wanted.push(one.trim());
        } else {
            wanted.extend(
                one.split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty()),
            );
        }
    }
    for name in &wanted {
        if !operations.iter().any(|operation| is_named(operation, name)) {
            return Err(match nearest(operations, name) {
                Some(near) => format!("no operation is {name:?}; the nearest is {near:?}"),
                None => format!("no operation is {name:?}, for the document has none"),
            });
        }
    }
    let is_chosen = |operation: &&Operation<'_>| {
        wanted.is_empty() || wanted.iter().any(|name| is_named(operation, name))
    };
    Ok(operations.iter().filter(is_chosen).collect())
}

/// By its id, or by `METHOD /path`.
fn is_named(operation: &Operation<'_>, name: &str) -> bool {
    let name = name.trim();
    let by_path = name.split_once(' ').is_some_and(|(method, path)| {
        operation.method.eq_ignore_ascii_case(method) && operation.path == path.trim()
    });
    by_path || operation.id == Some(name)
}

fn nearest(operations: &[Operation<'_>], name: &str) -> Option<String> {
    let names = operations.iter().flat_map(|operation| {
        let by_path = format!("{} {}", operation.method, operation.path);
        operation.id.map(str::to_owned).into_iter().chain([by_path])
    });
    let wanted = name.to_lowercase();
    names.min_by_key(|known| strsim::levenshtein(&wanted, &known.to_lowercase()))
}

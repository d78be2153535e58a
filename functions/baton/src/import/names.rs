//! Names that a model can call, and short descriptions for it.

use std::collections::HashSet;

/// As model services have it, and the team file after them.
const MAX_NAME: usize = 64;

/// Names of tools, each once in a document.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// A valid name like the wanted one, with a number if another operation has it.
    pub(super) fn take(&mut self, wanted: &str) -> String {
        let plain = match plain(wanted) {
            empty if empty.is_empty() => "operation".to_owned(),
            plain => plain,
        };
        let mut name = plain.clone();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            let suffix = format!("_{number}");
            let most = MAX_NAME - suffix.len();
            name = format!("{}{suffix}", plain.get(..most).unwrap_or(&plain));
        }
        name
    }
}

/// Letters, digits, `_` and `-` of a text; each run of others becomes one `_`.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || character == '-' || character == '_' {
            plain.push(character);
        } else if !plain.ends_with('_') {
            plain.push('_');
        }
    }
    let plain = plain.trim_matches('_');
    let cut = plain.get(..MAX_NAME).unwrap_or(plain);
    cut.trim_end_matches('_').to_owned()
}

/// Whether every model service takes it as the name of an argument.
pub(super) fn is_argument(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits)
}

/// The name of an environment variable: `bearerAuth` is `BEARER_AUTH`.
pub(super) fn variable(text: &str) -> String {
    let mut variable = String::new();
    let mut was_small = false;
    for character in plain(text).chars() {
        if character.is_ascii_uppercase() && was_small {
            variable.push('_');
        }
        was_small = character.is_ascii_lowercase();
        variable.push(if character == '-' {
            '_'
        } else {
            character.to_ascii_uppercase()
        });
    }
    if variable.starts_with(|first: char| !first.is_ascii_alphabetic()) || variable.is_empty() {
        variable.insert_str(0, "KEY_");
    }
    variable
}

/// A text on one line, cut at the end of a sentence or of a word.
pub(super) fn short(text: &str, most: usize) -> String {
    let text = without_tags(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most).collect();
    if let Some(end) = cut.rfind(". ").filter(|end| *end > most / 3) {
        return cut.get(..=end).unwrap_or(&cut).to_owned();
    }
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{}…", cut.get(..end).unwrap_or(&cut))
}

/// A text without the tags of HTML and the addresses of Markdown's links: a model has no use for them.
fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', ']']) {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        let is_tag = |inside: &str| {
            let name = inside.strip_prefix('/').unwrap_or(inside);
            name.starts_with(|first: char| first.is_ascii_alphabetic())
        };
        let tag = after.strip_prefix('<').and_then(|tag| tag.split_once('>'));
        let link = after
            .strip_prefix("](")
            .and_then(|link| link.split_once(')'));
        rest = match (tag, link) {
            (Some((inside, rest)), _) if is_tag(inside) => {
                plain.push(' ');
                rest
            }
            (_, Some((_, rest))) => {
                let opened = plain.rfind('[');
                opened.map(|opened| plain.remove(opened));
                rest
            }
            _ => {
                let mut characters = after.chars();
                plain.extend(characters.next());
                characters.as_str()
            }
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_valid_and_stay_unique() {
        let mut names = Names::default();
        assert_eq!(names.take("repos/list-for-org"), "repos_list-for-org");
        assert_eq!(names.take("repos.list-for-org"), "repos_list-for-org_2");
        assert_eq!(names.take("{größe}"), "gr_e");
        assert_eq!(names.take("…"), "operation");
        let long = "x".repeat(80);
        assert_eq!(names.take(&long), "x".repeat(64));
        assert_eq!(names.take(&long), format!("{}_2", "x".repeat(62)));
    }

    #[test]
    fn long_texts_end_with_a_sentence_or_a_word() {
        assert_eq!(short("One\n  two. Three four five", 12), "One two.");
        assert_eq!(short("One two three", 9), "One two…");
    }

    #[test]
    fn tags_and_addresses_of_links_are_not_for_models() {
        let text = "<p>See [the guide](https://example.com/a) if a < b, a[1] and <b>c</b>.</p>";
        assert_eq!(short(text, 100), "See the guide if a < b, a[1] and c .");
    }

    #[test]
    fn schemes_become_variables() {
        assert_eq!(variable("bearerAuth"), "BEARER_AUTH");
        assert_eq!(variable("x-api-key"), "X_API_KEY");
    }
}

//! Comments of a block that point out what a person decides: by names alone, so each is a question.
//! Knows words only; what is live in a block never depends on them.

use super::forms::may_be;
use super::toml::{comment, text};
use super::tool::Tool;

/// Members that a comment names.
const MAX_NAMED: usize = 8;

const CUSTOMERS: [&str; 8] = [
    "customer",
    "user",
    "account",
    "member",
    "client",
    "owner",
    "patient",
    "subscriber",
];

const MONEY: [&str; 7] = ["amount", "total", "price", "cost", "fee", "sum", "value"];

const SECRETS: [&str; 6] = [
    "secret",
    "password",
    "token",
    "apikey",
    "credential",
    "passphrase",
];

/// Tokens that are no secrets: places in a list.
const PLACES: [&str; 7] = [
    "page",
    "next",
    "continue",
    "continuation",
    "previous",
    "sync",
    "cursor",
];

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names
        .iter()
        .take(MAX_NAMED)
        .map(|name| text(name))
        .collect();
    format!("[{}]", quoted.join(", "))
}

fn in_braces<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<_> = names.map(|name| format!("{{{name}}}")).collect();
    (!names.is_empty()).then(|| comment(&names.join(", ")))
}

/// Two calls with one path change one thing only where it is removed: a repeated PATCH may mean another change.
pub(super) fn identity(tool: &Tool) -> String {
    let in_path = |name: &str| tool.method != "DELETE" || tool.parameters.properties.has(name);
    let required = tool.arguments().map(|(name, _)| name);
    let names: Vec<_> = required
        .filter(|name| tool.is_required(name) && in_path(name) && !is_secret(name))
        .collect();
    let why = "what makes two calls of a turn the same action; without it, all arguments";
    if names.is_empty() {
        return format!("# identity: {why}");
    }
    format!("# identity = {}  # {why}", list(&names))
}

pub(super) fn amount(tool: &Tool) -> Option<String> {
    let mut arguments = tool.arguments();
    let (name, schema) = arguments.find(|(name, schema)| {
        has_word(name, &MONEY) && (may_be(schema, "integer") || may_be(schema, "number"))
    })?;
    let usable = may_be(schema, "integer") && !may_be(schema, "number") && tool.is_required(name);
    let name = comment(&text(name));
    Some(if usable {
        format!("# amount = {name}  # if these are whole US dollars, not cents")
    } else {
        format!(
            "# amount: {name} may be money; Baton counts a required integer of whole US dollars only"
        )
    })
}

pub(super) fn show(tool: &Tool) -> String {
    let mut names: Vec<&str> = tool.arguments().map(|(name, _)| name).collect();
    for name in &tool.result {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.retain(|name| !is_secret(name));
    let why = "what customers see of arguments and result; without it, the name of the tool";
    if names.is_empty() {
        return format!("# show: {why}");
    }
    format!("# show = {}  # {why}", list(&names))
}

/// Arguments that seem to say who the customer is: a model must not choose them.
pub(super) fn customer(tool: &Tool) -> Option<String> {
    let names = tool.arguments().map(|(name, _)| name);
    let names = names.filter(|name| has_word(name, &CUSTOMERS) && !is_secret(name));
    if let Some(found) = in_braces(names) {
        return Some(format!(
            "# customer: does {found} say whose data it is? Then {{customer.id}} or {{customer.claims.NAME}} stands in url or body_fields, and the argument goes"
        ));
    }
    tool.secrets.is_empty().then(|| {
        "# customer: the document wants no credential; a service that acts for a customer needs {customer.id} in a header or the url"
            .to_owned()
    })
}

/// Arguments that seem to be secrets: what a model reads, it may repeat.
pub(super) fn secret(tool: &Tool) -> Option<String> {
    let names = tool.arguments().map(|(name, _)| name);
    let found = in_braces(names.filter(|name| is_secret(name)))?;
    Some(format!(
        "# secret: is {found} one? A model must not have it: send it in a header from the environment, and the argument goes"
    ))
}

fn is_secret(name: &str) -> bool {
    has_word(name, &SECRETS) && !has_word(name, &PLACES)
}

/// Whether a name has one of these words: `customerId`, `customer_id`, `customers`.
fn has_word(name: &str, words: &[&str]) -> bool {
    let mut parts = Vec::new();
    let mut part = String::new();
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() || character.is_ascii_uppercase() {
            parts.push(std::mem::take(&mut part));
        }
        if character.is_ascii_alphanumeric() {
            part.push(character.to_ascii_lowercase());
        }
    }
    parts.push(part);
    let is_word = |part: &String| words.contains(&part.trim_end_matches('s'));
    parts.iter().any(is_word)
}

//! The keywords of JSON Schema, of all drafts: where their schemas are asked, and which are likely misspelt. Never what they mean.

/// What the schemas of a keyword are asked of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The very value that the schema around them is about.
    Same,
    /// The same, but no reasons are given of what is wrong.
    Silently,
    /// A part of it.
    Part,
    /// Nothing, until another schema refers to them.
    Nothing,
}

const HOLDERS: [(Asked, &str); 4] = [
    (Asked::Same, "allOf dependencies dependentSchemas else then"),
    (Asked::Silently, "anyOf if not oneOf"),
    (
        Asked::Part,
        "additionalItems additionalProperties contains items patternProperties prefixItems properties propertyNames \
         unevaluatedItems unevaluatedProperties",
    ),
    (Asked::Nothing, "$defs contentSchema definitions"),
];

/// Those that hold schemas by name.
const MAPS: &str = "$defs definitions dependencies dependentSchemas patternProperties properties";

const OTHERS: &str = "$anchor $comment $dynamicAnchor $dynamicRef $id $recursiveAnchor $recursiveRef $ref $schema $vocabulary const \
    contentEncoding contentMediaType default dependentRequired deprecated description enum example examples exclusiveMaximum \
    exclusiveMinimum format id maxContains maxItems maxLength maxProperties maximum minContains minItems minLength minProperties \
    minimum multipleOf pattern readOnly required title type uniqueItems writeOnly";

/// Those of other languages for schemas: they say nothing here and are not misspelt.
const FOREIGN: &str = "discriminator example externalDocs nullable strict xml";

/// Whether a keyword is another language's, or somebody's own.
pub(super) fn is_foreign(keyword: &str) -> bool {
    has(FOREIGN, keyword) || keyword.starts_with("x-")
}

/// None where the keyword holds no schemas.
pub(super) fn asked(keyword: &str) -> Option<Asked> {
    let mut holders = HOLDERS.into_iter();
    holders.find_map(|(asked, names)| has(names, keyword).then_some(asked))
}

pub(super) fn holds_by_name(keyword: &str) -> bool {
    has(MAPS, keyword)
}

fn has(names: &str, keyword: &str) -> bool {
    names.split_whitespace().any(|name| name == keyword)
}

/// The keyword that an unknown one was likely meant to be.
pub(super) fn likely_meant(name: &str) -> Option<&'static str> {
    let lists = HOLDERS.map(|(_, names)| names).into_iter().chain([OTHERS]);
    let near = lists
        .flat_map(str::split_whitespace)
        .map(|known| (strsim::levenshtein(name, known), known));
    // Of a short name two letters are most of it.
    let most = if name.chars().count() < 5 { 1 } else { 2 };
    let (distance, meant) = near.min()?;
    (1..=most)
        .contains(&distance)
        .then_some(meant)
        .filter(|_| !is_foreign(name))
}

//! Which regular expressions cannot be matched in linear time. Knows their syntax only.

/// Whether a pattern looks around or back. Such ones need an engine that may take for ever, so they are not checked at all.
pub(super) fn needs_backtracking(pattern: &str) -> bool {
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '\\' => {
                let Some(escaped) = rest.chars().next() else {
                    return false;
                };
                let named = escaped == 'k' && rest.starts_with("k<");
                if !in_class && (matches!(escaped, '1'..='9') || named) {
                    return true;
                }
                rest = rest.get(escaped.len_utf8()..).unwrap_or_default();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let around = ["?=", "?!", "?<=", "?<!"];
                if around.iter().any(|mark| rest.starts_with(mark)) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

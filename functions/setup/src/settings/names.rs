//! The names of all settings, to find the misspelt ones.

use super::Values;

/// Every setting that begins with `BATON_`.
const NAMES: &[&str] = &[
    "BATON_A2A_PUSH_HOSTS",
    "BATON_ADDR",
    "BATON_AUTH",
    "BATON_AZURE_API_VERSION",
    "BATON_AZURE_AUTHORITY",
    "BATON_AZURE_CLIENT_ID",
    "BATON_AZURE_CLIENT_SECRET",
    "BATON_AZURE_DEPLOYMENT",
    "BATON_AZURE_ENDPOINT",
    "BATON_AZURE_KEY",
    "BATON_AZURE_SCOPE",
    "BATON_AZURE_TENANT",
    "BATON_BOUNDS",
    "BATON_CONNECTIONS",
    "BATON_DATA",
    "BATON_DRAIN_SECONDS",
    "BATON_FOUR_EYES_USD",
    "BATON_IDLE_SECONDS",
    "BATON_JWT_ALGORITHMS",
    "BATON_JWT_AUDIENCE",
    "BATON_JWT_ISSUER",
    "BATON_JWT_JWKS_URL",
    "BATON_JWT_NAME_CLAIM",
    "BATON_JWT_SECRET",
    "BATON_JWT_SUBJECT_CLAIM",
    "BATON_JWT_TENANT_CLAIM",
    "BATON_JWT_TOOL_CLAIMS",
    "BATON_LEASE_SECONDS",
    "BATON_LOG",
    "BATON_MODEL",
    "BATON_MODEL_API",
    "BATON_MODEL_FIRST_BYTE_SECONDS",
    "BATON_MODEL_HTTP2",
    "BATON_MODEL_KEY",
    "BATON_MODEL_MAX_COMPLETION_TOKENS",
    "BATON_MODEL_MAX_TOKENS",
    "BATON_MODEL_SILENCE_SECONDS",
    "BATON_MODEL_URL",
    "BATON_MODEL_USAGE",
    "BATON_OPERATOR_JWT_ALGORITHMS",
    "BATON_OPERATOR_JWT_AUDIENCE",
    "BATON_OPERATOR_JWT_ISSUER",
    "BATON_OPERATOR_JWT_JWKS_URL",
    "BATON_OPERATOR_JWT_NAME_CLAIM",
    "BATON_OPERATOR_JWT_ROLE_CLAIM",
    "BATON_OPERATOR_JWT_SECRET",
    "BATON_OPERATOR_JWT_SUBJECT_CLAIM",
    "BATON_OPERATOR_JWT_TENANT_CLAIM",
    "BATON_OPERATOR_TOKEN",
    "BATON_ORIGINS",
    "BATON_PLAIN_HTTP",
    "BATON_PROXIES",
    "BATON_QUEUE_URL",
    "BATON_REHEARSAL_DELAY_MS",
    "BATON_RETENTION_DAYS",
    "BATON_SECRETS",
    "BATON_SESSION_SECRET",
    "BATON_STATIC_DIR",
    "BATON_TABLE",
    "BATON_TEAM",
    "BATON_TOOL_NETWORKS",
    "BATON_TOOL_SECRETS",
    "BATON_TOOL_TOKEN_ISSUER",
    "BATON_TOOL_TOKEN_SECRET",
    "BATON_TURNS_QUEUE_URL",
];

/// Names that look like our settings and are none.
pub(crate) fn unknown(values: &Values) -> impl Iterator<Item = &str> {
    let ours = values.names().filter(|name| name.starts_with("BATON_"));
    ours.filter(|name| !NAMES.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `BATON_` names in a text.
    fn named(text: &str) -> Vec<&str> {
        let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let words = text.split(|c: char| !is_part(c));
        words
            .filter(|word| word.starts_with("BATON_") && word.len() > 6)
            .collect()
    }

    #[test]
    fn the_guide_names_every_setting_and_like_the_example_no_other() {
        let guide = include_str!("../../../../infra/docs/settings.md");
        let example = include_str!("../../../../.env.example");
        for name in NAMES {
            assert!(named(guide).contains(name), "the guide lacks {name}");
        }
        for (file, text) in [("the guide", guide), ("the example", example)] {
            for name in named(text) {
                let family = NAMES.iter().any(|known| known.starts_with(name));
                assert!(family, "{file} names {name}, which is no setting");
            }
        }
    }
}

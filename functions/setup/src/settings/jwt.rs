//! Issuers of JWTs: one for customers and one for operators, configured apart, so that a customer's token never carries a role.

use baton_http::{Secret, is_loopback};
use reqwest::Url;

use super::{BadSetting, Values};

/// The length of a shared secret: that of the shortest hash (RFC 7518, 3.2).
const SECRET_BYTES: usize = 32;

/// How the names of all settings of an issuer begin.
const CUSTOMERS: &str = "BATON_JWT_";
const OPERATORS: &str = "BATON_OPERATOR_JWT_";

/// The issuers whose tokens are accepted.
#[derive(Debug, Clone, Default)]
pub struct Issuers {
    /// The issuer of customers' tokens.
    pub customers: Option<JwtSettings>,
    /// The issuer of operators' tokens. Only its tokens carry roles.
    pub operators: Option<JwtSettings>,
}

/// An issuer of JWTs, and what its tokens must be like.
#[derive(Debug, Clone)]
pub struct JwtSettings {
    /// The claim `iss`, compared byte for byte.
    pub issuer: String,
    /// The audiences, at least one. A token names one of them in `aud`.
    pub audiences: Vec<String>,
    /// The source of the keys.
    pub keys: KeySource,
    /// The allowed algorithms, at least one. Those of a shared secret and those of public keys are never mixed.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that identifies the subject.
    pub subject_claim: String,
    /// The claim that names the tenant. A token without it is then refused.
    pub tenant_claim: Option<String>,
    /// The claim with the display name.
    pub name_claim: String,
    /// The claims that tools may be given.
    pub tool_claims: Vec<String>,
    /// The claim with the roles; of operators only.
    pub role_claim: Option<String>,
}

/// The source of an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The address of the issuer's OpenID Connect metadata, which names the key set.
    Discovery(Url),
    /// The address of the key set.
    KeySet(Url),
    /// A secret that is shared with the issuer.
    Secret(Secret),
}

/// An algorithm of signatures (RFC 7518, 3.1; RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// The algorithms of a shared secret.
    pub const SECRET: &[Self] = &[Self::Hs256, Self::Hs384, Self::Hs512];
    /// The algorithms of public keys.
    pub const PUBLIC: &[Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in the header of a token.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether a header or a key means this algorithm by this name. Ed25519 has a second name (RFC 9864).
    pub fn is_named(self, name: &str) -> bool {
        self.name() == name || (self == Self::EdDsa && name == "Ed25519")
    }
}

/// Reads both issuers.
pub(super) fn read(values: &Values) -> Result<Issuers, BadSetting> {
    let customers = issuer(values, CUSTOMERS)?;
    let operators = issuer(values, OPERATORS)?;
    if let (Some(customers), Some(operators)) = (&customers, &operators)
        && customers.issuer == operators.issuer
        && let Some(shared) = customers
            .audiences
            .iter()
            .find(|audience| operators.audiences.contains(audience))
    {
        return Err(BadSetting::new(format!(
            "BATON_JWT_AUDIENCE and BATON_OPERATOR_JWT_AUDIENCE both have {shared}, and the issuer is the same; a customer's token would be an operator's"
        )));
    }
    Ok(Issuers {
        customers,
        operators,
    })
}

fn issuer(values: &Values, prefix: &str) -> Result<Option<JwtSettings>, BadSetting> {
    let get = |name: &str| values.get(&format!("{prefix}{name}"));
    let Some(issuer) = get("ISSUER") else {
        let alone = values.names().find(|name| name.starts_with(prefix));
        return match alone.filter(|name| values.get(name).is_some()) {
            None => Ok(None),
            Some(name) => Err(BadSetting::new(format!(
                "{name} is set and {prefix}ISSUER is missing"
            ))),
        };
    };
    let audiences = values.list(&format!("{prefix}AUDIENCE"));
    if audiences.is_empty() {
        return Err(BadSetting::new(format!(
            "{prefix}ISSUER is set and {prefix}AUDIENCE is missing"
        )));
    }
    let of_operators = prefix == OPERATORS;
    let keys = keys(values, prefix, issuer)?;
    let algorithms = algorithms(values, prefix, &keys)?;
    Ok(Some(JwtSettings {
        issuer: issuer.to_owned(),
        audiences,
        keys,
        algorithms,
        subject_claim: get("SUBJECT_CLAIM").unwrap_or("sub").to_owned(),
        tenant_claim: get("TENANT_CLAIM").map(str::to_owned),
        name_claim: get("NAME_CLAIM").unwrap_or("name").to_owned(),
        // The settings of the one have no tools, those of the other no roles.
        tool_claims: if of_operators {
            Vec::new()
        } else {
            values.list("BATON_JWT_TOOL_CLAIMS")
        },
        role_claim: of_operators.then(|| get("ROLE_CLAIM").unwrap_or("roles").to_owned()),
    }))
}

fn keys(values: &Values, prefix: &str, issuer: &str) -> Result<KeySource, BadSetting> {
    let (key_set, secret) = (format!("{prefix}JWKS_URL"), format!("{prefix}SECRET"));
    match (values.get(&key_set), values.get(&secret)) {
        (Some(_), Some(_)) => Err(BadSetting::new(format!(
            "both {key_set} and {secret} are set; which keys are meant?"
        ))),
        (None, Some(text)) if text.len() < SECRET_BYTES => Err(BadSetting::new(format!(
            "{secret} has fewer than {SECRET_BYTES} bytes; make one with: openssl rand -hex 32"
        ))),
        (None, Some(text)) => Ok(KeySource::Secret(Secret::new(text))),
        (Some(url), None) => address(&key_set, url, url).map(KeySource::KeySet),
        (None, None) => {
            let name = format!("{prefix}ISSUER");
            // OpenID Connect Discovery 1.0, 4.1: without a slash at the end.
            let base = issuer.strip_suffix('/').unwrap_or(issuer);
            let url = format!("{base}/.well-known/openid-configuration");
            // A query or fragment of the issuer would swallow the path.
            if issuer.contains(['?', '#']) {
                return Err(no_address(&name, issuer));
            }
            address(&name, issuer, &url).map(KeySource::Discovery)
        }
    }
}

/// Keys that came in clear text could be anybody's.
fn address(name: &str, value: &str, url: &str) -> Result<Url, BadSetting> {
    let parsed = Url::parse(url).map_err(|_| no_address(name, value))?;
    let safe = match parsed.scheme() {
        "https" => true,
        "http" => is_loopback(&parsed),
        _ => false,
    };
    let has_login = !parsed.username().is_empty() || parsed.password().is_some();
    if safe && !has_login {
        Ok(parsed)
    } else {
        Err(no_address(name, value))
    }
}

fn no_address(name: &str, value: &str) -> BadSetting {
    BadSetting::new(format!(
        "{name}={value} is not an https:// address such as https://login.example.com (http:// is for loopback only)"
    ))
}

fn algorithms(
    values: &Values,
    prefix: &str,
    keys: &KeySource,
) -> Result<Vec<JwtAlgorithm>, BadSetting> {
    let possible = match keys {
        KeySource::Secret(_) => JwtAlgorithm::SECRET,
        KeySource::Discovery(_) | KeySource::KeySet(_) => JwtAlgorithm::PUBLIC,
    };
    let name = format!("{prefix}ALGORITHMS");
    let named = values.list(&name);
    if named.is_empty() {
        return Ok(possible.to_vec());
    }
    let one = |text: &String| {
        let known = possible.iter().find(|algorithm| algorithm.is_named(text));
        known.copied().ok_or_else(|| {
            let possible: Vec<_> = possible.iter().map(|one| one.name()).collect();
            BadSetting::new(format!(
                "{name} has {text}; with these keys there are: {}",
                possible.join(", ")
            ))
        })
    };
    named.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn read_of(pairs: &[(&str, &str)]) -> Result<Issuers, String> {
        let mut values = Values::default();
        for (name, value) in pairs {
            values.set(name, (*value).to_owned());
        }
        read(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn an_issuer_and_an_audience_are_enough() {
        assert!(read_of(&[]).unwrap().customers.is_none());
        let issuers = read_of(&[
            ("BATON_JWT_ISSUER", "https://login.example.com/tenant/"),
            ("BATON_JWT_AUDIENCE", "chat, app"),
        ])
        .unwrap();
        assert!(issuers.operators.is_none());
        let customers = issuers.customers.unwrap();
        assert_eq!(customers.issuer, "https://login.example.com/tenant/");
        assert_eq!(customers.audiences, ["chat", "app"]);
        let discovery = "https://login.example.com/tenant/.well-known/openid-configuration";
        assert_eq!(
            customers.keys,
            KeySource::Discovery(discovery.parse().unwrap())
        );
        assert_eq!(customers.algorithms, JwtAlgorithm::PUBLIC);
        assert_eq!(customers.subject_claim, "sub");
        assert_eq!(customers.role_claim, None);
    }

    #[test]
    fn a_shared_secret_needs_no_address_and_is_not_printed() {
        let issuers = read_of(&[
            ("BATON_JWT_ISSUER", "shop"),
            ("BATON_JWT_AUDIENCE", "chat"),
            ("BATON_JWT_SECRET", SECRET),
            ("BATON_JWT_ALGORITHMS", "HS256"),
            ("BATON_JWT_TOOL_CLAIMS", "customer_no, plan"),
        ])
        .unwrap();
        let printed = format!("{issuers:?} {issuers:#?}");
        assert!(!printed.contains(SECRET), "{printed}");
        let customers = issuers.customers.unwrap();
        assert_eq!(customers.algorithms, [JwtAlgorithm::Hs256]);
        assert_eq!(customers.tool_claims, ["customer_no", "plan"]);
    }

    #[test]
    fn only_operators_have_a_role_claim() {
        let issuers = read_of(&[
            ("BATON_JWT_ISSUER", "https://login.example.com"),
            ("BATON_JWT_AUDIENCE", "chat"),
            ("BATON_OPERATOR_JWT_ISSUER", "https://login.example.com"),
            ("BATON_OPERATOR_JWT_AUDIENCE", "desk"),
        ])
        .unwrap();
        assert_eq!(issuers.customers.unwrap().role_claim, None);
        let operators = issuers.operators.unwrap();
        assert_eq!(operators.role_claim.as_deref(), Some("roles"));
    }

    #[test]
    fn a_wrong_value_is_one_sentence_that_names_it() {
        let issuer = ("BATON_JWT_ISSUER", "https://login.example.com");
        let audience = ("BATON_JWT_AUDIENCE", "chat");
        let no_address = "is not an https:// address such as https://login.example.com (http:// is for loopback only)";
        let cases: &[(&[(&str, &str)], &str)] = &[
            (
                &[audience],
                "BATON_JWT_AUDIENCE is set and BATON_JWT_ISSUER is missing",
            ),
            (
                &[("BATON_OPERATOR_JWT_ROLE_CLAIM", "roles")],
                "BATON_OPERATOR_JWT_ROLE_CLAIM is set and BATON_OPERATOR_JWT_ISSUER is missing",
            ),
            (
                &[issuer],
                "BATON_JWT_ISSUER is set and BATON_JWT_AUDIENCE is missing",
            ),
            (
                &[audience, ("BATON_JWT_ISSUER", "http://login.example.com")],
                &format!("BATON_JWT_ISSUER=http://login.example.com {no_address}"),
            ),
            (
                &[audience, ("BATON_JWT_ISSUER", "https://a.example/?x=1")],
                &format!("BATON_JWT_ISSUER=https://a.example/?x=1 {no_address}"),
            ),
            (
                &[audience, ("BATON_JWT_ISSUER", "shop")],
                &format!("BATON_JWT_ISSUER=shop {no_address}"),
            ),
            (
                &[
                    issuer,
                    audience,
                    ("BATON_JWT_JWKS_URL", "http://10.0.0.1/k"),
                ],
                &format!("BATON_JWT_JWKS_URL=http://10.0.0.1/k {no_address}"),
            ),
            (
                &[
                    issuer,
                    audience,
                    ("BATON_JWT_JWKS_URL", "https://a.example/k"),
                    ("BATON_JWT_SECRET", SECRET),
                ],
                "both BATON_JWT_JWKS_URL and BATON_JWT_SECRET are set; which keys are meant?",
            ),
            (
                &[
                    issuer,
                    audience,
                    ("BATON_JWT_SECRET", "0123456789abcdef0123456789abcde"),
                ],
                "BATON_JWT_SECRET has fewer than 32 bytes; make one with: openssl rand -hex 32",
            ),
            (
                &[issuer, audience, ("BATON_JWT_ALGORITHMS", "RS256, HS256")],
                "BATON_JWT_ALGORITHMS has HS256; with these keys there are: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
            ),
            (
                &[
                    issuer,
                    audience,
                    ("BATON_JWT_SECRET", SECRET),
                    ("BATON_JWT_ALGORITHMS", "none"),
                ],
                "BATON_JWT_ALGORITHMS has none; with these keys there are: HS256, HS384, HS512",
            ),
            (
                &[
                    issuer,
                    ("BATON_JWT_AUDIENCE", "chat,desk"),
                    ("BATON_OPERATOR_JWT_ISSUER", "https://login.example.com"),
                    ("BATON_OPERATOR_JWT_AUDIENCE", "desk"),
                ],
                "BATON_JWT_AUDIENCE and BATON_OPERATOR_JWT_AUDIENCE both have desk, and the issuer is the same; a customer's token would be an operator's",
            ),
        ];
        for (pairs, sentence) in cases {
            assert_eq!(read_of(pairs).unwrap_err(), *sentence);
        }
    }
}

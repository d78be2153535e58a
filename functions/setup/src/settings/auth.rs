//! How requests without a credential are treated, and the secret of our own tokens.

use baton_http::Secret;

use super::jwt::Issuers;
use super::{BadSetting, Values};

/// The shortest secret, in bytes.
const SECRET_BYTES: usize = 32;

/// How requests without a credential are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// All of them are one principal, and what it creates is opened by its id alone (`open`).
    Open,
    /// The first message makes an anonymous visitor (`anonymous`).
    Visitors,
    /// They are refused.
    Refused,
}

impl Strangers {
    /// As it stands in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Visitors => "visitors",
            Self::Refused => "refused",
        }
    }
}

/// Reads `BATON_AUTH`, a list of at most one of `open` and `anonymous`, and `jwt`. Unset: `open` on loopback without other
/// origins, `anonymous` elsewhere.
pub(super) fn read(
    values: &Values,
    on_loopback: bool,
    issuers: &Issuers,
) -> Result<Strangers, BadSetting> {
    let list = values.list("BATON_AUTH");
    if list.is_empty() {
        return Ok(if on_loopback {
            Strangers::Open
        } else {
            Strangers::Visitors
        });
    }
    let (mut strangers, mut jwt) = (None, false);
    for word in &list {
        let one = match word.as_str() {
            "open" => Strangers::Open,
            "anonymous" => Strangers::Visitors,
            "jwt" => {
                jwt = true;
                continue;
            }
            other => {
                return Err(BadSetting::new(format!(
                    "BATON_AUTH has {other}; it is a list of open or anonymous, and jwt"
                )));
            }
        };
        if strangers.replace(one).is_some_and(|before| before != one) {
            return Err(BadSetting::new(
                "BATON_AUTH has both open and anonymous; which is meant?",
            ));
        }
    }
    let has_issuer = issuers.customers.is_some();
    if jwt && !has_issuer {
        return Err(BadSetting::new(
            "BATON_AUTH has jwt and BATON_JWT_ISSUER is missing",
        ));
    }
    if has_issuer && !jwt {
        return Err(BadSetting::new(
            "BATON_JWT_ISSUER is set and BATON_AUTH has no jwt",
        ));
    }
    Ok(strangers.unwrap_or(Strangers::Refused))
}

/// Reads `BATON_SESSION_SECRET`.
pub(super) fn session_secret(values: &Values) -> Result<Option<Secret>, BadSetting> {
    match values.get("BATON_SESSION_SECRET") {
        Some(secret) if secret.len() < SECRET_BYTES => Err(BadSetting::new(format!(
            "BATON_SESSION_SECRET has fewer than {SECRET_BYTES} bytes; make one with: openssl rand -hex 32"
        ))),
        secret => Ok(secret.map(Secret::new)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(auth: &str, on_loopback: bool, issuer: bool) -> Result<Strangers, String> {
        let mut values = Values::default();
        values.set("BATON_AUTH", auth.to_owned());
        if issuer {
            values.set("BATON_JWT_ISSUER", "https://login.example.com".to_owned());
            values.set("BATON_JWT_AUDIENCE", "chat".to_owned());
        }
        let issuers = super::super::jwt::read(&values).unwrap();
        read(&values, on_loopback, &issuers).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_setting_only_loopback_is_open() {
        assert_eq!(read_of("", true, false), Ok(Strangers::Open));
        assert_eq!(read_of("", false, false), Ok(Strangers::Visitors));
        assert_eq!(read_of("", false, true), Ok(Strangers::Visitors));
    }

    #[test]
    fn the_list_has_one_way_for_strangers_at_most() {
        assert_eq!(read_of("open", false, false), Ok(Strangers::Open));
        assert_eq!(
            read_of("anonymous, jwt", true, true),
            Ok(Strangers::Visitors)
        );
        assert_eq!(read_of("jwt", true, true), Ok(Strangers::Refused));
        for (list, issuer) in [
            ("open,anonymous", false),
            ("jwt", false),
            ("open", true),
            ("none", false),
        ] {
            let refused = read_of(list, true, issuer).unwrap_err();
            assert!(refused.contains("BATON_AUTH"), "{refused}");
        }
    }
}

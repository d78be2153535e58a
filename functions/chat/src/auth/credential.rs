//! The place of the credential in a request.

use http::{HeaderMap, HeaderName, header};

use super::cookie;

/// For clients behind something that uses `Authorization` itself, such as IAM or CloudFront.
const BATON_AUTHORIZATION: HeaderName = HeaderName::from_static("x-baton-authorization");

/// What the client shows.
pub(super) enum Credential<'a> {
    /// In a header for it.
    Header(&'a str),
    /// In the cookie of a visitor.
    Cookie(&'a str),
}

impl Credential<'_> {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Header(text) | Self::Cookie(text) => text,
        }
    }
}

/// The request's credential: a header's is stronger than the cookie. A header that is not understood is a bad credential, and
/// never none.
pub(super) fn find(headers: &HeaderMap) -> Result<Option<Credential<'_>>, &'static str> {
    for name in [BATON_AUTHORIZATION, header::AUTHORIZATION] {
        let mut values = headers.get_all(&name).iter();
        let Some(value) = values.next() else {
            continue;
        };
        if values.next().is_some() {
            return Err("the credential is given twice");
        }
        let text = value.to_str().map_err(|_| "the credential is not text")?;
        // AWS signs requests in the same header.
        if name == header::AUTHORIZATION && text.starts_with("AWS4-HMAC-SHA256") {
            continue;
        }
        return match text.split_once(' ') {
            Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Some(Credential::Header(credential.trim())))
            }
            Some(_) | None => Err("the credential is not a bearer token"),
        };
    }
    Ok(cookie::value(headers).map(Credential::Cookie))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(pairs: &[(&'static str, &'static str)]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        find(&headers).map(|found| found.map(|found| found.text().to_owned()))
    }

    #[test]
    fn the_header_for_it_is_stronger_than_the_usual_one_and_any_header_than_the_cookie() {
        let ours = ("x-baton-authorization", "Bearer a");
        let usual = ("authorization", "bearer b");
        let cookie = ("cookie", "theme=dark; baton=c");
        assert_eq!(found(&[cookie, usual, ours]), Ok(Some("a".to_owned())));
        assert_eq!(found(&[cookie, usual]), Ok(Some("b".to_owned())));
        assert_eq!(found(&[cookie]), Ok(Some("c".to_owned())));
        assert_eq!(found(&[]), Ok(None));
    }

    #[test]
    fn a_header_that_is_not_understood_is_a_bad_credential_and_never_none() {
        for bad in ["Basic dTpw", "Bearer", "token", ""] {
            assert!(
                found(&[("authorization", bad), ("cookie", "baton=c")]).is_err(),
                "{bad:?}"
            );
        }
        assert!(found(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]).is_err());
    }

    #[test]
    fn a_request_signed_for_aws_shows_no_credential_of_ours() {
        let signed = ("authorization", "AWS4-HMAC-SHA256 Credential=x");
        assert_eq!(found(&[signed]), Ok(None));
        assert_eq!(
            found(&[signed, ("cookie", "baton=c")]),
            Ok(Some("c".to_owned()))
        );
    }
}

//! Why a credential proves nothing, and the refusals that say so.

use baton_handoff::ports::StoreError;
use http::{StatusCode, header};

use super::jwt;
use crate::edge::error::ApiError;

/// Why a credential proves nothing.
pub(super) enum Denied {
    /// It is bad: 401. The reason is for the client and never a part of the credential.
    Bad(&'static str),
    /// It cannot be checked now.
    Later(ApiError),
    /// It is good, and not for this request: 403.
    Forbidden(&'static str),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Later(error.into())
    }
}

impl From<jwt::Refusal> for Denied {
    fn from(refusal: jwt::Refusal) -> Self {
        match refusal {
            jwt::Refusal::Invalid(reason) => Self::Bad(reason),
            jwt::Refusal::Unavailable { retry_after } => {
                let seconds = retry_after.as_secs().max(1).to_string();
                let refused = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string());
                Self::Later(refused.with_header(header::RETRY_AFTER, &seconds))
            }
        }
    }
}

/// The refusal of a request without a credential.
pub(super) fn needed() -> ApiError {
    refused(StatusCode::UNAUTHORIZED, "a credential is needed")
}

/// RFC 6750, section 3: a refusal with 401 names the scheme.
pub(super) fn refused(status: StatusCode, reason: &str) -> ApiError {
    let refused = ApiError::new(status, reason);
    if status == StatusCode::UNAUTHORIZED {
        refused.with_header(header::WWW_AUTHENTICATE, "Bearer")
    } else {
        refused
    }
}

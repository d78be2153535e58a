//! Who may ask, and by which credentials.

use baton_http::Secret;

use super::auth::{self, Strangers};
use super::jwt::{self, Issuers};
use super::{BadSettings, Values, operators};

/// The settings about callers.
#[derive(Debug, Clone)]
pub struct Access {
    /// The issuers of JWTs.
    pub issuers: Issuers,
    /// How requests without a credential are treated.
    pub strangers: Strangers,
    /// Signs the tokens of visitors and widgets.
    pub session_secret: Option<Secret>,
    /// The bearer token of operator routes.
    pub operator_token: Option<Secret>,
    /// Above this amount in US cents, and where it is unknown, an action needs the approval of two operators.
    pub four_eyes_above_cents: Option<u64>,
}

/// Nothing if a value is unusable.
pub(super) fn read(values: &Values, on_loopback: bool, bad: &mut BadSettings) -> Option<Access> {
    let issuers = bad.note(jwt::read(values));
    let operators = bad.note(operators::read(values));
    let strangers = issuers
        .as_ref()
        .and_then(|issuers| bad.note(auth::read(values, on_loopback, issuers)));
    let session_secret = bad.note(auth::session_secret(values));
    let operators = operators?;
    Some(Access {
        issuers: issuers?,
        strangers: strangers?,
        session_secret: session_secret?,
        operator_token: operators.token,
        four_eyes_above_cents: operators.four_eyes_above_cents,
    })
}

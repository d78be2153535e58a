//! Refusals shared by several operations.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToResponse, ToSchema as _};

use super::headers::header_ref;
use crate::edge::error::Error;

macro_rules! refusals {
    ($($name:ident: $description:literal $(, $header:literal = $reference:literal)*;)*) => {
        $(
            #[doc = $description]
            pub(crate) enum $name {}

            impl<'r> ToResponse<'r> for $name {
                fn response() -> (&'r str, RefOr<Response>) {
                    (stringify!($name), refusal($description, &[$(($header, $reference)),*]))
                }
            }
        )*

        /// All of them, by name.
        pub(super) fn all() -> impl Iterator<Item = (String, RefOr<Response>)> {
            let all = [$($name::response()),*];
            all.into_iter().map(|(name, response)| (name.to_owned(), response))
        }
    };
}

refusals! {
    BadRequest: "The request is not as described; `detail` says where.";
    BadCredential: "The credential is missing or bad.", "WWW-Authenticate" = "WwwAuthenticate";
    Forbidden: "The credential is good and not for this, or the page that asks is of an origin that is not allowed.";
    NotFound: "No such thing here, or it is another's.";
    TooSlow: "The body did not come in time.";
    TooLarge: "The message is over 32 KiB or the body over 256 KiB, or 4 MiB in other protocols.";
    NotAcceptable: "The `Accept` header lacks a form of the answer that the protocol wants clients to take.";
    NotJson: "The body is not declared as `application/json`, or it is compressed.";
    CannotExpect: "The `Expect` header asks for more than `100-continue`.";
    OtherHost: "The `Host` header names neither this machine nor an origin of `BATON_ORIGINS`.";
    Conflict: "The conversation is not in a state for that; `detail` says why.";
    NotYet: "The answer is not ready yet: the same request again finds it.", "Retry-After" = "RetryAfter";
    MessageIdReused: "The message id was used for another message.";
    DecidedOtherwise: "Another operator decided first, or the action is not what was shown; `detail` says who decided what and \
        when. Read the action again.";
    OverBound: "Over a bound of the owner, the conversation or the address; `detail` names it. Nothing was done.", "Retry-After" = "RetryAfter";
    Internal: "A record cannot be read.";
    Unavailable: "The store cannot be reached, the server is ending, too many long answers are being read slowly, or a bound of all is \
        reached, which `detail` names. \
        The same message may be sent again, safely with a message id.", "Retry-After" = "RetryAfter";
}

macro_rules! groups {
    ($($name:ident: $doc:literal [$($status:literal = $refusal:ident),*];)*) => {
        $(
            #[doc = $doc]
            pub(crate) enum $name {}

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let refusals = [$(($status, stringify!($refusal))),*];
                    let named = refusals.into_iter().map(|(status, refusal)| {
                        (status.to_owned(), Ref::from_response_name(refusal).into())
                    });
                    named.collect()
                }
            }
        )*
    };
}

groups! {
    OfReads: "The refusals of a look at one thing or at a list."
        ["400" = BadRequest, "404" = NotFound, "500" = Internal, "503" = Unavailable];
    OfStreams: "The refusals of a stream."
        ["400" = BadRequest, "404" = NotFound, "429" = OverBound, "500" = Internal, "503" = Unavailable];
    OfDecisions: "The refusals of a decision on an action."
        ["400" = BadRequest, "404" = NotFound, "409" = DecidedOtherwise, "500" = Internal, "503" = Unavailable];
}

fn refusal(description: &str, headers: &[(&str, &str)]) -> RefOr<Response> {
    let error = Content::new(Some(Ref::from_schema_name(Error::name())));
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/json", error)
        .build();
    for (name, reference) in [("Cache-Control", "NoStore")].iter().chain(headers) {
        let headers = &mut response.headers;
        headers.insert((*name).to_owned(), header_ref(reference));
    }
    response.into()
}

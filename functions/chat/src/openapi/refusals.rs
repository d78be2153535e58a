//! Refusals shared by several operations.

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{ToResponse, ToSchema as _};

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
    TooLarge: "The message is over 32 KiB or the body over 256 KiB.";
    NotJson: "The body is not declared as `application/json`, or it is compressed.";
    CannotExpect: "The `Expect` header asks for more than `100-continue`.";
    OtherHost: "The `Host` header names neither this machine nor an origin of `BATON_ORIGINS`.";
    MessageIdReused: "The message id was used for another message.";
    TooManyWaiting: "Eight messages of this conversation wait already.", "Retry-After" = "RetryAfter";
    Internal: "A record cannot be read.";
    Unavailable: "The store cannot be reached, the server is ending, or too many long answers are being read slowly. \
        The same message may be sent again, safely with a message id.", "Retry-After" = "RetryAfter";
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

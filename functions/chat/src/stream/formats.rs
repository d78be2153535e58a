//! The stream formats. A new one is a file beside this one and a line in the table below.

use http::{HeaderMap, header};

use super::encoder::Format;
use super::{ndjson, sse};
use crate::edge::accept::wanted;

/// Every format. The first one is the default.
static FORMATS: [&Format; 3] = [DEFAULT, &ndjson::PLAIN, &sse::FORMAT];

const DEFAULT: &Format = &ndjson::FORMAT;

/// The format for a request.
pub(crate) fn negotiate(headers: &HeaderMap) -> &'static Format {
    choose(&FORMATS, headers).unwrap_or(DEFAULT)
}

/// The format that `Accept` wants most of these.
pub fn choose(formats: &[&'static Format], headers: &HeaderMap) -> Option<&'static Format> {
    wanted(headers, &header::ACCEPT).iter().find_map(|range| {
        let mut formats = formats.iter().copied();
        formats.find(|format| format.accepted_by.contains(&range.as_str()))
    })
}

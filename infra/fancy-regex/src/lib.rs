//! In the place of the crate of this name, for `jsonschema`, which cannot be built without it.
//!
//! That crate adds look-around and back-references, which take for ever on some texts. Baton takes such patterns out of a schema before
//! it is compiled. All other patterns the crate hands to the engine of `regex`, as is done here. `jsonschema` uses it for its own
//! schemas of schemas, and for some keywords whichever engine it is told to use.

use std::fmt;

/// A pattern that is matched in linear time.
#[derive(Debug, Clone)]
pub struct Regex(regex::Regex);

impl Regex {
    /// The compiled pattern, within the limits of `regex`.
    ///
    /// # Errors
    /// The pattern is not one of `regex`, or its compiled form is too large.
    pub fn new(pattern: &str) -> Result<Self, regex::Error> {
        regex::Regex::new(pattern).map(Self)
    }

    /// Whether a part of the text matches.
    ///
    /// # Errors
    /// Never: the signature is that of the other crate.
    pub fn is_match(&self, text: &str) -> Result<bool, Error> {
        Ok(self.0.is_match(text))
    }
}

/// Compiles a pattern within limits.
#[derive(Debug)]
pub struct RegexBuilder(regex::RegexBuilder);

impl RegexBuilder {
    /// For this pattern.
    pub fn new(pattern: &str) -> Self {
        Self(regex::RegexBuilder::new(pattern))
    }

    /// Of no effect: nothing backtracks.
    pub fn backtrack_limit(&mut self, _limit: usize) -> &mut Self {
        self
    }

    /// The most bytes of a compiled pattern.
    pub fn delegate_size_limit(&mut self, limit: usize) -> &mut Self {
        self.0.size_limit(limit);
        self
    }

    /// The most bytes of what is kept between two characters.
    pub fn delegate_dfa_size_limit(&mut self, limit: usize) -> &mut Self {
        self.0.dfa_size_limit(limit);
        self
    }

    /// The compiled pattern.
    ///
    /// # Errors
    /// The pattern is not one of `regex`, or its compiled form is too large.
    pub fn build(&self) -> Result<Regex, regex::Error> {
        self.0.build().map(Regex)
    }
}

/// Why a text could not be matched. There is no reason.
#[derive(Debug)]
pub enum Error {}

impl fmt::Display for Error {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::{Regex, RegexBuilder};

    #[test]
    fn a_pattern_is_matched_and_one_that_needs_to_backtrack_is_refused() {
        let plain = Regex::new("^[a-z]+$").unwrap();
        assert!(plain.is_match("abc").unwrap());
        assert!(!plain.is_match("a c").unwrap());
        for pattern in ["(?=a)", "(?<!a)b", r"(a)\1"] {
            assert!(Regex::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_above_its_limit_is_refused() {
        let mut builder = RegexBuilder::new("[a-z]{1,999}");
        assert!(builder.build().is_ok());
        assert!(builder.delegate_size_limit(100).build().is_err());
    }
}

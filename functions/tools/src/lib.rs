//! What a team's tools do: in the embedded back office, and at services behind HTTP.
//! Knows the port and the HTTP client; never conversations or models.

pub mod http_tools;
pub mod office;
pub mod toolbox;

//! An OpenAI-compatible model server that follows a script and needs no key.

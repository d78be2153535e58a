"""What all formats are asked."""

import contextlib

SCHEMA = {
    "type": "object",
    "properties": {"search_query": {"type": "string"}},
    "required": ["search_query"],
}
LOOKUPS = ["anvil", "rocket skates"]
# Quirks of a service: an error behind some words, and 429.
FAILS_INSIDE = "rehearse: quirk error_inside"
AT_ITS_LIMIT = "rehearse: quirk wait_asked"
# Long enough for a cache.
INSTRUCTIONS = "You are a clerk. " * 300


@contextlib.contextmanager
def refused(kind, *words):
    """The block ends with an error of this kind that has these words in it."""
    try:
        yield
    except kind as error:
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError("it was accepted")

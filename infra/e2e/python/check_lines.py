"""Checks the lines of one answer, as curl wrote them, against the contract.

    curl -N … | python check_lines.py "Executing transfer_to_sales_agent" …

Each argument must be the message of one `function` line, in this order.
"""

import json
import sys

KNOWN = {"string", "function", "error", "reset", "done"}


def main(wanted):
    lines = [json.loads(line) for line in sys.stdin if line.strip()]
    contents = [line["content"] for line in lines]
    for line in lines:
        assert isinstance(line["id"], str), f"a line without its position: {line}"
        assert isinstance(line["content"]["message"], str), f"a line without a message: {line}"
        assert line["content"]["type"] in KNOWN, f"a line of an unknown type: {line}"

    done = [content for content in contents if content["type"] == "done"]
    assert contents and done == contents[-1:], f"not exactly one done line at the end: {contents[-3:]}"
    assert done[0]["status"] == "committed", f"the turn did not end well: {done[0]}"

    texts = [content["message"] for content in contents if content["type"] == "string"]
    assert len(texts) > 1, f"the answer did not come in pieces: {texts}"
    said = iter([content["message"] for content in contents if content["type"] == "function"])
    for message in wanted:
        assert message in said, f"no line {message!r} where it belongs"
    print(f"{len(lines)} lines: {''.join(texts)}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Checks a rehearsal server with the official clients: python main.py http://127.0.0.1:8601

The clients are those of OpenAI (two formats), Anthropic, Google and AWS. They read what the rehearsal writes, and write what it reads.
"""

import sys

import chat
import converse
import gemini
import messages
import responses

if __name__ == "__main__":
    for format in (chat, responses, messages, gemini, converse):
        client = format.client(sys.argv[1])
        for check in format.CHECKS:
            check(client)
            print(f"ok {format.__name__}: {check.__name__}")

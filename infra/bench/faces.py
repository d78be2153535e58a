"""Processor time of a text turn in each protocol, beside that of NDJSON: python3 infra/bench/faces.py LOCAL REHEARSAL

LOCAL and REHEARSAL are the release builds of `local` and `rehearsal`. In each round every protocol says as many turns, in an order that
rotates; the figure is the median of the rounds' ratios. Each answer is read and has all its words.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "e2e/faces"))
import ways  # noqa: E402

LOCAL, REHEARSAL = sys.argv[1:3]
ROUNDS, TURNS, WORDS = 21, 200, 20
TICK = os.sysconf("SC_CLK_TCK")


def start(command, pattern, settings):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "REHEARSAL_"))}
    child = subprocess.Popen(command, env=clean | settings, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in child.stderr:
        if found := re.search(pattern, line):
            return child, int(found[1])
    raise SystemExit(f"{command[0]} does not start")


def spent(process):
    """Seconds of user and system time."""
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def play(server, face, number):
    """So many turns in two conversations of ten and so on; the processor time of one, in µs."""
    read, say, _ = ways.FACES[face]
    before = spent(server)
    for turn in range(TURNS):
        text = read(say(f"{face}-{number}-{turn // 10}", f"rehearse: long {WORDS}", f"m{turn}"))
        assert len(text.split()) == WORDS, (face, text)
    return (spent(server) - before) / TURNS * 1e6


def main():
    model, port = start([REHEARSAL], r"http://[^:]+:(\d+)", {"REHEARSAL_DELAY_MS": "0", "REHEARSAL_ADDR": "127.0.0.1:0"})
    with tempfile.TemporaryDirectory() as folder:
        settings = {"BATON_MODEL_URL": f"http://127.0.0.1:{port}/v1", "BATON_DATA": f"{folder}/baton.db", "BATON_ADDR": "127.0.0.1:0"}
        settings |= {"BATON_BOUNDS": "off", "BATON_AUTH": "open"}
        server, ways.PORT = start([LOCAL], r"ready on http://[^:]+:(\d+)", settings)
        try:
            faces = list(ways.FACES)
            figures = {face: [] for face in faces}
            for number in range(ROUNDS):
                turned = faces[number % len(faces) :] + faces[: number % len(faces)]
                for face in turned:
                    figures[face].append(play(server, face, number))
            # The first round warms everything up.
            for face in faces:
                ratios = [own / ndjson for own, ndjson in zip(figures[face][1:], figures["ndjson"][1:])]
                print(f"{face:10} {statistics.median(figures[face][1:]):6.0f} µs  {statistics.median(ratios):.2f} x")
        finally:
            server.terminate()
            server.wait(30)
            model.terminate()


main()

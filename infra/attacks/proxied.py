"""A forwarding proxy beside the server, each with a client's address of its own."""

import os
import subprocess
import sys

from target import free_port


class Proxy:
    def __init__(self, server, address):
        self.server, self.address, self.port = server, address, free_port()

    def __enter__(self):
        program = os.path.join(os.path.dirname(__file__), "forwarder.py")
        command = [sys.executable, program, str(self.port), str(self.server.port), self.address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        return self.port

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

# SPDX-License-Identifier: Apache-2.0
"""fewstep's half: the program fewstep_peer, asked through a pipe."""

import os
import subprocess
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class fewstep_side:
    """Starts the program, which writes what both halves compute with to `folder`, and asks it for times."""

    def __init__(self, program: Path, folder: Path, threads: int):
        self.process = subprocess.Popen([str(program), str(folder), str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"peer: {self.process.args[0]} ended; what it said stands above")
        return line

    def ask(self, request: str) -> list:
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return [float(number) for number in self.answer().split()]

    def run(self, name: str, count: int) -> list:
        """Seconds of each of `count` runs."""
        return self.ask(f"run {name} {count}")

    def copy(self, name: str) -> float:
        """Seconds of a copy that touches as many bytes as a run; 0 where that is no measure."""
        return self.ask(f"copy {name}")[0]

    def processor_seconds(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

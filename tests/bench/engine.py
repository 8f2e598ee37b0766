#!/usr/bin/python3
"""make bench: what nap-agent costs with a thousand instances and their sidekicks, on a state folder of its own.

    tests/bench/engine.py [N [RESTARTS]]        default 1000 and 20; as root. Of NAP_BIN's programs (not sanitized ones), else those of the build.
"""
import os
import pathlib
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "agent"))
from agent_stack import Agent, open_way  # noqa: E402
from many import Many  # noqa: E402
from test_supervision import found  # noqa: E402


def row(what, value, goal, unit):
    print("%-58s %8.2f %-5s goal <= %-6s %s" % (what, value, unit, goal, "met" if value <= goal else "NOT MET"), flush=True)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    restarts = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    isolation = found("crun", "setpriv", "none")[0]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nap-be-", dir="/tmp"))
    open_way(folder)
    m = Many(Agent(folder, isolation).start(), n)
    try:
        print("engine: %d instances with their sidekicks, %s, %d CPUs" % (n, isolation, os.cpu_count()), flush=True)
        at = time.monotonic()
        m.launch()
        asked = time.monotonic()
        m.wait(60 + 2 * n)
        print("asked for in %.1f s, all running after %.1f s" % (asked - at, time.monotonic() - at), flush=True)
        time.sleep(5)
        row("agent's memory, a day of history taken", m.agent_mb(), 48 * max(n, 1000) / 1000, "MB")
        row("agent's CPU while nothing happens, of a core", m.agent_cpu(20), 1, "%")
        row("listing of all states, %d pages" % (2 * n // 100 + 1), m.listing_ms(), 50, "ms")
        row("memory beside the program, an instance with its sidekick", m.beside_mb(), 3, "MB")
        at = time.monotonic()
        count = m.restart(restarts)
        print("%d restarts of the agent in %.1f s: the same %d processes" % (restarts, time.monotonic() - at, count), flush=True)
        row("agent's memory afterwards", m.agent_mb(), 48 * max(n, 1000) / 1000, "MB")
        at = time.monotonic()
        m.stop()
        print("stop of all: no process is left after %.1f s" % (time.monotonic() - at), flush=True)
    finally:
        m.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""`python tests/stress [destructors] [channels] [--seconds N] [--seed N]`: use the core at once from everywhere.

destructors: rounds in which values of every kind send, close, drain, receive, cancel, start, collect and fork as they
    end, in engines with all that an engine has; see `world.py`.
channels: eight threads send and receive in every way; see `channels.py`.

Each test runs in processes of its own, so that a crash and a hang are reported like any other problem, and the next
round goes on. The exit status is 1 if there was any. `--round NAME` plays one round of destructors again, in this
process.
"""

from __future__ import annotations

import argparse
import faulthandler
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

PATIENCE = 30  # seconds for one round of destructors, of which most take a tenth of one
SHOWN = 60  # lines of what a crash or a hang has to say
TESTS = ("destructors", "channels")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/stress", description="Use the core at once from everywhere.")
    parser.add_argument("tests", nargs="*", metavar="TEST", help=f"of {', '.join(TESTS)}; all if none is named")
    parser.add_argument("--seconds", type=float, default=60, help="for all tests together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1_000_000, help="of destructors, at most")
    parser.add_argument("--messages", type=int, default=10_000_000, help="of channels, at most")
    parser.add_argument("--without", default="", metavar="ACTION,...", help="what destructors do not do")
    parser.add_argument("--round", metavar="NAME", help="play this round of destructors again, and no other")
    parser.add_argument("--here", type=int, metavar="FIRST", help=argparse.SUPPRESS)
    options = parser.parse_args()
    tests = options.tests or TESTS
    for test in tests:
        if test not in TESTS:
            parser.error(f"TEST must be one of {', '.join(TESTS)}, got {test!r}")
    if options.round is not None:
        return rounds(options, [options.round])
    if options.here is not None:
        faulthandler.enable()
        if tests == ["channels"]:
            import channels

            return channels.main(options.messages, options.seconds, options.seed)
        return rounds(options, (f"{options.seed}.{each}" for each in range(options.here, options.rounds)))
    return max([supervise(test, options, options.seconds / len(tests)) for test in tests])


def rounds(options: argparse.Namespace, names: object) -> int:
    """Play rounds of destructors in this process."""
    from world import World

    without = frozenset(options.without.split(",")) - {""}
    end = time.monotonic() + options.seconds
    failed = 0
    for name in names:  # type: ignore[attr-defined]
        if time.monotonic() > end:
            break
        print(f"round {name}", flush=True)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        world = World(name, without)
        watchman = threading.Timer(PATIENCE - 5, lambda world=world: print("\n".join(world.unfinished()), flush=True))
        watchman.start()
        for problem in world.run():
            print(f"problem {problem}", flush=True)
            failed = 1
        watchman.cancel()
    faulthandler.cancel_dump_traceback_later()
    return failed


def supervise(test: str, options: argparse.Namespace, seconds: float) -> int:
    """Run a test in processes of its own until the time is over. Return 1 if there was any problem."""
    end = time.monotonic() + seconds
    first = played = failed = 0
    while (left := end - time.monotonic()) > 0 and first < options.rounds:
        command = [sys.executable, "-P", __file__, test, "--here", str(first), "--seed", str(options.seed)]
        # Not all the time in one process: what a round leaves behind in it would hide there.
        command += ["--seconds", str(min(left, 60) if test == "destructors" else left)]
        command += ["--rounds", str(options.rounds), "--messages", str(options.messages), "--without", options.without]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        lines = done.stdout.splitlines()
        if test == "channels":
            print("\n".join(lines if done.returncode in (0, 1) else lines[-SHOWN:]), flush=True)
            if done.returncode not in (0, 1):
                print(f"channels: the process ended with {done.returncode}")
            return min(1, abs(done.returncode))
        names = [line.split()[1] for line in lines if line.startswith("round ")]
        played += len(names)
        if done.returncode:
            failed += 1
            print("\n".join(_problems(lines) if done.returncode == 1 else _last(lines)), flush=True)
            if done.returncode != 1:
                print(f"destructors: the process ended with {done.returncode} in round {names[-1] if names else None}")
        if not names:
            return 1
        first = int(names[-1].rpartition(".")[2]) + 1
    print(f"destructors: {played} rounds; problems in {failed} processes", flush=True)
    return min(1, failed)


def _problems(lines: list[str]) -> list[str]:
    """Leave out the rounds in which nothing went wrong."""
    return [
        line
        for line, after in zip(lines, [*lines[1:], "round"], strict=True)
        if not (line.startswith("round ") and after.startswith("round"))
    ]


def _last(lines: list[str]) -> list[str]:
    """What the last round has to say."""
    begin = max((place for place, line in enumerate(lines) if line.startswith("round ")), default=0)
    return lines[begin : begin + SHOWN]


if __name__ == "__main__":
    sys.exit(main())

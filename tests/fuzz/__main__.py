"""`python tests/fuzz [--seconds N] [--seed N] [--atheris]`: attack the decoder, the check, the proof and the linker.

Without `--atheris` it needs nothing but the project: it changes valid encodings at random, and goes on with those that
got further than others. What breaks is written to `crash-*` in the working directory, with the error raised.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

MEMORY = 2 << 30  # bytes that the process may have
PATIENCE = 20  # seconds that one input may take


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description="Fuzz files of templates.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="be guided by coverage; needs atheris")
    options = parser.parse_args()
    faulthandler.enable()
    if options.atheris:
        return guided(options.seconds, options.seed)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from attack import SEEDS, attack, mutate

    chance = random.Random(options.seed)
    pool, counts = list(SEEDS), Counter[str]()
    end = time.monotonic() + options.seconds
    signal.signal(signal.SIGALRM, _took_too_long)
    while time.monotonic() < end:
        data = mutate(chance.choice(pool), chance)
        signal.alarm(PATIENCE)
        try:
            far = attack(data)
        except BaseException:
            Path(f"crash-{options.seed}-{sum(counts.values())}").write_bytes(data)
            raise
        finally:
            signal.alarm(0)
        counts[far] += 1
        if far != "not decoded" and len(data) < 5000:
            # What got far takes the place of what others came from: the pool moves on.
            if len(pool) < 2000:
                pool.append(data)
            else:
                pool[chance.randrange(len(SEEDS), 2000)] = data
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{sum(counts.values()):,} inputs: {dict(counts)}; peak memory {peak / 1024:.0f} MB")
    return 0


def _took_too_long(*_: object) -> None:
    raise TimeoutError(f"one input took more than {PATIENCE} s")


def guided(seconds: float, seed: int) -> int:
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["cascade.graph"]):
        from attack import SEEDS, attack, mutate

    corpus = Path("fuzz-corpus")
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(data)

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.3:
            return bytes(atheris.Mutate(data, most))
        return mutate(data, chance)[:most]

    arguments = [sys.argv[0], f"-max_total_time={seconds:.0f}", f"-seed={seed or 1}", "-max_len=20000"]
    limits = [f"-timeout={PATIENCE}", f"-rss_limit_mb={MEMORY >> 20}", "-print_final_stats=1"]
    atheris.Setup([*arguments, *limits, str(corpus)], attack, custom_mutator=change)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())

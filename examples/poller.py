"""Poll a job until it is done, waiting longer after each look: a loop written as a tail call.

    python examples/poller.py
"""

from __future__ import annotations

import cascade as cs


class Job:
    """Stands for something slow and remote: it takes a few looks until it is done."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def status(self) -> str:
        self.looks -= 1
        return "done" if self.looks <= 0 else "working"


@cs.task
def status(job: Job) -> str:
    """Blocks, as a request would: it starts in a worker thread."""
    return job.status()


@cs.task(mode="inline")
def decide(job: Job, status: str, delay: float, waited: float) -> object:
    if status == "done":
        return waited
    print(f"  {status}; looking again in {delay * 1000:.0f} ms")
    return again(job, min(delay * 2, 0.1), waited + delay, cs.wait(delay))


@cs.task(mode="inline")
def again(job: Job, delay: float, waited: float, _: float) -> object:
    return poll(job, delay, waited)


def poll(job: Job, delay: float = 0.005, waited: float = 0.0) -> cs.LazyResult:
    """The expression of one look and of what follows from it."""
    return decide(job, status(job), delay, waited)


def main() -> float:
    waited = cs.run(poll(Job(looks=5)))
    print(f"done after waiting {waited * 1000:.0f} ms")
    return float(waited)


if __name__ == "__main__":
    main()

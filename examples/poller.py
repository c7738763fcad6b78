"""Poll jobs of a flaky service until they are done: retries with jitter, a rate limit, looks further and further apart.

python examples/poller.py
"""

from __future__ import annotations

import cascade as cs

FIRST, LONGEST = 1.0, 8.0  # seconds between two looks at a job
RATE = "2/s"  # requests that the service puts up with, all jobs together

inline = cs.task(mode="inline")


class Service:
    """Stands for something remote: jobs take their time, and now and then a request fails."""

    def __init__(self, engine: cs.Engine, jobs: dict[str, float], failing: float = 0.3) -> None:
        self.engine = engine
        self.start = engine.clock.time()
        self.jobs = jobs  # how many seconds each takes
        self.failing = failing  # how likely that is, from 0 to 1
        self.requests: list[tuple[float, str, str]] = []

    def now(self) -> float:
        return self.engine.clock.time() - self.start

    def status(self, job: str) -> str:
        now = self.now()
        found = "done" if now >= self.jobs[job] else "working"
        if self.engine.random.random() < self.failing:
            found = "no answer"
        self.requests.append((now, job, found))
        print(f"{now:6.2f} s  {job}: {found}")
        if found == "no answer":
            raise ConnectionError(f"no answer about {job}")
        return found


@cs.task
def status(service: Service, job: str) -> str:
    """May block, as a request would: it starts in a worker thread."""
    return service.status(job)


stubborn = status.with_retry(max_attempts=8, delay=0.5, jitter="full", on=ConnectionError)


@inline
def poll(service: Service, job: str, delay: float = FIRST) -> float:
    """One look at a job, and what follows from it."""
    return decide(service, job, stubborn(service, job), delay)


@inline
def decide(service: Service, job: str, found: str, delay: float) -> float:
    """The value is when the job was found to be done. Until then: the next look, after a while."""
    if found == "done":
        return service.now()
    return cs.lazy(poll(service, job, min(2 * delay, LONGEST))).after(cs.wait(delay))


def watch(service: Service) -> tuple[float, ...]:
    """Poll all jobs at once. Every attempt of every one of them counts for the rate."""
    service.engine.limits.set("task:status", rate=RATE)
    return cs.gather(*(poll(service, job) for job in service.jobs))


def main(engine: cs.Engine | None = None) -> dict[str, float]:
    if engine is None:  # a real one that hurries; a test's has all the time in the world
        engine = cs.Engine(clock=cs.Clock.real(speed=20), seed=1)
    service = Service(engine, {"build": 5, "tests": 12, "deploy": 20})
    found = dict(zip(service.jobs, cs.run(watch(service), engine=engine), strict=True))
    print("seen to be done after " + ", ".join(f"{when:.1f} s: {job}" for job, when in found.items()))
    return found


if __name__ == "__main__":
    main()

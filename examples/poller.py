"""Poll jobs of a flaky service until they are done: retries with jitter, a rate limit, looks further and further apart.

python examples/poller.py
"""

from __future__ import annotations

import cascade as cs

FIRST, LONGEST = 1.0, 8.0  # seconds between two looks at a job
PATIENCE = 60.0  # seconds that a job may take
RATE = "2/s"  # requests that the service puts up with, all jobs together


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
def status(job: str, service: Service = cs.Inject("service")) -> str:
    """May block, as a request would: it starts in a worker thread."""
    return service.status(job)


stubborn = status.with_retry(max_attempts=3, delay=0.5, jitter="full", on=ConnectionError)


@cs.task
async def poll(job: str, delay: float = FIRST, service: Service = cs.Inject("service")) -> float:
    """One look at a job. The value is when it was found to be done; until then: the next look, after a while."""
    found = await cs.lazy(cs.fallback(stubborn(job), "unknown", on=ConnectionError))
    if found == "done":
        return service.now()
    return cs.lazy(poll(job, min(2 * delay, LONGEST))).after(cs.wait(delay))


def watch(service: Service) -> dict[str, cs.Outcome[float]]:
    """Poll all jobs at once, each as long as there is patience. What becomes of one does not end the others."""
    return {job: cs.outcome(cs.scope(poll(job)).with_timeout(PATIENCE)) for job in service.jobs}


def main(engine: cs.Engine | None = None) -> dict[str, cs.Outcome[float]]:
    if engine is None:  # a real one that hurries; a test's has all the time in the world
        engine = cs.Engine(clock=cs.Clock.real(speed=20), seed=1)
    service = Service(engine, {"build": 5, "tests": 12, "deploy": 20, "approval": 86_400})
    engine.register(service, "service")
    engine.limits.set("task:status", rate=RATE)  # every attempt of every job counts
    found = cs.run(watch(service), engine=engine)
    for job, outcome in found.items():
        print(f"{job}: done after {outcome.value:.1f} s" if outcome.ok else f"{job}: not done ({outcome.error})")
    return found


if __name__ == "__main__":
    main()

"""Tasks for worker processes, which find them by the name of this module."""

from __future__ import annotations

import os

import cascade as cs


def pid_of(value: object) -> tuple[object, int]:
    return (value, os.getpid())


def fail_with(text: str) -> None:
    raise ValueError(text)


def die(code: int) -> None:
    os._exit(code)


@cs.task(mode="process")
def add(a: int, b: int = 0) -> int:
    return a + b


in_process = cs.task(pid_of, mode="process")
failing = cs.task(fail_with, mode="process")
dying = cs.task(die, mode="process")


class Made:
    @classmethod
    @cs.task(mode="process")
    def make(cls, x: int = 0, *more: object) -> object:
        return (cls.__name__, x, more)


@cs.task(mode="process")
def here(value: object, fails: int = 0) -> object:
    """Give what a call in a worker process can ask about itself; fail in the first attempts."""
    call = cs.current()
    if call.attempt <= fails:
        raise OSError
    place = call.run.id, call.iteration, call.attempt, call.path
    refused = []
    for ask in (lambda: call.engine, lambda: call.run.cancel()):
        try:
            ask()
        except (cs.EngineStateError, AttributeError) as error:
            refused.append(str(error))
    return place, *refused


@cs.task(mode="process")
def named(**names: object) -> list[tuple[str, object]]:
    """Give the arguments in their order."""
    return [*names.items()]


@cs.task(mode="process")
def called() -> tuple[int, str | None, dict[str, str]]:
    """The id, name and tags of the run."""
    run = cs.current().run
    return run.id, run.name, dict(run.tags)

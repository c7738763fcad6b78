"""Params, variables of the environment, and resources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, assert_type

import cascade as cs


class Level(Enum):
    LOW = 1
    HIGH = 2


class Database:
    def find(self, key: str) -> int:
        return len(key)


@cs.task
def report(days: int, title: str) -> str:
    return f"{title}: {days} days"


@cs.task
def query(key: str, db: Database = cs.Inject("db")) -> int:
    return db.find(key)


@cs.task
def write(folder: Path, level: Level, sizes: list[int]) -> None: ...


assert_type(cs.Param("days", type=int), int)
assert_type(cs.Param("days", type=int, default=7, description="how many"), int)
assert_type(cs.Param("days", type=int, default="7"), int)
assert_type(cs.Param("level", type=Level), Level)
assert_type(cs.Param("sizes", type=list[int], default="1, 2"), list[int])
assert_type(cs.Param("title"), Any)
maybe: Path | None = cs.Param("folder", type=Path | None, default=None)
assert_type(report(cs.Param("days", type=int), cs.Param("title")), str)
assert_type(report(cs.Env("DAYS", type=int, default=1), cs.Env("TITLE")), str)
assert_type(write(cs.Param("folder", type=Path), cs.Param("level", type=Level), cs.Param("s", type=list[int])), None)
assert_type(cs.Env("HOME"), str)
assert_type(cs.Env("PORT", type=int), int)
assert_type(cs.Env("HOME", default="/"), str)
assert_type(cs.Env("HOME", default=None), str | None)
assert_type(cs.run(report(cs.Param("days", type=int), "x"), params={"days": "3"}), str)
assert_type(cs.run(cs.Param("days", type=int), params={"days": 3}), int)

assert_type(query("a"), int)
assert_type(query("a", Database()), int)
assert_type(query("a", db=cs.inject("db")), int)


@cs.resource
def db() -> Iterator[Database]:
    yield Database()


@cs.resource(scope="engine", name="files")
async def folder(db: Database, root: str = ".") -> AsyncIterator[Path]:
    yield Path(root)


@cs.resource(scope="call")
def number() -> int:
    return 3


assert_type(number(), int)
assert_type(number.scope, Literal["run", "call", "engine"])
assert_type(next(db()), Database)
folder(Database(), root="/")
engine = cs.Engine()
engine.register(db)
engine.register(Database(), "other")
with engine.override("db", Database()):
    assert_type(cs.run(query("a"), engine=engine), int)

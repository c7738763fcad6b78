"""Wrong params, variables and resources."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

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


report(cs.Param("days", type=str), "title")  # error
report(3, cs.Param("title", type=int))  # error
report(cs.Env("DAYS"), "title")  # error
report(3, cs.Env("TITLE", type=int))  # error
level: int = cs.Param("level", type=Level)  # error
home: str = cs.Env("HOME", default=None)  # error
cs.Param(3)  # error
cs.Param()  # error
cs.Param("n", int)  # error
cs.Param("n", kind=int)  # error
cs.Param("n", description=3)  # error
cs.Env("N", type=int, descr="x")  # error
value: str = cs.run(cs.Param("days", type=int))  # error

query(3)  # error
query("a", 3)  # error
query("a", data=cs.inject("db"))  # error
cs.inject()  # error
cs.inject(3)  # error


@cs.resource
def db(name: str = "db") -> Iterator[Database]:
    yield Database()


@cs.resource(scope="step")  # error
def number() -> int:
    return 3


@cs.resource(scopes="run")  # error
def other() -> int:
    return 3


db(3)  # error
found: Iterator[int] = db()  # error
db.scopes  # error
engine = cs.Engine()
engine.register()  # error
engine.register(db, 3)  # error
engine.override("db")  # error

"""Overloaded functions as tasks."""

from __future__ import annotations

from typing import Literal, assert_type, overload

import cascade as cs


@overload
def parse(text: str) -> int: ...
@overload
def parse(text: bytes) -> float: ...
@cs.task
def parse(text: str | bytes) -> int | float:
    return int(text)


@overload
def read(path: str, binary: Literal[False] = False) -> str: ...
@overload
def read(path: str, binary: Literal[True]) -> bytes: ...
@cs.task(mode="thread")
def read(path: str, binary: bool = False) -> str | bytes:
    return b"" if binary else path


class Store:
    @overload
    def get(self, key: int) -> str: ...
    @overload
    def get(self, key: str) -> bytes: ...
    @cs.task
    def get(self, key: int | str) -> str | bytes:
        return str(key)


assert_type(parse("1"), int)
assert_type(parse(b"1"), float)
assert_type(cs.run(parse("1")), int)
assert_type(cs.gather(parse("1"), parse(b"1")), tuple[int, float])
assert_type(read("p"), str)
assert_type(read("p", True), bytes)
assert_type(read("p", binary=True), bytes)
assert_type(parse(read("p")), int)
assert_type(Store().get(1), str)
assert_type(Store().get("a"), bytes)

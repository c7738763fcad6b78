"""Wrong calls of overloaded tasks."""

from __future__ import annotations

from typing import overload

import cascade as cs


@overload
def parse(text: str) -> int: ...
@overload
def parse(text: bytes) -> float: ...
@cs.task
def parse(text: str | bytes) -> int | float:
    return int(text)


class Store:
    @overload
    def get(self, key: int) -> str: ...
    @overload
    def get(self, key: str) -> bytes: ...
    @cs.task
    def get(self, key: int | str) -> str | bytes:
        return str(key)


parse(1)  # error
parse()  # error
parse("1", 2)  # error
parse(txt="1")  # error
text: str = parse("1")  # error
Store().get(0.5)  # error
page: bytes = Store().get(1)  # error
number: int = cs.run(parse(b"1"))  # error

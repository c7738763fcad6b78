"""Generic classes at run time: what annotations are made of."""

from __future__ import annotations

import pickle
import types
import typing

import pytest

import cascade as cs

P = typing.ParamSpec("P")
R = typing.TypeVar("R")

GENERIC = [cs.LazyResult, cs.Run, cs.Channel, cs.Received, cs.Population]


@pytest.mark.parametrize("kind", GENERIC, ids=lambda kind: kind.__name__)
def test_a_generic_class_takes_a_type(kind: typing.Any) -> None:
    made = kind[int]
    assert typing.get_origin(made) is kind
    assert typing.get_args(made) == (int,)
    assert made == kind[int] and made != kind[str] and hash(made) == hash(kind[int])
    assert kind[R][int] == made
    assert typing.get_args(made | None) == (made, types.NoneType)
    assert repr(made) == f"cascade.{kind.__name__}[int]"
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_task_takes_parameters_and_a_result() -> None:
    made = cs.Task[[int, str], bytes]
    assert isinstance(made, types.GenericAlias)
    assert typing.get_origin(made) is cs.Task
    assert made.__args__ == ((int, str), bytes)
    assert made == cs.Task[[int, str], bytes] != cs.Task[[int], bytes]
    assert typing.Optional[made]  # noqa: UP045 - which asks for its hash
    assert cs.Task[..., int].__args__ == (..., int)
    assert cs.Task[P, R].__parameters__ == (P, R)
    assert cs.Task[P, R][[int], str].__args__ == ((int,), str)
    assert pickle.loads(pickle.dumps(made)) == made


def test_annotations_with_them_can_be_evaluated() -> None:
    @cs.task
    def use(
        lazy: cs.LazyResult[int],
        task: cs.Task[[int], str],
        run: cs.Run[int],
        channel: cs.Channel[int],
        received: cs.Received[int],
        population: cs.Population[int],
    ) -> None: ...

    hints = typing.get_type_hints(use)
    assert hints["lazy"] == cs.LazyResult[int] and hints["task"] == cs.Task[[int], str]
    assert hints["run"] == cs.Run[int] and hints["channel"] == cs.Channel[int]


def test_a_channel_can_be_made_of_an_alias_and_of_a_subclass() -> None:
    class Inbox(cs.Channel[int]):
        pass

    for made in (cs.Channel[int](capacity=1, name="inbox"), Inbox(capacity=1, name="inbox")):
        assert isinstance(made, cs.Channel)
        assert (made.capacity, made.name) == (1, "inbox")
        made.send(3)
        assert cs.run(made.recv()).message == 3


@pytest.mark.parametrize("kind", [cs.LazyResult, cs.Task, cs.Received])
def test_what_the_engine_makes_cannot_be_made_of_an_alias(kind: typing.Any) -> None:
    if kind is not cs.Received:
        with pytest.raises(TypeError, match="cannot create"):
            kind[int]()
    with pytest.raises(TypeError, match="isinstance"):
        isinstance(3, kind[int])

"""The programs in examples/ do what they say: at which second, under a virtual clock; and at all, under a real one."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cascade as cs

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fan_out, game_of_life, poller, tool_loop, traffic_light = map(
    load, ("fan_out", "game_of_life", "poller", "tool_loop", "traffic_light")
)


def virtual(seed: int = 1) -> cs.Engine:
    return cs.Engine(clock=cs.Clock.virtual(seed=seed))


def test_every_example_is_tested() -> None:
    tested = {"fan_out", "game_of_life", "poller", "tool_loop", "traffic_light"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_fan_out_counts_words(capsys: pytest.CaptureFixture[str]) -> None:
    engine = virtual()
    assert fan_out.main(engine) == fan_out.main() == [("firefly", 5), ("a", 3)]
    # All pages at once; the near mirror wins, but for the page that is missing on both.
    assert engine.clock.time_ns() == 1_000_000 + 60_000_000
    assert capsys.readouterr().out == "5  firefly\n3  a\n" * 2


def test_fan_out_takes_a_page_from_the_mirror_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "SITE", {page: text for page, text in fan_out.SITE.items() if text is not None})
    engine = virtual()
    assert fan_out.main(engine) == [("firefly", 5), ("a", 3)]
    assert engine.clock.time_ns() == 1_000_000 + 5_000_000  # the far mirror was cancelled


def test_fan_out_ends_with_a_failure_that_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "SITE", {"/": 5})
    with pytest.raises(AttributeError):
        fan_out.main(virtual())


# ------------------------------------------------------------------------------------------------------ poller


def poll(seed: int, failing: float, **jobs: float) -> tuple[dict[str, Any], list[tuple[float, str, str]]]:
    """What became of each job, and all requests."""
    engine = virtual(seed)
    service = poller.Service(engine, jobs, failing)
    engine.register(service, "service")
    engine.limits.set("task:status", rate=poller.RATE)
    return cs.run(poller.watch(service), engine=engine), service.requests


def test_poller_looks_further_and_further_apart() -> None:
    found, requests = poll(1, 0.0, job=20.0)
    assert [when for when, _, _ in requests] == [0, 1, 3, 7, 15, 23]
    assert [answer for _, _, answer in requests] == ["working"] * 5 + ["done"]
    assert found["job"].unwrap() == 23


@pytest.mark.parametrize("seed", range(20))
def test_poller_keeps_to_the_rate_and_asks_again(seed: int) -> None:
    jobs = {"build": 5.0, "tests": 12.0, "deploy": 20.0}
    found, requests = poll(seed, 0.3, **jobs)
    times = [when for when, _, _ in requests]
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(times))
    for job, after in jobs.items():
        answers = [answer for _, asked, answer in requests if asked == job]
        assert answers.count("done") == 1 and answers[-1] == "done"  # then nobody asks any more
        when = found[job].unwrap()
        assert when >= after and (when, job, "done") in requests


def test_poller_has_the_same_luck_with_the_same_seed() -> None:
    jobs = {"build": 5.0, "tests": 12.0, "deploy": 20.0}
    traces = [poll(seed, 0.3, **jobs)[1] for seed in (1, 2, 3, 1, 2, 3)]
    assert traces[:3] == traces[3:]
    assert traces[0] != traces[1] != traces[2] != traces[0]
    assert any(answer == "no answer" for _, _, answer in traces[0])


def test_poller_asks_three_times_for_each_look_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is down for 20 s ends no poller."""
    luck = poller.Service.status

    def status(self: Any, job: str) -> str:
        self.failing = 1.0 if self.now() < 20 else 0.0
        return str(luck(self, job))

    monkeypatch.setattr(poller.Service, "status", status)
    found, requests = poll(1, 1.0, job=5.0)
    assert found["job"].ok
    assert [answer for _, _, answer in requests] == ["no answer"] * (len(requests) - 1) + ["done"]
    assert len(requests) > 8


def test_poller_loses_its_patience_with_one_job_alone() -> None:
    found, requests = poll(1, 0.0, long=61.0, short=1.0)
    assert isinstance(found["long"].error, cs.TaskTimeoutError)
    assert found["short"].unwrap() == 1.0
    assert max(when for when, _, _ in requests) < poller.PATIENCE


def test_poller_has_no_patience_with_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the service may do is retried, and taken for an answer."""
    asked = []

    def status(self: Any, job: str) -> str:
        asked.append(job)
        raise KeyError(job)

    monkeypatch.setattr(poller.Service, "status", status)
    found, _ = poll(1, 0.0, job=5.0)
    assert isinstance(found["job"].error, KeyError)
    assert asked == ["job"]


def test_poller_as_a_program(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = poller.main(virtual())
    assert {job: outcome.value for job, outcome in found.items() if outcome.ok} == {
        "build": 8.0,
        "tests": 22.0,
        "deploy": 20.5,
    }
    printed = capsys.readouterr().out
    assert "build: done after 8.0 s\ntests: done after 22.0 s\ndeploy: done after 20.5 s\napproval: not done" in printed
    monkeypatch.setattr(poller, "PATIENCE", 5.0)
    assert poller.main().keys() == found.keys()  # in real time, if in a hurry


# ----------------------------------------------------------------------------------------------- traffic light


def watch(**script: Any) -> list[tuple[float, str]]:
    log: list[tuple[float, str]] = traffic_light.watch(virtual(), **script)
    return log


def test_traffic_light_keeps_its_times() -> None:
    assert traffic_light.main(virtual()) == [
        (0, "red"),
        (15, "green"),  # who pressed at 5 has crossed
        (45, "yellow"),  # pressed
        (48, "red"),
        (63, "green"),  # who pressed at 46 has crossed
        (110, "yellow"),  # pressed
        (113, "red"),
        (128, "green"),
        (170, "yellow"),  # the operator calls: night
        *((171 + second, "yellow" if second % 2 else "dark") for second in range(6)),
        (176.5, "yellow"),  # the operator calls again: day
        (179.5, "red"),
        (194.5, "green"),
    ]


def test_traffic_light_goes_round_all_day() -> None:
    """Nobody comes: 15 s of red, 60 s of green, 3 s of yellow, and again."""
    log = watch(presses=(), calls=(), until=86_400)
    assert len(log) == 3 * (86_400 // 78) + 2  # the last green has begun
    for index, shown in enumerate(log):
        rounds, state = divmod(index, 3)
        assert shown == (78 * rounds + (0, 15, 75)[state], ("red", "green", "yellow")[state])


def light_by_hand(presses: list[int], until: float) -> list[tuple[float, str]]:
    log: list[tuple[float, str]] = []
    red = 0.0
    while True:
        green = red + 15
        wished = min((when for when in presses if when >= green), default=green + 60)
        yellow = min(max(green + 20, wished), green + 60)
        log += [(red, "red"), (green, "green"), (yellow, "yellow")]
        red = yellow + 3
        if red > until:
            return [shown for shown in log if shown[0] < until]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 900), max_size=12))
@example([15, 249])
def test_traffic_light_heeds_the_button(presses: list[int]) -> None:
    """Also at the very instant at which it becomes green."""
    assert watch(presses=presses, calls=(), until=1000.5) == light_by_hand(presses, 1000.5)


def test_traffic_light_keeps_an_operator_waiting_until_green_may_end() -> None:
    assert watch(presses=(), calls=(4, 36.5), until=50)[:4] == [(0, "red"), (15, "green"), (35, "yellow"), (36, "dark")]
    assert watch(presses=(), calls=(4, 36.5), until=50)[4:] == [(36.5, "yellow"), (39.5, "red")]


def test_traffic_light_as_a_program() -> None:
    lights = [light for _, light in traffic_light.main()]
    assert lights[:3] == ["red", "green", "yellow"]
    assert "dark" in lights


# ------------------------------------------------------------------------------------------------ game of life

Board = list[list[bool]]


def next_board(board: Board) -> Board:
    """The rules, on a plain array whose edges meet."""
    height, width = len(board), len(board[0])

    def neighbours(row: int, column: int) -> int:
        return sum(
            board[(row + down) % height][(column + right) % width]
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if down or right
        )

    return [
        [neighbours(row, column) in ((2, 3) if alive else (3,)) for column, alive in enumerate(states)]
        for row, states in enumerate(board)
    ]


def simulate(board: Board, generations: int) -> list[Board]:
    boards = [board]
    for _ in range(generations):
        boards.append(next_board(boards[-1]))
    return boards


def agree(board: Board, generations: int) -> list[Board]:
    """The boards that the agents make of one; they are those of the array."""
    lives = cs.run(game_of_life.agents(board, generations), engine=virtual())
    boards: list[Board] = game_of_life.boards(lives, len(board[0]))
    assert boards == simulate(board, generations)
    return boards


def test_game_of_life_glider_comes_round_the_torus() -> None:
    glider = game_of_life.parse(game_of_life.GLIDER)  # on 6 by 8
    boards = agree(glider, 4 * 24)
    for step in range(25):  # a step down and to the right every four generations
        moved = [[glider[(row - step) % 6][(column - step) % 8] for column in range(8)] for row in range(6)]
        assert boards[4 * step] == moved
    assert boards[-1] == glider


def test_game_of_life_blinker_blinks() -> None:
    rows = "\n. . . . .\n. . . . .\n. # # # .\n. . . . .\n. . . . .\n"
    lying = game_of_life.parse(rows)
    standing = [list(column) for column in zip(*lying, strict=True)]
    assert agree(lying, 6) == [lying, standing] * 3 + [lying]
    assert game_of_life.draw(lying) == rows.strip()


@settings(max_examples=60)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 6), st.randoms(use_true_random=False))
def test_game_of_life_on_tori_of_all_sizes(height: int, width: int, generations: int, chance: random.Random) -> None:
    """On the smallest ones a cell is its own neighbour, or has one neighbour on several sides."""
    agree([[chance.random() < 0.4 for _ in range(width)] for _ in range(height)], generations)


@pytest.mark.parametrize("size", [16, 32])
def test_game_of_life_on_larger_boards(size: int) -> None:
    chance = random.Random(size)
    agree([[chance.random() < 0.3 for _ in range(size)] for _ in range(size)], 30)


@pytest.mark.parametrize("seed", range(5))
def test_game_of_life_needs_no_common_clock(seed: int) -> None:
    """Agents that are runs of their own, and begin in any order and at any time, live the same lives."""
    chance = random.Random(seed)
    board = [[chance.random() < 0.4 for _ in range(8)] for _ in range(6)]
    agents = game_of_life.agents(board, 10)
    order = chance.sample(range(len(agents)), len(agents))
    engine = virtual()

    async def main() -> list[list[bool]]:
        runs = {at: engine.start(agents[at].after(cs.wait(chance.randrange(100)))) for at in order}
        return [await runs[at] for at in range(len(agents))]

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        lives = runner.run(main())
    assert game_of_life.boards(lives, 8) == simulate(board, 10)


def test_game_of_life_waits_for_a_cell_that_is_missing() -> None:
    agents = game_of_life.agents([[False] * 3 for _ in range(3)], 1)
    with pytest.raises(cs.DeadlockError, match="recv"):
        cs.run(agents[1:], engine=virtual())


def test_game_of_life_as_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(game_of_life.main()) == 13
    assert capsys.readouterr().out.count("generation") == 4


# --------------------------------------------------------------------------------------------------- tool loop

GOOD, FAILS, HANGS, BUSY = 0.5, 0.9, 0.1, 0.1  # luck: of the model, good or busy; of the web, good, fails or hangs


def converse(*luck: float, steps: int | None = None) -> tuple[list[tuple[str, str]], float]:
    """What is said in a conversation whose luck is known beforehand, and after how many seconds it ends."""
    engine = virtual()
    engine.random.random = itertools.chain(luck, itertools.repeat(GOOD)).__next__  # type: ignore[method-assign]
    said = cs.run(tool_loop.turn([], ("user", "How many legs?")), engine=engine, max_iterations=steps)
    return said, engine.clock.time()


FOUND = [("model", "search: fireflies in a show"), ("search", "900")]
REST = [
    ("model", "search: legs of a firefly"),
    ("search", "6"),
    ("model", "multiply: 900 * 6"),
    ("multiply", "5400"),
    ("model", "done: 5400 legs"),
]


def test_tool_loop_takes_as_long_as_thoughts_and_tools() -> None:
    assert converse() == ([("user", "How many legs?"), *FOUND, *REST], 4 * 1 + 2 * 2)


def test_tool_loop_tries_a_tool_again_that_hangs_or_fails() -> None:
    assert converse(GOOD, HANGS) == ([("user", "How many legs?"), *FOUND, *REST], 4 * 1 + 2 * 2 + 5)
    assert converse(GOOD, FAILS) == ([("user", "How many legs?"), *FOUND, *REST], 4 * 1 + 2 * 2 + 2)


@pytest.mark.parametrize(
    ("luck", "reason", "seconds"),
    [
        ((FAILS, FAILS), "the web is down", 2 + 2),
        ((HANGS, HANGS), "task example_tool_loop.search took longer than 5 s, attempt 2", 5 + 5),
        ((FAILS, HANGS), "task example_tool_loop.search took longer than 5 s, attempt 2", 2 + 5),
    ],
)
def test_tool_loop_tells_the_model_of_a_tool_that_does_not_work(
    luck: tuple[float, ...], reason: str, seconds: float
) -> None:
    said, time = converse(GOOD, *luck)
    assert said == [("user", "How many legs?"), FOUND[0], ("search", f"failed: {reason}"), *FOUND, *REST]
    assert time == 4 * 1 + 2 * 2 + seconds + 1  # and it thinks once more


def test_tool_loop_waits_as_long_as_the_model_says() -> None:
    said, time = converse(BUSY, BUSY, GOOD, GOOD, BUSY)
    assert said == [("user", "How many legs?"), *FOUND, *REST]
    assert time == 4 * 1 + 2 * 2 + 3 * (1 + 20)  # `retry_after`, and it thinks once more


def test_tool_loop_ends_with_a_model_that_never_has_time() -> None:
    with pytest.raises(tool_loop.TooManyRequests) as caught:
        converse(*[BUSY] * 100)
    assert "think" in caught.value.__notes__[0]


def says(monkeypatch: pytest.MonkeyPatch, *replies: str) -> None:
    """Have the model say one thing after another, whatever it hears, and the last one for ever."""

    @cs.task(mode="inline")
    def think(transcript: list[tuple[str, str]]) -> str:
        return replies[min(sum(who == "model" for who, _ in transcript), len(replies) - 1)]

    monkeypatch.setattr(tool_loop, "patient", think)


def test_tool_loop_tells_the_model_of_a_tool_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "fly: away", "multiply: 6 by 7", "multiply: 6 * 7", "done: 42")
    assert converse()[0][1:] == [
        ("model", "fly: away"),
        ("user", "the tools are search, multiply, and done"),
        ("model", "multiply: 6 by 7"),
        ("multiply", "failed: invalid literal for int() with base 10: '6 by 7'"),
        ("model", "multiply: 6 * 7"),
        ("multiply", "42"),
        ("model", "done: 42"),
    ]


@pytest.mark.parametrize("steps", [0, 7, 500])
def test_tool_loop_stops_when_no_steps_are_left(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "multiply: 2 * 2")
    with pytest.raises(cs.RunLimitError, match=f"max_iterations={steps}"):
        converse(steps=steps)


@pytest.mark.parametrize("seed", range(20))
def test_tool_loop_finds_the_answer_whatever_its_luck(seed: int) -> None:
    said = tool_loop.main(virtual(seed))
    told = [("search", "900"), ("search", "6"), *REST[2:]]
    assert [each for each in said if each in told] == told


def test_tool_loop_is_short() -> None:
    assert len((EXAMPLES / "tool_loop.py").read_text().splitlines()) <= 60


def test_tool_loop_as_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool_loop.main()[-1] == ("model", "done: 5400 legs")
    printed = capsys.readouterr().out.splitlines()
    assert "  search  failed: task example_tool_loop.search took longer than 5 s, attempt 2" in printed
    assert printed[-2:] == ["   model  done: 5400 legs", "after 37 s"]

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
from hypothesis import given, settings
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
    assert engine.clock.time_ns() == 1_000_000 + 5_000_000  # all pages at once
    assert capsys.readouterr().out == "5  firefly\n3  a\n" * 2


# ------------------------------------------------------------------------------------------------------ poller


def poll(seed: int, failing: float, **jobs: float) -> tuple[list[float], list[tuple[float, str, str]]]:
    """When each job was seen to be done, and all requests."""
    engine = virtual(seed)
    service = poller.Service(engine, jobs, failing)
    return cs.run(poller.watch(service), engine=engine), service.requests


def test_poller_looks_further_and_further_apart() -> None:
    found, requests = poll(1, 0.0, job=20.0)
    assert [when for when, _, _ in requests] == [0, 1, 3, 7, 15, 23]
    assert [answer for _, _, answer in requests] == ["working"] * 5 + ["done"]
    assert found == [23]


@pytest.mark.parametrize("seed", range(20))
def test_poller_keeps_to_the_rate_and_asks_again(seed: int) -> None:
    found, requests = poll(seed, 0.3, build=5.0, tests=12.0, deploy=20.0)
    times = [when for when, _, _ in requests]
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(times))
    for when, (job, after) in zip(found, {"build": 5, "tests": 12, "deploy": 20}.items(), strict=True):
        answers = [answer for _, asked, answer in requests if asked == job]
        assert answers.count("done") == 1 and answers[-1] == "done"  # then nobody asks any more
        assert when >= after and (when, job, "done") in requests
        assert all(len(list(run)) < 8 for answer, run in itertools.groupby(answers) if answer == "no answer")


def test_poller_has_the_same_luck_with_the_same_seed() -> None:
    jobs = {"build": 5.0, "tests": 12.0, "deploy": 20.0}
    traces = [poll(seed, 0.3, **jobs) for seed in (1, 2, 3, 1, 2, 3)]
    assert traces[:3] == traces[3:]
    assert traces[0] != traces[1] != traces[2] != traces[0]
    assert any(answer == "no answer" for _, _, answer in traces[0][1])


def test_poller_gives_up_after_eight_attempts() -> None:
    engine = virtual()
    service = poller.Service(engine, {"job": 1.0}, failing=1.0)
    with pytest.raises(ConnectionError, match="no answer about job") as caught:
        cs.run(poller.watch(service), engine=engine)
    assert [answer for _, _, answer in service.requests] == ["no answer"] * 8
    assert "status" in caught.value.__notes__[0]


def test_poller_as_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert poller.main(virtual()) == {"build": 7.0, "tests": 17.0, "deploy": 27.0}
    assert capsys.readouterr().out.endswith("seen to be done after 7.0 s: build, 17.0 s: tests, 27.0 s: deploy\n")
    assert poller.main().keys() == {"build", "tests", "deploy"}  # in real time, if in a hurry


# ----------------------------------------------------------------------------------------------- traffic light


def watch(**script: Any) -> list[tuple[float, str]]:
    engine = virtual()
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        log: list[tuple[float, str]] = runner.run(traffic_light.watch(engine, **script))
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
        wished = min((when for when in presses if when > green), default=green + 60)
        yellow = min(max(green + 20, wished), green + 60)
        log += [(red, "red"), (green, "green"), (yellow, "yellow")]
        red = yellow + 3
        if red > until:
            return [shown for shown in log if shown[0] < until]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 900), max_size=12))
def test_traffic_light_heeds_the_button(presses: list[int]) -> None:
    """Also at the very instant of a change: people have set their timers first, so theirs fire first."""
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

QUESTION = tool_loop.Message("user", "How many legs?")
TRANSCRIPT = [
    ("user", "How many legs are there in a show of fireflies?"),
    ("model", "search: fireflies in a show"),
    ("search", "900"),
    ("model", "search: legs of a firefly"),
    ("search", "6"),
    ("model", "multiply: 900 * 6"),
    ("multiply", "5400"),
    ("model", "done: 5400 legs"),
]


class Script:
    """A web of which is known beforehand what it does: how long each request takes, or how it fails."""

    def __init__(self, *script: float | Exception) -> None:
        self.script = iter(script)
        self.asked: list[str] = []

    async def find(self, what: str) -> str:
        self.asked.append(what)
        match next(self.script, 2.0):
            case Exception() as error:
                raise error
            case seconds:
                await asyncio.sleep(seconds)
        return f"{len(self.asked)}"


def converse(model: Any, web: Script, steps: int = 10) -> tuple[list[tuple[str, str]], float]:
    engine = virtual()
    engine.register(web, "web")
    transcript = cs.run(tool_loop.turn(model, [QUESTION], steps), engine=engine)
    assert transcript[0] == QUESTION
    return transcript[1:], engine.clock.time()


def says(*replies: str) -> Any:
    """A model that says one thing after another, whatever it hears, and the last one for ever."""
    return lambda transcript: replies[min(sum(who == "model" for who, _ in transcript), len(replies) - 1)]


@pytest.mark.parametrize("seed", range(20))
def test_tool_loop_finds_the_answer_whatever_its_luck(seed: int) -> None:
    engine = virtual(seed)
    assert tool_loop.main(engine) == TRANSCRIPT
    assert engine.clock.time() >= 4 * 1 + 2 * 2  # four thoughts and two searches, if all goes well


def test_tool_loop_takes_as_long_as_thoughts_and_tools() -> None:
    web = Script(2, 4.5)
    said, time = converse(says("search: a", "multiply: 6*7", "search: b", "done: now"), web)
    assert said == [
        ("model", "search: a"), ("search", "1"), ("model", "multiply: 6*7"), ("multiply", "42"),
        ("model", "search: b"), ("search", "2"), ("model", "done: now"),
    ]  # fmt: skip
    assert web.asked == ["a", "b"]  # of the tools, only the one that was chosen runs
    assert time == 4 * 1 + 2 + 4.5


def test_tool_loop_gives_a_tool_that_hangs_five_seconds_and_tries_again() -> None:
    web = Script(60, ConnectionError("down"), 5.5, 2)
    said, time = converse(says("search: a", "done: now"), web)
    assert said[1] == ("search", "4")
    assert web.asked == ["a"] * 4
    assert time == 1 + (5 + 1 + 0 + 2 + 5 + 4 + 2) + 1  # attempts, and the growing delays between them


def test_tool_loop_ends_with_a_tool_that_stays_down() -> None:
    web = Script(*(ConnectionError(f"down {n}") for n in range(20)))
    with pytest.raises(ConnectionError, match="down 7") as caught:
        converse(says("search: a"), web)
    assert len(web.asked) == 8
    assert "find" in caught.value.__notes__[0]


def test_tool_loop_tells_the_model_of_a_tool_that_there_is_not() -> None:
    said, time = converse(says("fly: away", "done: sorry"), Script())
    assert said == [
        ("model", "fly: away"),
        ("user", "no such tool: tool must be one of search, multiply, or done"),
        ("model", "done: sorry"),
    ]
    assert time == 2


@pytest.mark.parametrize("steps", [0, 1, 7, 500])
def test_tool_loop_stops_when_no_steps_are_left(steps: int) -> None:
    said, time = converse(says("multiply: 2 * 2"), Script(), steps)
    assert said[:-1] == [("model", "multiply: 2 * 2"), ("multiply", "4")] * steps
    assert said[-1] == ("user", "stop: no steps are left")
    assert time == steps


def test_tool_loop_as_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool_loop.main() == TRANSCRIPT
    told = capsys.readouterr().out
    assert told.splitlines()[-2] == "   model  done: 5400 legs"

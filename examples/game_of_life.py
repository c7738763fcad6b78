"""Conway's Game of Life, without a board: each cell is an agent that knows its eight neighbours and nothing else.

python examples/game_of_life.py
"""

from __future__ import annotations

from typing import NamedTuple

import cascade as cs

Board = list[list[bool]]

AROUND = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]

GLIDER = """
. # . . . . . .
. . # . . . . .
# # # . . . . .
. . . . . . . .
. . . . . . . .
. . . . . . . .
"""

inline = cs.task(mode="inline")


class Cell(NamedTuple):
    """The wires of a cell. Each carries one message per generation, so the cells need no common clock."""

    ears: list[cs.Channel[bool]]
    mouths: list[cs.Channel[bool]]


@inline
def live(cell: Cell, alive: bool, left: int, past: list[bool]) -> list[bool]:
    """One generation of one cell, and all that follow: the value is its life."""
    life = [*past, alive]
    if left == 0:
        return life
    for mouth in cell.mouths:
        mouth.send(alive)
    return become(cell, alive, left, life, [ear.recv() for ear in cell.ears])


@inline
def become(cell: Cell, alive: bool, left: int, life: list[bool], received: list[cs.Received[bool]]) -> list[bool]:
    """A neighbour may be a generation ahead by now: what it says then stays in its wire until it is its turn."""
    neighbours = sum(state.message for state in received)
    return live(cell, neighbours == 3 or (alive and neighbours == 2), left - 1, life)


def cells(height: int, width: int) -> list[Cell]:
    """A torus: beyond an edge is the opposite one."""
    places = [(row, column, side) for row in range(height) for column in range(width) for side in AROUND]
    wires = {place: cs.Channel[bool]() for place in places}
    return [
        Cell(
            ears=[wires[row, column, side] for side in AROUND],
            mouths=[wires[(row - down) % height, (column - right) % width, (down, right)] for down, right in AROUND],
        )
        for row in range(height)
        for column in range(width)
    ]


def agents(board: Board, generations: int) -> list[list[bool]]:
    """An agent for each cell, row by row, whose value is the life of the cell."""
    states = [alive for row in board for alive in row]
    wired = cells(len(board), len(board[0]))
    return [live(cell, alive, generations, []) for cell, alive in zip(wired, states, strict=True)]


def boards(lives: list[list[bool]], width: int) -> list[Board]:
    """What it looks like from above: the board of each generation, from the lives of the cells."""
    return [
        [list(states[start : start + width]) for start in range(0, len(states), width)]
        for states in zip(*lives, strict=True)
    ]


def parse(text: str) -> Board:
    return [[mark == "#" for mark in line.split()] for line in text.split("\n") if line]


def draw(board: Board) -> str:
    return "\n".join(" ".join("#" if alive else "." for alive in row) for row in board)


def main(engine: cs.Engine | None = None) -> list[Board]:
    start = parse(GLIDER)
    seen = boards(cs.run(agents(start, generations=12), engine=engine), width=len(start[0]))
    for generation in (0, 4, 8, 12):
        print(f"generation {generation}\n{draw(seen[generation])}\n")
    return seen


if __name__ == "__main__":
    main()

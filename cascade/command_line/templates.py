"""`cascade templates`: look at files of templates, put them together, cut them down, check them, make them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

from cyclopts import App, Parameter

from cascade.command_line.status import DONE, FAILED, UsageError, print_problems, report
from cascade.command_line.target import add_working_directory, find_target
from cascade.exceptions import StructureError, TargetError, TemplateError
from cascade.graph.model import CallSymbol, GraphTemplate, NodeRef
from cascade.templates.codec import Stored, decode
from cascade.templates.reader import FORMAT, Entry, TemplateFile
from cascade.templates.store import adding, examine, read
from cascade.templates.writer import Encodings, rewrite

__all__ = ["app"]

app = App(name="templates", help="Files of templates: the shapes that one process has met, for the next one.")

_Given = ParamSpec("_Given")
_Output = Annotated[Path, Parameter(name=["--output", "-o"])]
_Flag = Annotated[bool, Parameter(negative="")]
_HEADER = ("digest", "root", "nodes", "edges", "bytes")


def _reports_errors(command: Callable[_Given, int]) -> Callable[_Given, int]:
    """A command that tells in one line why it failed; its status is then 1."""

    @wraps(command)
    def run(*arguments: _Given.args, **options: _Given.kwargs) -> int:
        try:
            return command(*arguments, **options)
        except BrokenPipeError:  # of who reads what is printed, and no failure
            raise
        except (OSError, TemplateError, TargetError, StructureError) as error:
            print_problems(str(error))
            return FAILED

    return run


@app.command
@_reports_errors
def inspect(file: Path, /, *, tree: str | None = None, explain: str | None = None) -> int:
    """Show what is in a file.

    Each line is one template: the beginning of its digest, the task at its root, how many nodes and edges it has, and
    how many bytes it takes.

    Args:
        file: File of templates.
        tree: Show this template alone, as a tree: the beginning of its digest.
        explain: Show this template alone, node by node: the beginning of its digest.
    """
    opened = TemplateFile(file)
    wanted = tree if tree is not None else explain
    if wanted is not None:
        stored = read(opened, _named(opened, wanted))
        if tree is not None:
            from cascade.inspect.tree import tree as drawn

            print(drawn(stored.graph))
        else:
            from cascade.inspect.table import explain as explain_graph

            print(explain_graph(stored.graph, stored.plan))
        return DONE
    rows = [_HEADER, *(_row(entry, read(opened, entry)) for entry in opened)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for digest, root, *numbers in rows:
        texts = digest.ljust(widths[0]), root.ljust(widths[1])
        print(*texts, *(number.rjust(width) for number, width in zip(numbers, widths[2:], strict=True)), sep="  ")
    by = f"written by Cascade {opened.version}" if opened.version else "empty"
    print(f"{_held(opened)}, {opened.size:,} bytes, {by}")
    return DONE


def _held(file: TemplateFile) -> str:
    """How much there is; of a file that is as good as empty, why."""
    older = f" (format {file.format}, older than {FORMAT}: as good as empty)" if file.is_older else ""
    return _counted(len(file)) + older


def _counted(count: int) -> str:
    return f"{count:,} template{'' if count == 1 else 's'}"


def _row(entry: Entry, stored: Stored) -> tuple[str, str, str, str, str]:
    from cascade.graph.labels import title

    graph = stored.graph
    edges = sum(type(ref) is NodeRef for node in graph.nodes for ref in node.operands)
    root = title(graph, graph.nodes[-1])
    return entry.digest.hex()[:16], root, f"{len(graph.nodes):,}", f"{edges:,}", f"{entry.size:,}"


def _named(file: TemplateFile, beginning: str) -> Entry:
    """The one template whose digest begins so."""
    found = [entry for entry in file if entry.digest.hex().startswith(beginning.lower())]
    if len(found) != 1:
        raise file.error(f"{len(found) or 'no'} templates with a digest that begins with {beginning!r}")
    return found[0]


@app.command
@_reports_errors
def merge(*files: Path, output: _Output) -> int:
    """Put the templates of several files into one.

    Args:
        files: Files of templates; all must be whole.
        output: File to write; templates that it has already stay in it.
    """
    _check_given(files, "file of templates")
    encodings: Encodings = {}
    for path in files:
        encodings.update(_encodings(TemplateFile(path)))
    print(f"{_counted(rewrite(output, adding(encodings)))} in {output}")
    return DONE


def _encodings(file: TemplateFile) -> Iterator[tuple[bytes, bytes]]:
    """All templates of a file, oldest first, checked in full."""
    examine(file)
    for entry in file.oldest_first():
        yield entry.digest, file.encoding(entry)


@app.command
@_reports_errors
def prune(file: Path, /, *, count: int | None = None, size: int | None = None, missing: _Flag = False) -> int:
    """Cut a file down. What was added last stays.

    Args:
        file: File of templates.
        count: How many templates to keep at most.
        size: How many bytes the templates may take together.
        missing: Drop templates with tasks that can no longer be imported. This imports the modules that the file
            names: only for files that you trust. Tasks of `__main__` are kept.
    """
    if (count is not None and count < 0) or (size is not None and size < 0):
        raise UsageError(f"--count and --size must be >= 0, got {count} and {size}")
    TemplateFile(file).close()  # raises if it does not exist; `rewrite` would make it
    before = 0

    def pruned(there: Encodings) -> Encodings:
        nonlocal before
        before = len(there)
        kept: list[tuple[bytes, bytes]] = []
        room = size
        for digest, encoding in reversed(there.items()):
            if missing and not _importable(decode(encoding).graph):
                continue
            if count is not None and len(kept) == count:
                break
            if room is not None:
                room -= len(encoding)
                if room < 0:
                    break
            kept.append((digest, encoding))
        return dict(reversed(kept))

    add_working_directory()
    after = rewrite(file, pruned)
    print(f"{after:,} of {_counted(before)} kept in {file}")
    return DONE


def _importable(graph: GraphTemplate) -> bool:
    return all(_is_there(call) for call in graph.calls)


def _is_there(call: CallSymbol) -> bool:
    """Whether a task can still be found by its name, as far as this is visible from outside."""
    from cascade import Task

    if call.module in ("__main__", "cascade"):
        return True
    try:
        found: Any = importlib.import_module(call.module)
    except (Exception, SystemExit):  # such as of a script that ends when it is done
        return False
    everything = vars(found)
    for part in call.qualname.split(".<locals>")[0].split("."):
        # What is defined inside a function is made when that runs: nobody can look there.
        found = getattr(found, part, None)
        if found is None:
            # It may have been given its name.
            return any(isinstance(value, Task) and value.name == call.qualname for value in everything.values())
    return True


@app.command
@_reports_errors
def verify(*files: Path) -> int:
    """Read and check every byte of files of templates. The status is 1 if something is wrong.

    Args:
        files: Files of templates.
    """
    _check_given(files, "file of templates")
    wrong = DONE
    for path in files:
        try:
            opened = TemplateFile(path)
            examine(opened)
        except (OSError, TemplateError) as error:
            print_problems(str(error))
            wrong = FAILED
        else:
            print(f"{path}: {_held(opened)}, all right")
    return wrong


@app.command
@_reports_errors
def build(*targets: str, output: _Output) -> int:
    """Make templates ahead of time, such as for a container image.

    No task is run: a shape that only a task's result has is not among them. To have those too, run the program once
    with CASCADE_TEMPLATES set.

    Args:
        targets: MODULE:NAME of a lazy result, of a list of them, or of a task or function that needs no arguments and
            gives one. The current directory is looked into first.
        output: File to write; templates that it has already stay in it.
    """
    from cascade.expressions.targets import expression
    from cascade.templates.cache import Templates

    _check_given(targets, "target, such as jobs:main")
    templates = Templates(max_entries=max(1, len(targets)), max_bytes=1 << 62)
    try:
        found = [find_target(target) for target in targets]
    except UsageError:
        raise
    except Exception as error:  # of the user's own module
        report(error, "cascade", verbose=False)
        return FAILED
    for target in found:
        templates.lookup(expression(target))
    print(f"{_counted(templates.save(output))} in {output}")
    return DONE


def _check_given(given: tuple[object, ...], what: str) -> None:
    if not given:
        raise UsageError(f"at least one {what} must be given, got none")

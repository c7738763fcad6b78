"""`cascade templates`: inspect, merge, prune, verify and build template files."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

from cyclopts import App, Parameter

from cascade.command_line.arguments import TargetName
from cascade.command_line.status import DONE, FAILED, UsageError, print_problems, report
from cascade.command_line.target import add_working_directory, find_target
from cascade.exceptions import StructureError, TargetError, TemplateError
from cascade.graph.model import CallSymbol, GraphTemplate, NodeRef
from cascade.templates.codec import Stored, decode
from cascade.templates.reader import FORMAT, Entry, TemplateFile
from cascade.templates.store import adding, examine, read
from cascade.templates.writer import Encodings, rewrite

__all__ = ["app"]

app = App(name="templates", help="Template files: the shapes that one process has built, for the next one.")

_Given = ParamSpec("_Given")
_Output = Annotated[Path, Parameter(name=["--output", "-o"])]
_Flag = Annotated[bool, Parameter(negative="")]
_HEADER = ("digest", "root", "nodes", "edges", "bytes")


def _reports_errors(command: Callable[_Given, int]) -> Callable[_Given, int]:
    """Return a command that prints its failure on one line; its exit status is then 1."""

    @wraps(command)
    def run(*arguments: _Given.args, **options: _Given.kwargs) -> int:
        try:
            return command(*arguments, **options)
        except BrokenPipeError:  # the reader has closed the pipe: no failure
            raise
        except (OSError, TemplateError, TargetError, StructureError) as error:
            print_problems(str(error))
            return FAILED

    return run


@app.command
@_reports_errors
def inspect(file: Path, /, *, tree: str | None = None, explain: str | None = None) -> int:
    """Show the templates in a file.

    Each line is one template: the beginning of its digest, the task at its root, the numbers of nodes and edges, and
    the size in bytes.

    Args:
        file: Template file.
        tree: Show only this template, as a tree: the beginning of its digest.
        explain: Show only this template, node by node: the beginning of its digest.
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
    """Return the number of templates; for an older format, with the reason why there are none."""
    older = f" (format {file.format}, older than {FORMAT}: counts as empty)" if file.is_older else ""
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
    """Return the only template whose digest has this beginning."""
    found = [entry for entry in file if entry.digest.hex().startswith(beginning.lower())]
    if len(found) != 1:
        raise file.error(f"{len(found) or 'no'} templates with a digest that begins with {beginning!r}")
    return found[0]


@app.command
@_reports_errors
def merge(*files: Path, output: _Output) -> int:
    """Put the templates of several files into one.

    Args:
        files: Template files; all must be undamaged.
        output: File to write; templates that it contains are kept.
    """
    _check_given(files, "file of templates")
    encodings: Encodings = {}
    for path in files:
        encodings.update(_encodings(TemplateFile(path)))
    print(f"{_counted(rewrite(output, adding(encodings)))} in {output}")
    return DONE


def _encodings(file: TemplateFile) -> Iterator[tuple[bytes, bytes]]:
    """Yield all templates of a file, oldest first, checked in full."""
    examine(file)
    for entry in file.oldest_first():
        yield entry.digest, file.encoding(entry)


@app.command
@_reports_errors
def prune(file: Path, /, *, count: int | None = None, size: int | None = None, missing: _Flag = False) -> int:
    """Drop the oldest templates of a file.

    Args:
        file: Template file.
        count: The maximum number of templates to keep.
        size: The maximum size of all templates, in bytes.
        missing: Drop templates with tasks that can no longer be imported. This imports the modules that the file
            names: use it only for files that you trust. Tasks of `__main__` are kept.
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
    """Whether a task still exists under its name, as far as its module shows."""
    from cascade import Task

    if call.module in ("__main__", "cascade"):
        return True
    try:
        found: Any = importlib.import_module(call.module)
    except (Exception, SystemExit):  # a script may exit at its end
        return False
    everything = vars(found)
    for part in call.qualname.split(".<locals>")[0].split("."):
        # A task inside a function exists only while that runs: its function is searched.
        found = getattr(found, part, None)
        if found is None:
            # The task may have another name than its function.
            return any(isinstance(value, Task) and value.name == call.qualname for value in everything.values())
    return True


@app.command
@_reports_errors
def verify(*files: Path) -> int:
    """Read and check every byte of template files. The exit status is 1 if a file is damaged.

    Args:
        files: Template files.
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
def build(*targets: TargetName, output: _Output) -> int:
    """Make templates ahead of time, such as for a container image.

    No task is run, so shapes of expressions that tasks return are not included. To include them, run the program once
    with CASCADE_TEMPLATES set.

    Args:
        targets: MODULE:NAME of a lazy result, of a list of them, or of a task or function that needs no arguments and
            returns one. The current directory is searched first.
        output: File to write; templates that it contains are kept.
    """
    from cascade.expressions.targets import expression
    from cascade.templates.cache import Templates

    _check_given(targets, "target, such as jobs:main")
    templates = Templates(max_entries=max(1, len(targets)), max_bytes=1 << 62)
    try:
        found = [find_target(target) for target in targets]
    except UsageError:
        raise
    except Exception as error:  # raised by the user's module
        report(error, "cascade", verbose=False)
        return FAILED
    for target in found:
        templates.lookup(expression(target))
    print(f"{_counted(templates.save(output))} in {output}")
    return DONE


def _check_given(given: tuple[object, ...], what: str) -> None:
    if not given:
        raise UsageError(f"at least one {what} must be given, got none")

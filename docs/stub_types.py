"""Types for the compiled names of the reference: at run time they have none, so they are taken from the stubs.

Names, kinds and defaults of parameters are those at run time, which `help` shows too. Where the stub has overloads, the
type of a parameter is the union of theirs, or `Any` if that is long: overloads are for type checkers.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils.nodes import Text
from sphinx.addnodes import desc_annotation, desc_sig_punctuation, desc_sig_space, desc_signature
from sphinx.application import Sphinx
from sphinx.ext.autodoc.preserve_defaults import DefaultValue
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.inspect import stringify_signature

LONGEST = 4  # how many types a union may have
# Names of stubs, and what users know these classes by.
KNOWN_AS = {"Mailbox": "Channel", "_LazyValue": "LazyResult", "Const": "const"}
# Found by mypy first, for a reason of its own: see the stub of `task`.
FOR_MYPY = "_GenericTask"
# Classes whose objects are made by the engine, or by functions.
NOT_CALLED = {"Clock", "CurrentCall", "Grant", "LazyResult", "Population", "Received", "Request", "Run", "Task"}


def known(name: str) -> str:
    """The name of a class for users."""
    return KNOWN_AS.get(name, name)


class Stubs:
    """The definitions in the stubs of a package, by class and name: `Task.map`."""

    def __init__(self, package: Path) -> None:
        self.functions: dict[str, list[ast.FunctionDef]] = defaultdict(list)
        self.attributes: dict[str, ast.expr] = {}
        self._aliases: dict[str, ast.expr] = {}
        for path in sorted(package.rglob("*.pyi")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    for member in node.body:
                        self._add(f"{known(node.name)}.", member)
                elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
                    self._alias(ast.unparse(node.target), node.value)
                else:
                    self._add("", node)

    def _add(self, where: str, node: ast.stmt) -> None:
        if isinstance(node, ast.AnnAssign):
            self.attributes[where + ast.unparse(node.target)] = node.annotation
        elif isinstance(node, ast.FunctionDef) and "property" in map(ast.unparse, node.decorator_list):
            self.attributes[where + node.name] = node.returns
        elif isinstance(node, ast.FunctionDef) and not (node.returns and FOR_MYPY in ast.unparse(node.returns)):
            self.functions[where + node.name].append(node)

    def _alias(self, name: str, value: ast.expr) -> None:
        first = self._aliases.setdefault(name, value)
        if ast.unparse(first) != ast.unparse(value):
            raise ValueError(f"the stubs have two aliases called {name}")

    def text(self, *types: ast.expr | None) -> Any:
        """The union of types as text, without aliases and with the names that users know."""
        shown = [_Known(self._aliases).visit(deepcopy(each)) for each in types if each is not None]
        parts = dict.fromkeys(member for each in shown for member in _members(each))
        if not parts:
            return inspect.Parameter.empty
        if len(parts) > LONGEST + ("None" in parts):
            return "Any"
        return " | ".join(sorted(parts, key="None".__eq__))  # None comes last

    def legible(self, signature: str) -> str:
        """The text of a signature with names that users know, in place of those that stay unresolved at run time."""
        aliases = {"Duration": self._aliases["Duration"], "Mode": self._aliases["_Mode"]}
        replaced = KNOWN_AS | {name: ast.unparse(value) for name, value in aliases.items()}
        return re.sub(r"\w+", lambda found: replaced.get(found[0], found[0]), signature)

    def signature(self, at_run_time: inspect.Signature, found: list[ast.FunctionDef]) -> inspect.Signature:
        """A signature with the types that definitions in a stub have."""
        parameters = [
            each.replace(annotation=self.text(*(_annotation(definition, each.name) for definition in found)))
            for each in at_run_time.parameters.values()
        ]
        returned = self.text(*(definition.returns for definition in found))
        return at_run_time.replace(parameters=[_legible(each) for each in parameters], return_annotation=returned)


class _Known(ast.NodeTransformer):
    """Puts in what aliases stand for, and names that users know."""

    def __init__(self, aliases: dict[str, ast.expr]) -> None:
        self._aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._aliases:
            return self.visit(deepcopy(self._aliases[node.id]))
        return ast.Name(known(node.id).lstrip("_"))


def _members(node: ast.expr) -> list[str]:
    if isinstance(node, ast.BinOp):
        return _members(node.left) + _members(node.right)
    return [ast.unparse(node)]


def _annotation(definition: ast.FunctionDef, name: str) -> ast.expr | None:
    arguments = definition.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return next((each.annotation for each in listed if each and each.arg == name), None)


def _legible(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter whose default is shown as one would write it; "..." for an object that stands for no value."""
    default = parameter.default
    if isinstance(default, type) and default is not inspect.Parameter.empty:
        return parameter.replace(default=DefaultValue(default.__name__))
    if type(default) is tuple and default and all(isinstance(each, type) for each in default):
        return parameter.replace(default=DefaultValue(f"({', '.join(each.__name__ for each in default)},)"))
    return parameter.replace(default=DefaultValue("...")) if type(default) is object else parameter


def definitions(stubs: Stubs, what: str, thing: Any) -> list[ast.FunctionDef]:
    """What the stubs have for a name of the core; nothing for one that is written in Python."""
    if what == "class":
        if inspect.isfunction(thing.__init__):
            return []
        homes = [known(each.__name__) for each in thing.__mro__]
        return next((found for home in homes if (found := stubs.functions.get(f"{home}.__init__"))), [])
    if inspect.isfunction(thing) or what not in ("function", "method"):
        return []
    home, dot, name = thing.__qualname__.rpartition(".")
    return stubs.functions.get(f"{known(home)}{dot}{name}", [])


def signature_of(stubs: Stubs, what: str, thing: Any) -> inspect.Signature | None:
    """The signature of a compiled name with types; None if it is not one."""
    found = definitions(stubs, what, thing)
    if not found:
        return None
    at_run_time = inspect.signature(thing)
    first, *others = [*at_run_time.parameters.values(), None]
    if first is not None and first.name == "self":
        at_run_time = at_run_time.replace(parameters=others[:-1])
    return stubs.signature(at_run_time, found)


def is_not_called(thing: type) -> bool:
    """Whether users do not call a class: it is a protocol, or the engine or functions make its objects."""
    return getattr(thing, "_is_protocol", False) or thing.__qualname__ in NOT_CALLED


def prepare(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Have a docstring mean to Sphinx and napoleon what it means to its readers."""
    # Code may be followed by letters, as in a plural.
    lines[:] = [re.sub(r"(?<=[\w)\]])`(?=[a-z])", r"`\\ ", line) for line in lines]
    # What stands before a colon, in a result or an attribute, is no type. An escaped end of line is nothing.
    for number in reversed(range(len(lines))):
        if lines[number].strip() in ("Returns:", "Yields:"):
            indent = len(lines[number]) - len(lines[number].lstrip())
            lines.insert(number + 1, " " * (indent + 4) + "\\")
    if what in ("attribute", "data", "property"):
        lines.insert(0, "\\")


class Reference:
    """What is changed in the entries of the reference."""

    def __init__(self, stubs: Stubs) -> None:
        self._stubs = stubs

    def sign(
        self, app: Sphinx, what: str, name: str, thing: Any, options: Any, arguments: str | None, returned: str
    ) -> tuple[str, str] | None:
        """The signature of a name: arguments and result; None leaves it as it is."""
        if inspect.isfunction(thing):  # shown as `help` shows it, without overloads
            analyzer = ModuleAnalyzer.for_module(thing.__module__)
            analyzer.analyze()
            analyzer.overloads.clear()
        if what == "class" and is_not_called(thing):
            return ("", "") if arguments else None
        signature = signature_of(self._stubs, what, thing)
        if signature is None:  # written in Python
            legible = arguments and self._stubs.legible(arguments).replace("<factory>", "{}")  # of a struct
            return legible and (legible, self._stubs.legible(returned or ""))
        returned = "" if what == "class" else signature.return_annotation
        return stringify_signature(signature, show_return_annotation=False), returned

    def add_type(self, app: Sphinx, domain: str, kind: str, content: Any) -> None:
        """Add the type of a compiled attribute to its signature."""
        if domain != "py" or kind not in ("attribute", "property"):
            return
        for signature in content.parent.findall(desc_signature):
            owner, _, name = signature["fullname"].rpartition(".")
            classes = getattr(import_module(signature["module"]), owner).__mro__
            found = [each for home in classes if (each := self._stubs.attributes.get(f"{known(home.__name__)}.{name}"))]
            if found and ":" not in signature.astext():
                shown = desc_sig_punctuation("", ":"), desc_sig_space(), Text(self._stubs.text(found[0]))
                signature += desc_annotation("", "", *shown)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    reference = Reference(Stubs(Path(import_module("cascade").__file__).parent))
    app.connect("autodoc-process-signature", reference.sign)
    app.connect("autodoc-process-docstring", prepare, priority=400)  # before napoleon
    app.connect("object-description-transform", reference.add_type)
    return {"parallel_read_safe": True, "version": "1"}

"""
Small wrong changes to a module, one at a time: mutants.

Left alone: docstrings, annotations, failpoints (``tests/contract`` and ``tests/model`` hold their
names and their order), and texts of several words, which are for people to read. Codes and keys are
single words and are changed. No argument is left out: Python itself would refuse most such calls,
and a score of those says nothing.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One change.

    Attributes:
        number: Its place in the module, the same each time.
        line: Of the source, counted from 1.
        before: The code that was there, in one line.
        after: What stands there instead.
        lines: Those of the smallest statement around it.
        is_import: It runs when the module is imported, not in a function.
        tree: Build the module with the change in it.
    """

    number: int
    line: int
    before: str
    after: str
    lines: range
    is_import: bool
    tree: Callable[[], ast.Module]

    def __str__(self) -> str:
        """Write the change as people read it."""
        return f"line {self.line}: {self.before}  ->  {self.after}"


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of a walk through its code."""
    tree = _bare(ast.parse(source))
    above = {inner: node for node in ast.walk(tree) for inner in ast.iter_child_nodes(node)}
    number = 0
    for at, node in enumerate(ast.walk(tree)):
        for which, change in enumerate(_changes(node)):
            around, is_import = _around(node, above)
            before, after = (
                _line(ast.unparse(node)),
                _line(ast.unparse(change(copy.deepcopy(node)))),
            )
            if before != after:
                line = getattr(node, "lineno", around.start)
                build = partial(_changed, source, at, which)
                yield Mutant(number, line, before, after, around, is_import, build)
            number += 1


Change = Callable[[ast.AST], ast.AST]


def _changed(source: str, at: int, which: int) -> ast.Module:
    """Make the module with one change: the node's place in a walk, and which of its changes."""
    tree = _bare(ast.parse(source))
    node = list(ast.walk(tree))[at]
    new = list(_changes(node))[which](copy.deepcopy(node))
    _Replace(node, new).visit(tree)
    return ast.fix_missing_locations(tree)


def _around(node: ast.AST, above: Mapping[ast.AST, ast.AST]) -> tuple[range, bool]:
    """Find the lines of the smallest statement around a node, and whether no function holds it."""
    found, in_function, inner = range(0), False, node
    while True:
        if not found and isinstance(inner, ast.stmt):
            found = _head(inner)
        outer = above.get(inner)
        if outer is None:
            return found, not in_function
        if isinstance(outer, ast.Lambda):
            in_function = in_function or inner is outer.body
        if isinstance(outer, ast.FunctionDef):
            in_function = in_function or inner in outer.body
        inner = outer


def _head(node: ast.stmt) -> range:
    """Return the lines of a statement, of a block's head alone."""
    inner = getattr(node, "body", None)
    end = inner[0].lineno if isinstance(inner, list) and inner else (node.end_lineno or 0) + 1
    return range(node.lineno, max(end, node.lineno + 1))


def _line(code: str) -> str:
    return " ".join(code.split())[:100]


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else super().generic_visit(node)


def _bare(tree: ast.Module) -> ast.Module:
    """Take out what no test shall see: docstrings, annotations, failpoints, ``slots``."""
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef():
                _without_docstring(node)
            case ast.AnnAssign():
                node.annotation = ast.Name("object", ast.Load())
        match node:
            case ast.FunctionDef():
                _without_annotations(node)
            case ast.Call(func=ast.Name("dataclass")):
                node.keywords = [word for word in node.keywords if word.arg != "slots"]
    return _WithoutFailpoints().visit(tree)


def _without_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        node.body = node.body[1:] or [ast.Pass()]


def _without_annotations(node: ast.FunctionDef) -> None:
    node.returns = None
    for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
        argument.annotation = None


class _WithoutFailpoints(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        call = node.value
        is_one = isinstance(call, ast.Call) and ast.unparse(call.func) == "passing"
        return None if is_one else node


def _changes(node: ast.AST) -> Iterator[Change]:  # noqa: PLR0912, C901 - one case a kind of code
    match node:
        case ast.Compare(ops=[op, *_]):
            for other in _COMPARED.get(type(op), ()):
                yield lambda n, other=other: _with(n, ops=[other(), *n.ops[1:]])
        case ast.BoolOp(op=op, values=values):
            yield lambda n: _with(n, op=ast.And() if isinstance(op, ast.Or) else ast.Or())
            for at in range(len(values)):
                yield lambda n, at=at: _without(n, at)
        case ast.UnaryOp(op=ast.Not()):
            yield lambda n: n.operand
        case ast.BinOp(op=op) if type(op) in _COUNTED:
            yield lambda n: _with(n, op=_COUNTED[type(op)]())
        case ast.If() | ast.IfExp():
            for truth in (True, False):
                yield lambda n, truth=truth: _with(n, test=ast.Constant(truth))
        case ast.While():
            yield lambda n: _with(n, test=ast.Constant(value=False))
        case ast.Constant(value=bool(value)):
            yield lambda _, value=value: ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield lambda _, value=value: ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if value and not set(value) & set(" \n{"):
            yield lambda _, value=value: ast.Constant(f"{value}x")
        case ast.Expr(value=ast.Call()) | ast.Raise():
            yield lambda _: ast.Pass()
        case ast.Return(value=ast.expr()):
            yield lambda _: ast.Return(ast.Constant(None))
        case ast.Continue():
            yield lambda _: ast.Break()
        case _:
            yield from _of_names(node)


def _of_names(node: ast.AST) -> Iterator[Change]:
    """Take another member of the same enumeration."""
    if (
        isinstance(node, ast.Attribute)
        and node.attr in _OTHERS
        and isinstance(node.value, ast.Name)
    ):
        yield lambda n: _with(n, attr=_OTHERS[n.attr])


_OTHERS = {
    "SCHEDULED": "HELD", "HELD": "SCHEDULED", "CLAIMED": "SCHEDULED", "SENDING": "CLAIMED",
    "SENT": "FAILED", "UNCERTAIN": "SCHEDULED", "NOT_NOW": "UNSENT", "UNSENT": "SENT",
    "PAUSE": "HUMAN", "LATE": "HUMAN", "HUMAN": "LATE", "RATE": "MANUAL", "FLAG": "MANUAL",
    "MANUAL": "FLAG", "STORY": "BLIND", "ALERT": "BLIND", "UNCLEAN_START": "MANUAL",
}  # fmt: skip
"""Another member, where taking it is no error by itself."""


def _with(node: ast.AST, **fields: object) -> ast.AST:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _without(node: ast.AST, at: int) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    kept = node.values[:at] + node.values[at + 1 :]
    return kept[0] if len(kept) == 1 else _with(node, values=kept)

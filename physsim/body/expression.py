"""The expression language of the body: read from text, folded, differentiated symbolically.

+ - * / ** and comparisons (1 or 0); abs min max clip sqrt exp log sin cos hypot, s(x) = 1 / (1 + exp(-x)),
smin(a, b, k) and smax (smooth, radius k), table(x, "name" or [[x, y], ...]) (shape-keeping cubic), noise("name"),
field("name"); x y z (mm), the body's numbers, and its named expressions.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from physsim.errors import InvalidInput, did_you_mean, message

Table = tuple[tuple[float, float], ...]
COORDINATES = ("x", "y", "z")
_DIGITS = 12  # of folded constants: the last digits of exp and pow differ between machines
_FUNCTIONS = (
    "abs", "min", "max", "clip", "sqrt", "exp", "log", "sin", "cos", "hypot", "s", "smin", "smax", "table", "noise",
    "field",
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One operation on its arguments; `value` is the number of a const, the name of a noise or field, or a table."""

    op: str
    args: tuple[Node, ...] = ()
    value: Any = None

    def __hash__(self) -> int:
        return self._hash

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.op, self.args, self.value)))

    _hash: int = field(default=0, init=False, repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class Names:
    """What an expression may name: numbers and tables with their values, expressions, noises and fields."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    noises: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    expressions: Mapping[str, str] = field(default_factory=dict)
    _parsed: dict[str, Node] = field(default_factory=dict, init=False, repr=False)  # texts that were read before


def const(value: float) -> Node:
    """A number."""
    return Node("const", value=float(f"{value:.{_DIGITS}g}") + 0.0)


ZERO, ONE = const(0.0), const(1.0)


def _sigmoid(a: float) -> float:
    return 1.0 / (1.0 + math.exp(-a)) if a > -700 else 0.0


_FOLD: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "min": min,
    "max": max,
    "lt": lambda a, b: float(a < b),
    "neg": lambda a: -a,
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "s": _sigmoid,
}


def make(op: str, *args: Node) -> Node:
    """An operation, folded where its arguments are numbers and simplified where one of them is 0 or 1."""
    if op in _FOLD and all(a.op == "const" for a in args):
        try:
            folded = _FOLD[op](*(a.value for a in args))
        except (ZeroDivisionError, ValueError, OverflowError) as error:
            shown = ", ".join(f"{a.value:g}" for a in args)
            raise ValueError(f"{op}({shown}): {error}") from None
        if isinstance(folded, complex):
            raise ValueError(f"{op}({args[0].value:g}, {args[1].value:g}) is not a real number")
        return const(folded)
    a, b = (*args, ZERO)[:2]
    if op == "add":
        if a == ZERO:
            return b
        if b == ZERO:
            return a
    elif op == "sub":
        if b == ZERO:
            return a
        if a == ZERO:
            return make("neg", b)
    elif op == "mul":
        if ZERO in (a, b):
            return ZERO
        if a == ONE:
            return b
        if b == ONE:
            return a
    elif op == "div":
        if a == ZERO:
            return ZERO
        if b.op == "const":
            return make("mul", a, const(1.0 / b.value))
    elif op == "pow" and b.op == "const":
        if b.value == 1.0:
            return a
        if b.value == 0.0:
            return ONE
        if b.value == 2.0:
            return Node("mul", (a, a))
        if b.value == 0.5:
            return make("sqrt", a)
        if b.value in (3.0, 4.0):
            return make("mul", make("pow", a, const(b.value - 2.0)), make("pow", a, const(2.0)))
    elif op == "neg" and a.op == "neg":
        return a.args[0]
    return Node(op, args)


def add(*args: Node) -> Node:
    """The sum."""
    total = args[0]
    for one in args[1:]:
        total = make("add", total, one)
    return total


def smooth_max(a: Node, b: Node, k: Node) -> Node:
    """max(a, b) + h^2 k / 4 with h = max(0, 1 - |a - b| / k): the quadratic smooth maximum, exact beyond k."""
    h = make("max", ZERO, make("sub", ONE, make("div", make("abs", make("sub", a, b)), k)))
    return make("add", make("max", a, b), make("mul", make("mul", h, h), make("mul", k, const(0.25))))


def parse(text: float | str, names: Names) -> Node:
    """The tree of an expression. Raises InvalidInput with the offending piece and what was perhaps meant."""
    if isinstance(text, (int, float)):
        return const(float(text))
    if text not in names._parsed:
        names._parsed[text] = _read(text, names)
    return names._parsed[text]


def _read(text: str, names: Names) -> Node:
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise InvalidInput(message(f"expression {text!r}", str(error.msg), "Mend the expression.")) from None
    try:
        return _node(tree, names)
    except InvalidInput as error:
        raise InvalidInput(f"expression {text!r}: {error}") from None
    except ValueError as error:
        raise InvalidInput(message(f"expression {text!r}", str(error), "Mend the expression.")) from None


def number(text: float | str, names: Names) -> float:
    """The value of an expression of numbers alone."""
    tree = parse(text, Names(names.numbers, names.tables))
    if tree.op != "const":
        raise InvalidInput(
            message(f"{text!r}", "a number of the body cannot depend on x, y, z", "Use the body's numbers alone.")
        )
    return float(tree.value)


_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
_ARGUMENTS = {
    **dict.fromkeys(("abs", "sqrt", "exp", "log", "sin", "cos", "s"), 1), "hypot": 2, "clip": 3, "smin": 3, "smax": 3,
}  # fmt: skip
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def _node(tree: ast.expr, names: Names) -> Node:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, (int, float)) and not isinstance(tree.value, bool):
        return const(float(tree.value))
    if isinstance(tree, ast.Name):
        return _named(tree.id, names)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, (ast.USub, ast.UAdd)):
        inner = _node(tree.operand, names)
        return make("neg", inner) if isinstance(tree.op, ast.USub) else inner
    if isinstance(tree, ast.BinOp) and type(tree.op) in _BINARY:
        return make(_BINARY[type(tree.op)], _node(tree.left, names), _node(tree.right, names))
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.ops[0], _COMPARISONS):
        a, b = _node(tree.left, names), _node(tree.comparators[0], names)
        if isinstance(tree.ops[0], (ast.Lt, ast.GtE)):
            less = make("lt", a, b)
            return less if isinstance(tree.ops[0], ast.Lt) else make("sub", ONE, less)
        more = make("lt", b, a)
        return more if isinstance(tree.ops[0], ast.Gt) else make("sub", ONE, more)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.keywords:
        return _call(tree.func.id, tree.args, names)
    raise ValueError(f"{ast.unparse(tree)!r} is not in the language (+ - * / **, comparisons, {' '.join(_FUNCTIONS)})")


def _named(name: str, names: Names) -> Node:
    if name in COORDINATES:
        return Node(name)
    if name in names.numbers:
        return const(names.numbers[name])
    if name in names.expressions:
        others = {key: text for key, text in names.expressions.items() if key != name}  # none may use itself
        return parse(names.expressions[name], replace(names, expressions=others))
    known = [*COORDINATES, *names.numbers, *names.expressions]
    raise InvalidInput(message(f"{name}", "no number or expression of that name", did_you_mean(name, known)))


def _call(name: str, args: list[ast.expr], names: Names) -> Node:
    if name not in _FUNCTIONS:
        raise InvalidInput(message(f"{name}()", "no such function", did_you_mean(name, _FUNCTIONS)))
    if name in ("noise", "field"):
        known = names.noises if name == "noise" else names.fields
        if len(args) != 1 or not isinstance(args[0], ast.Constant) or not isinstance(args[0].value, str):
            raise ValueError(f'{name} takes a name in quotes, as {name}("spine")')
        if args[0].value not in known:
            raise InvalidInput(
                message(f"{name}({args[0].value!r})", f"no such {name}", did_you_mean(args[0].value, known))
            )
        return Node(name, value=args[0].value)
    if name == "table":
        if len(args) != 2:
            raise ValueError("table takes what is looked up and the table: table(z, [[0, 1], [10, 3]])")
        return Node("table", (_node(args[0], names),), _table(args[1], names))
    nodes = [_node(one, names) for one in args]
    if name in ("min", "max"):
        if len(nodes) < 2:
            raise ValueError(f"{name} takes two arguments or more")
        result = nodes[0]
        for one in nodes[1:]:
            result = make(name, result, one)
        return result
    if len(nodes) != _ARGUMENTS[name]:
        raise ValueError(f"{name} takes {_ARGUMENTS[name]} arguments, not {len(nodes)}")
    if name == "hypot":
        return make("sqrt", make("add", make("mul", nodes[0], nodes[0]), make("mul", nodes[1], nodes[1])))
    if name == "clip":
        return make("min", make("max", nodes[0], nodes[1]), nodes[2])
    if name == "smax":
        return smooth_max(*nodes)
    if name == "smin":
        return make("neg", smooth_max(make("neg", nodes[0]), make("neg", nodes[1]), nodes[2]))
    return make(name, *nodes)


def _table(tree: ast.expr, names: Names) -> Table:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        if tree.value not in names.tables:
            raise InvalidInput(
                message(f"table {tree.value!r}", "no such table", did_you_mean(tree.value, names.tables))
            )
        return checked_table(names.tables[tree.value])
    if not isinstance(tree, (ast.List, ast.Tuple)):
        raise ValueError("a table is rows [[x, y], ...] or the name of one in quotes")
    rows = []
    for row in tree.elts:
        if not isinstance(row, (ast.List, ast.Tuple)) or len(row.elts) != 2:
            raise ValueError("each row of a table is [x, y]")
        pair = [_node(one, names) for one in row.elts]
        if any(one.op != "const" for one in pair):
            raise ValueError("a table holds numbers, not x, y, z")
        rows.append((float(pair[0].value), float(pair[1].value)))
    return checked_table(tuple(rows))


def checked_table(rows: Table) -> Table:
    """The rows, or ValueError unless there are two or more of increasing x."""
    if len(rows) < 2 or any(a[0] >= b[0] for a, b in itertools.pairwise(rows)):
        raise ValueError("a table needs two rows or more, its first column increasing")
    return rows


def derivative(node: Node, by: str) -> Node:
    """d node / d by (x, y or z). Neglects the slopes of noises and other fields, and of comparisons."""
    memo: dict[Node, Node] = {}

    def slope(of: Node) -> Node:
        if of not in memo:
            memo[of] = _slope(of, [slope(a) for a in of.args], by)
        return memo[of]

    return slope(node)


def _slope(of: Node, d: list[Node], by: str) -> Node:
    op, a = of.op, of.args
    if op in COORDINATES:
        return ONE if op == by else ZERO
    if all(one == ZERO for one in d):
        return ZERO
    if op in ("add", "sub"):
        return make(op, d[0], d[1])
    if op == "neg":
        return make("neg", d[0])
    if op == "mul":
        return make("add", make("mul", d[0], a[1]), make("mul", a[0], d[1]))
    if op == "div":
        return make("div", make("sub", d[0], make("mul", of, d[1])), a[1])
    if op in ("min", "max"):
        first = make("lt", a[0], a[1]) if op == "min" else make("lt", a[1], a[0])
        return make("add", make("mul", first, d[0]), make("mul", make("sub", ONE, first), d[1]))
    if op == "abs":
        sign = make("sub", ONE, make("mul", const(2.0), make("lt", a[0], ZERO)))
        return make("mul", sign, d[0])
    if op == "sqrt":  # of 0 the slope is infinite: bounded, as the distance made of it is 0 there anyway
        return make("mul", make("div", const(0.5), make("max", of, const(1e-6))), d[0])
    if op == "exp":
        return make("mul", of, d[0])
    if op == "log":
        return make("div", d[0], a[0])
    if op == "sin":
        return make("mul", make("cos", a[0]), d[0])
    if op == "cos":
        return make("neg", make("mul", make("sin", a[0]), d[0]))
    if op == "s":
        return make("mul", make("mul", of, make("sub", ONE, of)), d[0])
    if op == "pow" and a[1].op == "const":
        return make("mul", make("mul", a[1], make("pow", a[0], const(a[1].value - 1.0))), d[0])
    if op == "pow":
        grown = make("add", make("mul", d[1], make("log", a[0])), make("div", make("mul", a[1], d[0]), a[0]))
        return make("mul", of, grown)
    if op == "table":
        return make("mul", Node("table_slope", a, of.value), d[0])
    return ZERO  # lt, table_slope (piecewise), noise, field


def names_used(node: Node, op: str) -> set[str]:
    """Names of the noises (op="noise") or fields (op="field") in an expression."""
    own = {node.value} if node.op == op else set()
    return own.union(*(names_used(a, op) for a in node.args)) if node.args else own

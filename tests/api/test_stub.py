"""physsim/_engine.pyi against the compiled module: the same names, each with the same numbers of parameters."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import physsim
from physsim import _engine

STUB = Path(physsim.__file__).with_name("_engine.pyi")


def parameter_counts_compiled(name: str) -> list[int]:
    """Per overload, from the signature lines of pybind11's docstring: `name(arg0: T[a, b], arg1: U) -> V`."""
    value = getattr(_engine, name)
    counts = []
    for arguments in re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> ", value.__doc__ or "", re.MULTILINE):
        while re.search(r"[\[(][^\[\]()]*[\])]", arguments):  # innermost brackets first
            arguments = re.sub(r"[\[(][^\[\]()]*[\])]", "", arguments)
        counts.append(len([part for part in arguments.split(",") if part.strip() and part.strip() not in "/*"]))
    return sorted(counts)


def parameter_counts_in_stub(functions: list[ast.FunctionDef]) -> list[int]:
    return sorted(len(f.args.posonlyargs) + len(f.args.args) + len(f.args.kwonlyargs) for f in functions)


@pytest.mark.gate
def test_stub_names_what_the_module_holds():
    tree = ast.parse(STUB.read_text())
    stub: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            stub.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            stub.setdefault(node.target.id, []).append(node)
    compiled = {name for name in dir(_engine) if not name.startswith("_")}
    assert set(stub) == compiled, (
        f"write into physsim/_engine.pyi: {sorted(compiled - set(stub))}; remove: {sorted(set(stub) - compiled)}")
    wrong = []
    for name in sorted(compiled):
        if inspect.isroutine(getattr(_engine, name)):
            functions = [node for node in stub[name] if isinstance(node, ast.FunctionDef)]
            want, got = parameter_counts_compiled(name), parameter_counts_in_stub(functions)
            if want != got:
                wrong.append(f"{name}: compiled with {want} parameters, the stub has {got}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("doc", "count"), [
    ("f(arg0: int, arg1: Annotated[array, (3, 4)]) -> None", 2), ("f() -> int", 0)])
def test_signatures_are_counted(doc, count, monkeypatch):
    monkeypatch.setattr(_engine, "f", type("F", (), {"__doc__": doc})(), raising=False)
    assert parameter_counts_compiled("f") == [count]

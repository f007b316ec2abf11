"""An import may only point up the list of DESIGN (units first, cli last); torch stays in its places."""

import ast
from pathlib import Path

import pytest

import physsim

ROOT = Path(physsim.__file__).parent
LAYERS = ["units", "portable", "randomness", "errors", "resources", "_version", "io", "physics", "spec", "device",
          "phantom", "body", "transport", "surrogate", "imaging", "evaluate", "cohort", "_benchmarks", "cli"]
FREE = {"units", "portable", "randomness", "errors", "resources", "_version"}  # all may import them; they each other


@pytest.mark.gate
def test_imports_point_up_the_list():
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        layer = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if layer in ("__init__", "__main__"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else \
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                if parts[0] == "physsim" and len(parts) > 1 and parts[1] in LAYERS and parts[1] not in FREE \
                        and (layer in FREE or LAYERS.index(parts[1]) > LAYERS.index(layer)):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {name}")
                if parts[0] == "torch" and layer not in ("surrogate", "_benchmarks") and path.name != "torch.py":
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports torch")
    assert not wrong, "\n".join(wrong)

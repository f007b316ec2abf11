"""The Python code of docs/reconstruction.md runs as it stands, block after block."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reconstruction.md"


def test_the_pages_code_runs():
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) == 3
    assert names["volume"].shape == (4, 64, 64)
    assert abs(names["found"].amounts[1] - 0.03) < 1e-6
    assert names["text"].count("<Matrix>") == 4

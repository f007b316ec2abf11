"""Every figure of physsim.evaluate draws what it was given, and matplotlib loads no sooner."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import physsim as ps

evaluate = ps.evaluate
RNG = np.random.default_rng(3)


def cases():
    present, absent = RNG.normal(1.0, 1.0, (60, 12, 12)), RNG.normal(0.0, 1.0, (60, 12, 12))
    seen = evaluate.observe(evaluate.NonPrewhitening(), present, absent)
    readers = evaluate.mrmc_auc(RNG.normal(1, 1, (5, 30)), RNG.normal(0, 1, (5, 40)))
    noise = evaluate.noise_power_spectrum(RNG.normal(50.0, 2.0, (3, 64, 64)), 0.2, region=32)
    water = evaluate.disc((80, 80), 1.0, (0.0, 0.0), 9.0)
    volume = RNG.normal(2.0, 8.0, (4, 80, 80))
    rows = evaluate.hu_accuracy(volume, {"water": water}, {"water": 0.0})
    y, x = np.mgrid[:32, :32] - 15.4
    wire = evaluate.mtf_from_wire(np.exp(-(x * x + y * y) / 3.0), 0.1)
    return {
        "roc": (evaluate.plot_roc({"a": (seen.scores_present, seen.scores_absent)}), 2),
        "observation": (evaluate.plot_observation(seen), 0), "mrmc": (evaluate.plot_mrmc({"a": readers}), 1),
        "channels": (evaluate.plot_channels(evaluate.gabor_channels((16, 16), 1.0)), 0),
        "noise": (evaluate.plot_noise_power({"white": noise}), 1), "mtf": (evaluate.plot_transfer({"wire": wire}), 1),
        "dqe": (evaluate.plot_efficiency([0.0, 1.0], {"panel": [0.7, 0.4]}), 1),
        "hu": (evaluate.plot_hounsfield(rows), 2),
        "uniformity": (evaluate.plot_uniformity(evaluate.uniformity(volume, 1.0, 38.0)), 1),
        "contrast": (evaluate.plot_contrast(volume[0], {"water": water}), 1),
        "ssim": (evaluate.plot_similarity(evaluate.ssim(volume[0], volume[1], 100.0)), 0)}


def test_figures(tmp_path):
    for name, (figure, lines) in cases().items():
        path = tmp_path / f"{name}.png"
        figure.savefig(path, dpi=60)
        assert path.stat().st_size > 2000, name
        assert len(figure.axes[0].lines) >= lines, name


def test_curve_is_the_data():
    figure = evaluate.plot_efficiency([0.0, 1.0, 2.0], {"panel": [0.7, 0.4, 0.2]})
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([0.7, 0.4, 0.2])
    legend = evaluate.plot_roc({"a": ([1.0, 2.0, 3.0], [0.0, 1.5, 2.5])}).axes[0].get_legend().get_texts()
    assert legend[0].get_text().startswith(f"a: {evaluate.auc([1.0, 2.0, 3.0], [0.0, 1.5, 2.5]).value:.3f} (")


def test_matplotlib_loads_late():
    code = ("import sys; from physsim import evaluate; evaluate.auc; evaluate.plot_roc; evaluate.observe;"
            "print('matplotlib' in sys.modules)")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    """The signal's d' in white noise is 0.4 sqrt(pi) 3 = 2.13, an AUC of 0.934: within 4 standard errors (0.009)."""
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1), {})
    assert float(capsys.readouterr().out.split()[1]) == pytest.approx(0.934, abs=0.036)
    assert (tmp_path / "observer.png").exists()

"""`physsim validate all`: every comparison, and the page that shows them."""

from __future__ import annotations

import datetime
import importlib
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from physsim._version import __version__
from physsim.cli.validate import validate

if TYPE_CHECKING:
    from physsim.evaluate.tg195.run import Row
    from physsim.evaluate.validation_page import Line


@validate.command("all")
def everything(
    write: Path | None = typer.Option(None, help="Write the page (Markdown) here, for example docs/validation.md."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an existing page."),
    case: list[str] = typer.Option([], "--case", help="Only this case of TG-195; repeat for more."),  # noqa: B008
    rows: list[Path] = typer.Option(  # noqa: B008
        [], "--rows", help="A file of `validate tg195 --json`: its cases are taken from there. Repeat for more."
    ),
    keep: Path | None = typer.Option(  # noqa: B008
        None, help="An earlier page: cases that neither --case nor --rows name are kept from it, and the page says so."
    ),
    phantom: Path | None = typer.Option(None, help="The file case5world.bin(.gz) of TG-195; case 5 needs it."),  # noqa: B008
    error: float | None = typer.Option(None, "--error", help="Largest standard error of a figure (%), as of tg195."),
    seed: int = typer.Option(0, help="Another seed, other photons."),
    threads: int | None = typer.Option(None, help="Threads; all by default. The bits do not depend on it."),
    as_json: bool = typer.Option(False, "--json", help="All rows as a JSON list."),
) -> None:
    """Cross sections, TG-195 and MC-GPU's slab in one go; fails (status 1) when a row disagrees or is undecided.

    Without --error it takes long: cases may run one by one, on several machines, into files that --rows names,
    and --keep PAGE takes the rows of other cases from an earlier page.

    Example: physsim validate all --phantom case5world.bin.gz --write docs/validation.md
    """
    from physsim.cli.stages import Stages
    from physsim.evaluate import mcgpu
    from physsim.evaluate.tg195.run import CASES, THORAX, compare
    from physsim.evaluate.validation_page import lines_on, made_on, mcgpu_lines, page, tg195_lines, xcom_lines
    from physsim.io.atomic import check_output, written_whole
    from physsim.physics.xcom_comparison import compare_with_nist

    if write is not None:
        check_output(write, overwrite)
    earlier = "" if keep is None else _page(keep)
    with Stages() as stages:
        stages("cross sections", 0.0)
        lines: list[Line] = xcom_lines(compare_with_nist())
        found = [row for path in rows for row in _kept(path)]
        names = case or ([*CASES, *([THORAX] if phantom is not None else [])] if keep is None else [])
        left = [name for name in names if name not in {row.case for row in found}]
        if left:
            told = stages.scaled(0.01, 0.95)
            taken = phantom if THORAX in left else None
            found += compare(left, taken, error, seed=seed, threads=threads, progress=told)
        own = {f"tg195 case {row.case}" for row in found}
        kept = [line for line in lines_on(earlier) if line.section.startswith("tg195") and line.section not in own]
        lines += sorted([*tg195_lines(found), *kept], key=lambda line: line.section)
        orders = mcgpu.compare(min(max(error or 0.1, 0.1), 0.5), seed, threads, stages.scaled(0.95, 1.0))
        lines += mcgpu_lines(orders)
    runs = {(row.case, row.spectrum, row.run or row.mode): row.histories for row in found}
    made = {
        "physsim": f"{__version__}, kernels {_kernels()[:12]}",
        "machine": _machine(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "seed": str(seed),
        "photons": f"{sum(runs.values()):.3g} in {len(runs)} runs of TG-195",
    }
    if rows:
        made["rows"] = f"of {len(rows)} earlier runs of `physsim validate tg195 --json`, each with a seed of its own"
    if kept:
        of = made_on(earlier)
        which = ", ".join(dict.fromkeys(line.section.removeprefix("tg195 case ") for line in kept))
        made["kept"] = f"cases {which} of the page of {of['date']} (physsim {of['physsim']})"
    if write is not None:
        with written_whole(write, overwrite) as temporary:
            temporary.write_text(page(lines, made), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps([{**vars(line), "name": list(line.name)} for line in lines], indent=1))
    else:
        wrong = [line for line in lines if line.passes is False]
        for line in wrong:
            typer.echo(f"disagrees: {line.section}, {', '.join(line.name)}: {line.difference_percent:+.2f} %")
        agree, open_ = sum(line.passes is True for line in lines), sum(line.undecided for line in lines)
        typer.echo(f"{len(lines)} rows, {agree} agree, {len(wrong)} disagree, {open_} undecided")
        if write is not None:
            typer.echo(f"wrote {write}")
    if not case and f"tg195 case {THORAX}" not in {line.section for line in lines}:
        typer.echo("case 5 is left out: it needs --phantom case5world.bin", err=True)
    if any(line.passes is False or line.undecided for line in lines):
        raise typer.Exit(1)


def _kept(path: Path) -> list[Row]:
    """Rows that `physsim validate tg195 --json` wrote."""
    from physsim.errors import FileFormatError, message
    from physsim.evaluate.tg195.run import Row
    from physsim.io.elements import input_file

    try:
        return [Row.from_dict(fields) for fields in json.loads(input_file(path).read_text(encoding="utf-8"))]
    except (AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(
            message(str(path), f"holds no rows ({error})", "Give what `physsim validate tg195 --json` printed.")
        ) from None


def _page(path: Path) -> str:
    """A page that this command wrote."""
    from physsim.errors import FileFormatError, message
    from physsim.evaluate.validation_page import lines_on, made_on
    from physsim.io.elements import input_file

    text = input_file(path).read_text(encoding="utf-8")
    try:
        whole = bool(lines_on(text)) and {"date", "physsim"} <= set(made_on(text))
    except (KeyError, IndexError, ValueError):
        whole = False
    if not whole:
        raise FileFormatError(
            message(str(path), "is no page of this command", "Give what `validate all --write` wrote.")
        )
    return text


def _kernels() -> str:
    from physsim.spec.provenance import kernels_sha256

    return kernels_sha256()


def _machine() -> str:
    """CPU, cores and compiler where the benchmarks are installed; else what Python knows."""
    try:
        described: Any = importlib.import_module("physsim._benchmarks.machine").describe()
    except ModuleNotFoundError:
        return platform.processor() or platform.machine()
    return f"{described['cpu']}, {described['cores']} cores, {described['isa'][0]}; {', '.join(described['compiler'])}"

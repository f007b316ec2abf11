"""The efficiency of every sampler on every instruction set: a draw costs a look-up, not a loop over a table."""

import json

from physsim._benchmarks.samplers import SAMPLERS, main, measure

from physsim import _engine


def test_every_sampler_is_timed():
    rows = measure(draws=4096)["rows"]
    assert {(row["sampler"], row["isa"]) for row in rows} == {
        (name, isa) for name in SAMPLERS for isa in ("scalar", *_engine.instruction_sets())}
    for row in rows:
        assert 0.0 < row["ns_per_draw"] < 1e4  # as a table look-up: a loop over a table would take longer


def test_table_and_json(capsys):
    main(["--draws", "256"])
    assert "sample_rayleigh" in capsys.readouterr().out
    main(["--draws", "256", "--json"])
    assert {row["sampler"] for row in json.loads(capsys.readouterr().out)["rows"]} == set(SAMPLERS)

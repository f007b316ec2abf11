"""The efficiency of every sampler: each set of random words gives a draw, on every instruction set."""

from physsim._benchmarks.samplers import SAMPLERS, main, measure

from physsim import _engine


def test_no_sampler_rejects():
    rows = measure(draws=4096)["rows"]
    assert {(row["sampler"], row["isa"]) for row in rows} == {
        (name, isa) for name in SAMPLERS for isa in ("scalar", *_engine.instruction_sets())}
    for row in rows:
        assert row["acceptance"] == 1.0
        assert 0.0 < row["ns_per_draw"] < 1e4  # as a table look-up: a loop over a table would take longer


def test_table_and_json(capsys):
    main(["--draws", "256"])
    assert "sample_rayleigh" in capsys.readouterr().out
    main(["--draws", "256", "--json"])
    assert '"acceptance": 1.0' in capsys.readouterr().out

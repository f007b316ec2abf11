"""Every command's help shows an example that its own options take, and no text is lost in mark-up."""

import shlex

import pytest
import typer

from physsim.cli.app import app

ROOT = typer.main.get_command(app)


def leaves(command=ROOT, path=()):
    """Commands without subcommands, each with its words."""
    commands = getattr(command, "commands", None)
    if commands is None:
        return [(path, command)]
    return [leaf for name, one in commands.items() for leaf in leaves(one, (*path, name))]


LEAVES = leaves()


def test_all_commands_are_met():
    assert {words[0] for words, _ in LEAVES} == set(ROOT.commands)
    assert len(LEAVES) > 12


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])
def test_the_example_of_a_command_is_one_of_its_calls(words, command):
    lines = command.help.splitlines()
    (example,) = [line for line in lines if "Example:" in line]
    assert example.startswith("Example: physsim ")
    assert lines[lines.index(example) - 1] == "", "the example stands in a paragraph of its own"
    call = shlex.split(example.removeprefix("Example: "))[1:]
    assert call[: len(words)] == list(words)
    command.make_context(" ".join(words), call[len(words) :])  # raises for options and arguments that it does not take


def test_brackets_of_a_spec_are_shown(physsim):
    status, out, _ = physsim("mc", "run", "--help")
    assert status == 0
    for table in ("[phantom]", "[source]", "[detector]", "[montecarlo]"):
        assert table in out


def test_info_tells_version_devices_and_hashes(physsim):
    import json

    import physsim as ps
    from physsim.device.choice import instruction_set
    from physsim.spec.provenance import kernels_sha256, tables_sha256

    status, out, _ = physsim("info", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["physsim"] == ps.__version__
    assert found["cpu"]["instruction_set"] == instruction_set()
    assert (found["kernels_sha256"], found["tables_sha256"]) == (kernels_sha256(), tables_sha256())
    text = physsim("info")[1]
    for part in (ps.__version__, instruction_set(), kernels_sha256(), tables_sha256()):
        assert part in text

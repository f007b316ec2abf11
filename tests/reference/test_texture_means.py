"""Texture moves mass about within a tissue and adds none: its mean over the man's partial volumes is 1 within 0.002."""

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared, own_numbers
from physsim.body.body import Body
from physsim.body.patient import reference_patient
from physsim.body.voxelise import voxelise_body

BOUND, SPACING_MM = 0.002, 3.0
LARGE_G = 100.0  # organs with so much textured tissue keep the bound by themselves; small bones vary by half a per cent
SEEDS = (0, 1, 2)
_LUNG, _UNTEXTURED = "parenchyma", " * (1 + 0.06 * noise('parenchyma') + 0.05 * noise('lobules'))"


def textured(seed, factor):
    """The man with nothing but textured layers and lungs, all of density 1; `factor`: with the texture."""
    made = Body.of(canonical_declared(), own_numbers(reference_patient("M", 35)), seed)
    declared, expressions = made.declared, dict(made.declared.expressions)
    if not factor:
        expressions[_LUNG] = expressions[_LUNG].removesuffix(_UNTEXTURED)
        assert expressions[_LUNG] != declared.expressions[_LUNG]
    structures, organs = [], {}
    for structure in declared.structure:
        layers = []
        for layer in structure.filled():
            lung = _LUNG in str(layer.density)
            kind = layer.texture or (_LUNG if lung else None)
            layers.append(layer.replace(density=layer.density if lung else 0.0 if kind is None else 1.0, mix=None,
                                        texture=layer.texture if factor else None))  # fmt: skip
            if kind:
                organs[structure.name] = kind
        structures.append(structure.replace(layers=tuple(layers), material=None, density=1.0, texture=None))
    plain = declared.replace(structure=tuple(structures), expressions=expressions, side=())
    body = Body.of(plain, made.numbers, seed)
    kinds = {}
    for structure in body.structures:
        own = structure.name.removeprefix("left ").removeprefix("right ")
        if kind := organs.get(structure.name, organs.get(own)):
            kinds |= dict.fromkeys(body.shown_by(structure), kind)
    return body, kinds


@pytest.fixture(scope="module")
def untextured():
    body, _ = textured(0, factor=False)
    return voxelise_body(body, spacing_mm=SPACING_MM, vanishing="keep").truth


def masses(truth):
    return {organ.name: organ.mass_g for organ in truth.organs}


@pytest.mark.parametrize("seed", SEEDS)
def test_texture_has_mean_one(untextured, seed):
    """Each tissue over all that it fills, and each organ that has much of it (other seeds: other warps)."""
    body, kinds = textured(seed, factor=True)
    got = masses(voxelise_body(body, spacing_mm=SPACING_MM, vanishing="keep").truth)
    own = masses(untextured if seed == 0 else voxelise_body(textured(seed, factor=False)[0], spacing_mm=SPACING_MM,
                                                            vanishing="keep").truth)  # fmt: skip
    tissue = {kind: [name for name, of in kinds.items() if of == kind and own.get(name, 0.0) > 0]
              for kind in set(kinds.values())}  # fmt: skip
    assert set(tissue) == {*(texture.name for texture in body.declared.texture), _LUNG}
    for kind, names in tissue.items():
        assert sum(got[n] for n in names) / sum(own[n] for n in names) == pytest.approx(1, abs=BOUND), kind
    large = [name for name in kinds if own.get(name, 0.0) > LARGE_G]
    assert len(large) > 40
    for name in large:
        assert got[name] / own[name] == pytest.approx(1, abs=BOUND), name
    assert np.mean([abs(got[n] / own[n] - 1) for n in large]) > 1e-5  # there is a texture


def test_a_texture_of_another_mean_is_found():
    """A factor of mean 1.01 in the marbled muscles shows as that."""
    body, kinds = textured(0, factor=True)
    marbled = next(one for one in body.declared.texture if one.name == "marbled")
    others = tuple(one for one in body.declared.texture if one.name != "marbled")
    heavier = body.declared.replace(texture=(*others, marbled.replace(factor=f"1.01 * ({marbled.factor})")))
    names = [name for name, kind in kinds.items() if kind == "marbled"]
    got, own = (masses(voxelise_body(Body.of(one, body.numbers), spacing_mm=6.0, vanishing="keep").truth)
                for one in (heavier, body.declared))  # fmt: skip
    assert sum(got[n] for n in names) / sum(own[n] for n in names) == pytest.approx(1.01, abs=1e-4)

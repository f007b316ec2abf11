"""The CPU kernels (kernels/launch/cpu.cpp). Arrays are checked by the callers in physsim.transport."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

_Volume = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int16]
_Doubles = NDArray[np.float64]

def instruction_sets() -> list[str]: ...
def release_memory() -> int: ...
def project(
    volume: _Volume, spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles,
    flat: bool, along: Sequence[int], image: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
@overload
def project_plain(
    volume: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, image: NDArray[np.float32], threads: int, /,
) -> None: ...
@overload
def project_plain(
    volume: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, image: NDArray[np.float64], threads: int, /,
) -> None: ...
def backproject(
    image: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, flat: bool, along: Sequence[int], volume: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def project_joseph(
    volume: _Volume, spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles,
    flat: bool, image: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def backproject_joseph(
    image: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, flat: bool, volume: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def joseph_gradient(
    volume: _Volume, spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles,
    flat: bool, image: NDArray[np.float32], threads: int, isa: str, /,
) -> _Doubles: ...
def survey(
    labels: NDArray[np.uint8] | NDArray[np.uint16], density: NDArray[np.float16] | NDArray[np.float32] | None,
    threads: int, /,
) -> tuple[NDArray[np.uint8], float, float, bool]: ...
def project_spectral(
    labels: NDArray[np.uint8] | NDArray[np.uint16], density: NDArray[np.float16] | NDArray[np.float32] | None,
    spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles, flat: bool,
    along: Sequence[int], rows: int, material: NDArray[np.int32], label_bits: int, dithered: bool, units: float,
    present: int, coefficient: NDArray[np.float32] | None, weightless: Sequence[int], attenuation: NDArray[np.float32],
    weights: NDArray[np.float32], position: NDArray[np.float32] | None, factor: NDArray[np.float32] | None,
    signal: NDArray[np.float32] | None, areal: NDArray[np.float32] | None, table: NDArray[np.int32],
    areal_scale: NDArray[np.float32],
    overlays: Sequence[tuple[
        NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.float16] | NDArray[np.float32] | None,
        _Doubles, _Doubles, _Doubles, _Doubles]],
    meshes: tuple[object, ...] | None,
    threads: int, isa: str, /,
) -> None: ...
def mesh_tree(vertices: _Doubles, corners: NDArray[np.int32], /) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
def mesh_paths(
    meshes: tuple[object, ...], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, image: NDArray[np.float32], threads: int, /,
) -> None: ...
def replace_patch(
    volume: _Volume, spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles,
    patch: _Volume, patch_start: _Doubles, patch_end: _Doubles, patch_start_row: _Doubles, patch_end_row: _Doubles,
    image: NDArray[np.float32], threads: int, /,
) -> None: ...
def ask_photons(
    arrays: dict[str, NDArray[np.generic]], question: int, material: NDArray[np.int32], energy_kev: NDArray[np.float32],
    value: NDArray[np.float32], words: NDArray[np.int32], isa: str, /,
) -> NDArray[np.float32]: ...
def interpolative(matrix: _Doubles, tolerance: float, /) -> tuple[NDArray[np.int64], _Doubles]: ...
def fewest_columns(matrix: _Doubles, wanted: _Doubles, tolerance: float, /) -> tuple[NDArray[np.int64], _Doubles]: ...
def singular_vectors(matrix: _Doubles, /) -> tuple[_Doubles, _Doubles]: ...
def exponential(values: _Doubles, out: _Doubles, /) -> None: ...
def logarithm(values: _Doubles, out: _Doubles, /) -> None: ...
def alias_tables(probability: _Doubles, /) -> NDArray[np.int32]: ...
def laws_of_sums(counts: _Doubles, none: _Doubles, bins: int, /) -> _Doubles: ...
def exact_alias_tables(probability: _Doubles, /) -> NDArray[np.int32]: ...
def sums_of_lookups(places: _Doubles, weights: _Doubles, knots: _Doubles, functions: _Doubles, /) -> _Doubles: ...
def label_cells(fields: dict[str, Any], threads: int, /) -> tuple[NDArray[np.int32], NDArray[np.float32]]: ...
def number_rows(rows: NDArray[np.uint32], /) -> tuple[NDArray[np.int64], NDArray[np.int32]]: ...
def measure_labels(fields: dict[str, Any], labels: int, threads: int, /) -> tuple[_Doubles, _Doubles]: ...
def join_labels(
    labels: NDArray[Any], regions: NDArray[Any], label_count: int, region_count: int, threads: int, /
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]: ...
def survey_cells(fields: dict[str, Any], materials: int, threads: int, /) -> NDArray[np.float32]: ...

class MonteCarlo:
    def __init__(
        self, scene: dict[str, Any], tables: dict[str, Any], source: dict[str, Any], detector: dict[str, Any],
        dose: dict[str, Any], seed: int, stream: int, cutoff_kev: float, /,
    ) -> None: ...
    def run(
        self, first: int, count: int, regions: NDArray[np.int64], image: NDArray[np.int64],
        voxels: NDArray[np.int64] | None, balance: NDArray[np.int64], threads: int, isa: str, /,
    ) -> None: ...
    def elsewhere(self, addresses: dict[str, int], /) -> bytes: ...
def single_scatter(
    words: NDArray[np.int32], voxel_cm: Sequence[float], tables: dict[str, NDArray[np.generic]],
    source: dict[str, object], targets: dict[str, object], column: NDArray[np.float32], row: NDArray[np.float32],
    seed: int, stream: int, first: int, count: int, sums: NDArray[np.float64], threads: int, isa: str, /,
) -> None: ...
def sobol_points(seed: int, stream: int, replicate: int, plain: bool, count: int, /) -> _Doubles: ...
def scan_views(
    weights: _Doubles, images: _Doubles, across: NDArray[np.float32], along: NDArray[np.float32], lowest: float,
    threads: int, isa: str, /,
) -> NDArray[np.float32]: ...
def ordered_product(left: _Doubles, right: _Doubles, /) -> _Doubles: ...
def basis_cells(
    labels: NDArray[np.uint8] | NDArray[np.uint16], density: NDArray[np.float16] | NDArray[np.float32] | None,
    material_density: NDArray[np.float32], coefficient: NDArray[np.float32], factors: Sequence[int], threads: int,
    isa: str, /,
) -> tuple[NDArray[np.int32], _Doubles, NDArray[np.float32]]: ...
def body_operations() -> dict[str, int]: ...
def paint_body(
    tables: dict[str, Any], moves: dict[str, Any], place: dict[str, Any], reach: NDArray[np.float32],
    labels: NDArray[np.uint8] | NDArray[np.uint16], organs: NDArray[np.uint8] | NDArray[np.uint16],
    density: NDArray[np.float16] | NDArray[np.float32], threads: int, isa: str, /,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def mend_organs(
    organs: NDArray[np.uint8] | NDArray[np.uint16], rules: dict[str, Any], threads: int, /
) -> NDArray[np.int64]: ...
def body_values(
    tables: dict[str, Any], at: int, register: int, points: NDArray[np.float32], values: NDArray[np.float32],
    margin_mm: float, isa: str, /,
) -> None: ...
def paint_breast(
    job: dict[str, Any], begin: int, labels: NDArray[np.uint8], organs: NDArray[np.uint8], carry: NDArray[np.float32],
    volumes: _Doubles, threads: int, isa: str, /,
) -> bool: ...
def breast_field(
    lattice: NDArray[np.float32], points: NDArray[np.float32], octaves: NDArray[np.float32],
    values: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def breast_tile(
    tile: NDArray[np.float32], points: NDArray[np.float32], values: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def breast_cells(
    pitch: float, first: Sequence[int], key: int, seeds: NDArray[np.float32], names: NDArray[np.uint32], isa: str, /,
) -> None: ...
def breast_outline(
    curve: _Doubles, closed: _Doubles, x0: float, y0: float, step: float, depth: NDArray[np.float32], threads: int,
    isa: str, /,
) -> None: ...
def breast_column(fractions: NDArray[np.float32], left: float, isa: str, /) -> tuple[NDArray[np.int32], float]: ...
def cumulant_noise(
    mean: NDArray[np.float32], variance: NDArray[np.float32], third: NDArray[np.float32], out: NDArray[np.float32],
    seed: int, stream: int, first_view: int, threads: int, isa: str, /,
) -> None: ...
def compound_noise(
    mean: NDArray[np.float32], deposit: NDArray[np.float32], number: NDArray[np.int32], out: NDArray[np.float32],
    seed: int, stream: int, view: int, threads: int, isa: str, /,
) -> None: ...
def layer_quanta(
    signal: NDArray[np.float32], square: NDArray[np.float32], ratio: _Doubles, parts: _Doubles,
    tables: NDArray[np.int32], counts: NDArray[np.float32], step: float, few: float, mean: NDArray[np.float32],
    noise: NDArray[np.float32] | None, seed: int, stream: int, first_view: int, threads: int, isa: str, /,
) -> None: ...
def count_noise(
    rates: NDArray[np.float32], counts_of: NDArray[np.int32], kind_of: NDArray[np.int32],
    share_of: NDArray[np.float32], places: NDArray[np.int32], load_per_count: float, paralysable: bool,
    mean_bin: NDArray[np.float32], ratio: NDArray[np.float32], load_step: float, counts: NDArray[np.float32], seed: int,
    stream: int, first_view: int, threads: int, isa: str, /,
) -> tuple[float, float, int]: ...
def without_dead_time(
    seen: NDArray[np.float32], load_per_count: float, most: float, inverse: NDArray[np.float32], paralysable: bool,
    mean_bin: NDArray[np.float32], ratio: NDArray[np.float32], load_step: float, corrected: NDArray[np.float32],
    threads: int, isa: str, /,
) -> int: ...
def water_lengths(
    image: NDArray[np.float32], scatter: NDArray[np.float32] | None, least: NDArray[np.float32],
    opened: NDArray[np.float32], mas: NDArray[np.float32], coefficients: NDArray[np.float32],
    most: NDArray[np.float32], slope: NDArray[np.float32], out: NDArray[np.float32], threads: int, isa: str, /,
) -> int: ...
def blur(
    images: NDArray[np.float32], across: NDArray[np.float32], along: NDArray[np.float32], out: NDArray[np.float32],
    add: bool, threads: int, isa: str, /,
) -> None: ...
def read_out_16(
    signal: NDArray[np.float32], gain: NDArray[np.float32], offset_dn: NDArray[np.float32], alive: NDArray[np.float32],
    held: NDArray[np.float32], lag: NDArray[np.float32], numbers: Sequence[float], noise: bool, out: NDArray[np.uint16],
    seed: int, stream: int, first_view: int, threads: int, isa: str, /,
) -> int: ...
def read_out_32(
    signal: NDArray[np.float32], gain: NDArray[np.float32], offset_dn: NDArray[np.float32], alive: NDArray[np.float32],
    held: NDArray[np.float32], lag: NDArray[np.float32], numbers: Sequence[float], noise: bool, out: NDArray[np.int32],
    seed: int, stream: int, first_view: int, threads: int, isa: str, /,
) -> int: ...
FILTERED_MARGIN: int
FILTERED_ROWS: int
def filter_views(
    images: NDArray[np.float32], column_weight: NDArray[np.float32], across: NDArray[np.float32],
    along: NDArray[np.float32], response: NDArray[np.float32], cosine: NDArray[np.float32], sine: NDArray[np.float32],
    out: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def backproject_views(
    filtered: NDArray[np.float32], sights: _Doubles, rows: int, columns: int, curved: bool, sums: NDArray[np.float32],
    threads: int, isa: str, /,
) -> None: ...
REBINNING_TAPS: int
def rebin_views(
    images: NDArray[np.float32], at: _Doubles, lag: _Doubles, column: NDArray[np.int32], share: NDArray[np.float32],
    out: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def backproject_helix(
    filtered: NDArray[np.float32], angles: _Doubles, turns: NDArray[np.int32], heights: _Doubles,
    opposite: NDArray[np.int32], scan: Sequence[float], rows: int, places: int, flat: bool, sums: NDArray[np.float32],
    threads: int, isa: str, /,
) -> None: ...

class ScatterView:
    def __init__(
        self, labels: NDArray[np.uint8] | NDArray[np.uint16], density: NDArray[np.float16] | NDArray[np.float32] | None,
        material_density: NDArray[np.float32], words: NDArray[np.int32], spread: NDArray[np.float32],
        cell_cm: Sequence[float], voxel_cm: Sequence[float], coefficients: NDArray[np.float32],
        functions: NDArray[np.float32], tables: dict[str, Any], source: dict[str, Any],
        cutoff_kev: float, steps_per_cm: float, edges: bool, /,
    ) -> None: ...
    def reach(
        self, targets: dict[str, Any], column: NDArray[np.float32], row: NDArray[np.float32],
        places: NDArray[np.float32], energy_kev: float, share: float, threads: int, isa: str, /,
    ) -> NDArray[np.float32]: ...
    def guide(self, values: NDArray[np.float32], expected: float, /) -> None: ...
    def field_rays(
        self, energy_kev: float, cells: int, alike: int, threads: int, isa: str, /
    ) -> NDArray[np.float32]: ...
    def first(
        self, targets: dict[str, Any], column: NDArray[np.float32], row: NDArray[np.float32], seed: int, stream: int,
        first: int, count: int, sums: _Doubles, threads: int, isa: str, /,
    ) -> None: ...
    def multiple(
        self, targets: dict[str, Any], column: NDArray[np.float32], row: NDArray[np.float32], seed: int, stream: int,
        first: int, count: int, sums: _Doubles, threads: int, isa: str, /,
    ) -> int: ...

"""The declared body made ready: makers run, numbers evaluated, pairs written out, names and references checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physsim.body.declare import Declared, Field, Solid, Structure, declared_from, read_declared
from physsim.body.expression import Names, Table, checked_table, number
from physsim.body.presence import present
from physsim.body.sided import differences, sided
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.randomness import checked_seed
from physsim.resources import phantoms_path
from physsim.spec.material import Material, material

if TYPE_CHECKING:
    from physsim.body.program import Program
    from physsim.body.side import Side

SIDES = ("left", "right")


@dataclass(frozen=True, eq=False)
class Body:
    """A body: declarations without makers and pairs, every number of it known, and the seed of its noises.

    `mirrored`: names of fields and structures that are declared on the left and stand on the right. `left_out`: fields
    whose `when` is 0 with its numbers.

    >>> from physsim.body.body import Body
    >>> Body.of({"structure": [{"name": "ball", "order": 1, "material": "water",
    ...     "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [9, 9, 9]}}]}]}).organs
    ('background', 'ball')
    """

    declared: Declared
    fields: tuple[Field, ...]
    structures: tuple[Structure, ...]
    mirrored: frozenset[str]
    numbers: Mapping[str, float]
    tables: Mapping[str, Table]
    seed: int = 0
    where: str = "body"
    left_out: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        declared: Declared | dict[str, Any],
        numbers: Mapping[str, float] | None = None,
        seed: int = 0,
        where: str = "body",
    ) -> Body:
        """A body from declarations; `numbers` replace those of the same names. Errors name what is wrong."""
        from physsim.body.makers import made

        if isinstance(declared, dict):
            declared = declared_from(declared, where)
        for name in numbers or {}:
            if name not in declared.numbers:
                raise InvalidInput(
                    message(f"number {name!r}", "the body has none of that name", did_you_mean(name, declared.numbers))
                )
        known = _evaluated({**declared.numbers, **(numbers or {})}, where)
        names = Names(known)
        tables = {name: _numeric(rows, names, where, name) for name, rows in declared.tables.items()}
        whole = made(present(declared, Names(known, tables), where), known, where, checked_seed(seed))
        declared, every = present(whole, Names(known, tables), where), (*declared.field, *whole.field)
        fields, structures, mirrored = [], [], set()
        for solid in (*declared.field, *declared.structure):
            for one, is_right in _both_sides(solid, differences(declared.side, solid.name), Names(known, tables)):
                if is_right:
                    mirrored.add(one.name)
                if isinstance(one, Field):
                    fields.append(one)
                elif isinstance(one, Structure):
                    structures.append(one)
        right, left_out = frozenset(mirrored), {one.name for solid in every for one, _ in _both_sides(solid)}
        body = cls(
            declared, tuple(fields), tuple(structures), right, known, tables, checked_seed(seed), where,
            frozenset(left_out - {field.name for field in fields}),
        )  # fmt: skip
        body._check()
        return body

    @classmethod
    def load(cls, path: str | Path, numbers: Mapping[str, float] | None = None, seed: int = 0) -> Body:
        """A body from a TOML file, or by the name of one under phantoms/anatomy."""
        file = Path(path)
        if file.suffix != ".toml":
            file = phantoms_path() / "anatomy" / f"{path}.toml"
        return cls.of(read_declared(file), numbers, seed, file.name)

    @cached_property
    def names(self) -> Names:
        """What its expressions may name."""
        return Names(
            self.numbers,
            self.tables,
            frozenset(noise.name for noise in self.declared.noise),
            frozenset(field.name for field in self.fields),
            self.declared.expressions,
        )

    @cached_property
    def organs(self) -> tuple[str, ...]:
        """Names of the truth's organs: "background", then as declared."""
        found: dict[str, None] = {"background": None}
        for structure in self.structures:
            found |= dict.fromkeys(self.shown_by(structure))
        return tuple(found)

    def shown_by(self, structure: Structure) -> tuple[str, ...]:
        """The truth's organs that a structure shows."""
        parts = self._all_parts(structure)
        layers = [layer.organ or structure.organ or structure.name for layer in structure.filled()
                  if layer.organ or None in parts]  # fmt: skip
        return (*layers, *(part for part in parts if part))

    @cached_property
    def materials(self) -> tuple[Material, ...]:
        """Its materials: the background first, then as declared."""
        return tuple(material(name) for name in self.material_names)

    @cached_property
    def material_names(self) -> tuple[str, ...]:
        """The names under which `materials` were declared."""
        found: dict[str, None] = {self.declared.background: None}
        for structure in self.structures:
            for layer in structure.filled():
                found.setdefault(layer.material)
                if layer.mix:
                    found.setdefault(layer.mix.material)
        return tuple(found)

    @cached_property
    def program(self) -> Program:
        """The body compiled, made once."""
        from physsim.body.program import compiled

        return compiled(self)

    def number(self, value: float | str) -> float:
        """A declared value as a number."""
        return float(value) if isinstance(value, (int, float)) else number(value, self.names)

    def field_number(self, name: str, who: str) -> int:
        """Index of a field, or InvalidInput."""
        for index, field in enumerate(self.fields):
            if field.name == name:
                return index
        what, known = f"{self.where}: {who}: field {name!r}", [field.name for field in self.fields]
        if name in self.left_out:
            raise InvalidInput(message(what, "its `when` is 0 in this body", f"Give {who} the same when."))
        raise InvalidInput(message(what, "no such field", did_you_mean(name, known)))

    def clip(self, text: str, who: str) -> tuple[int, float]:
        """Field and offset (mm) of a clip such as "cavity + 3"."""
        text = text.strip()
        names = [field.name for field in self.fields if text.startswith(field.name)]
        begins = [name for name in names if (text[len(name) :].strip() or "+")[0] in "+-"]
        if not begins:
            return self.field_number(re.split(r"\s+[+-]", text)[0], who), 0.0
        name = max(begins, key=len)
        rest = text[len(name) :].strip()
        return self.field_number(name, who), number(f"0 {rest}", self.names) if rest else 0.0

    def _all_parts(self, solid: Solid, deep: int = 0) -> list[str | None]:
        """Organs named by the added parts of a solid and of the fields among them; None for a part without one."""
        found: list[str | None] = []
        for part in solid.parts:
            if part.op != "add":
                continue
            if part.field is None or part.organ is not None or deep >= 32:
                found.append(part.organ)
            else:
                found += self._all_parts(self.fields[self.field_number(part.field, solid.name)], deep + 1)
        return found

    def _check(self) -> None:
        declared = self.declared
        warps = [warp.name for warp in declared.warp]
        for kind, solids in (("field", self.fields), ("structure", self.structures)):
            seen: set[str] = set()
            for solid in solids:
                if solid.name in seen:
                    raise InvalidInput(
                        message(f"{self.where}: {kind} {solid.name!r}", "is declared twice", "Rename one of them.")
                    )
                seen.add(solid.name)
                _known(solid.warp, warps, "warp", f"{self.where}: {kind} {solid.name!r}")
        textures = [texture.name for texture in declared.texture]
        for structure in self.structures:
            who = f"{self.where}: structure {structure.name!r}"
            for layer in structure.filled():
                _known(layer.texture, textures, "texture", who)
                for name in (layer.material, layer.mix.material if layer.mix else layer.material):
                    try:
                        material(name)
                    except InvalidInput as error:
                        raise InvalidInput(f"{who}: {error}") from None
        try:
            material(declared.background)
        except InvalidInput as error:
            raise InvalidInput(f"{self.where}: background: {error}") from None


def _known(name: str | None, known: list[str], kind: str, who: str) -> None:
    if name is not None and name not in known:
        raise InvalidInput(message(f"{who}: {kind} {name!r}", f"no such {kind}", did_you_mean(name, known)))


def _both_sides(solid: Solid, unlike: Sequence[Side] = (), names: Names | None = None) -> list[tuple[Solid, bool]]:
    """The solid itself, or the two of a pair (the second stands on the right), by their differences."""
    if not solid.pair:
        return [(solid, False)]
    both: list[tuple[Solid, bool]] = []
    for side in SIDES:
        plain = _named_side(solid.model_dump(exclude_none=True, exclude_defaults=True), side)
        named = "{side}" in solid.name
        plain["pair"] = False
        if unlike and names is not None:
            plain["parts"] = sided(plain["parts"], unlike, side == "right", names)
        plain["name"] = plain["name"] if named else f"{side} {plain['name']}"
        if isinstance(solid, Structure):
            own = solid.organ or solid.name
            plain["organ"] = _named_side(own, side) if "{side}" in own else f"{side} {own}"
        both.append((type(solid)(**plain), side == "right"))
    return both


def _named_side(value: Any, side: str) -> Any:
    if isinstance(value, str):
        return value.replace("{side}", side)
    if isinstance(value, dict):
        return {key: _named_side(one, side) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_named_side(one, side) for one in value)
    return value


def _evaluated(numbers: Mapping[str, float | str], where: str) -> dict[str, float]:
    """Numbers given by expressions of one another, evaluated in the order that they need."""
    done: dict[str, float] = {name: float(v) for name, v in numbers.items() if isinstance(v, (int, float))}
    waiting = {name: v for name, v in numbers.items() if not isinstance(v, (int, float))}
    while waiting:
        ready = {}
        for name, text in waiting.items():
            if set(re.findall(r"[A-Za-z_]\w*", text)) & waiting.keys():
                continue
            try:
                ready[name] = number(text, Names(done))
            except InvalidInput as error:
                raise InvalidInput(f"{where}: number {name!r}: {error}") from None
        if not ready:
            raise InvalidInput(
                message(f"{where}: numbers {', '.join(waiting)}", "they need one another in a circle", "Break it.")
            )
        done |= ready
        for name in ready:
            del waiting[name]
    return done


def _numeric(rows: tuple[tuple[float | str, float | str], ...], names: Names, where: str, table: str) -> Table:
    try:
        return checked_table(tuple((_value(a, names), _value(b, names)) for a, b in rows))
    except ValueError as error:
        raise InvalidInput(message(f"{where}: table {table!r}", str(error), "Mend the table.")) from None


def _value(value: float | str, names: Names) -> float:
    return float(value) if isinstance(value, (int, float)) else number(value, names)

"""What every spec is: frozen, keyword-only, checked at construction, the same in Python, TOML and JSON."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Self

import pydantic
import tomli_w

from physsim.errors import FileFormatError, InvalidInput, did_you_mean, message


class Spec(pydantic.BaseModel):
    """Base of the specs. Holds no arrays; every field is a number, a string, a tuple or another spec."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
    schema_version: ClassVar[int] = 1

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except pydantic.ValidationError as error:
            raise InvalidInput(_explain(type(self), error)) from None

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again. What was left out of this one stays so (model_fields_set)."""
        said = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return type(self)(**{**said, **changes})

    def to_json(self) -> str:
        """The spec as JSON, with its `schema_version`."""
        return json.dumps({"schema_version": self.schema_version, **self._plain()}, sort_keys=False)

    def to_toml(self) -> str:
        """The spec as TOML, with its `schema_version`; fields that are None are left out."""
        text: str = tomli_w.dumps({"schema_version": self.schema_version, **self._plain()})
        return text

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Build from plain data, refusing a `schema_version` newer than this code knows."""
        fields = dict(fields)
        version = fields.pop("schema_version", cls.schema_version)
        if not isinstance(version, int) or version > cls.schema_version:
            raise InvalidInput(message(
                f"schema_version={version!r}", f"this physsim reads {cls.__name__} up to version {cls.schema_version}",
                "Update physsim, or write the spec for the older version."))
        return cls(**fields)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build from JSON text."""
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise FileFormatError(message(f"{cls.__name__} as JSON", str(error), "Mend the JSON text.")) from None
        return cls.from_dict(fields)

    @classmethod
    def from_toml(cls, source: str | Path) -> Self:
        """Build from a TOML file (a Path) or TOML text (a str)."""
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            fields = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            name = str(source) if isinstance(source, Path) else f"{cls.__name__} as TOML"
            raise FileFormatError(message(name, str(error), "Mend the TOML text.")) from None
        return cls.from_dict(fields)

    def _plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


def _explain(spec: type[Spec], error: pydantic.ValidationError) -> str:
    """A pydantic report in the grammar of errors.py, one line a field; unknown keys come first."""
    lines = []
    for entry in sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden"):
        place = ".".join(str(part) for part in entry["loc"])
        if entry["type"] == "extra_forbidden":
            known = list(spec.model_fields)
            closest = did_you_mean(str(entry["loc"][-1]), known)
            lines.append(message(f"{spec.__name__}: {place}", "no such key", closest))
        elif entry["type"] == "missing":
            lines.append(message(f"{spec.__name__}: {place}", "is missing", f"Give {place}."))
        elif entry["type"] == "union_tag_not_found":
            tag = f"{place}.{entry['ctx']['discriminator'].strip(chr(39))}"
            lines.append(message(f"{spec.__name__}: {tag}", "is missing: it says what the other fields are of",
                                 f"Give {tag}, as to_toml() writes it."))
        elif entry["type"] in ("value_error", "assertion_error"):  # our validators write why and how to mend
            why = entry["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            lines.extend(f"{_place(spec, entry)}{line}" for line in why.splitlines())
        else:  # pydantic's own checks: "Input should be greater than 0"
            why = entry["msg"].replace("Input should", "it must", 1).rstrip(".")
            what = f"{spec.__name__}: {place}={_shown(entry['input'])}"
            lines.append(message(what, why, "Give a value of that kind."))
    return "\n".join(lines)


def _place(spec: type[Spec], entry: Any) -> str:
    """Where a validator of ours complained: the spec, then the field, then the value, as far as the message lacks them.

    A whole spec's validator has no field. An InvalidInput, of a spec inside this one or of a look-up, names its value.
    """
    field = ".".join(str(part) for part in entry["loc"])
    if not field:
        return f"{spec.__name__}: "
    if isinstance(entry.get("ctx", {}).get("error"), InvalidInput):
        return f"{spec.__name__}: {field}: "
    return f"{spec.__name__}: {field}={_shown(entry['input'])}: "


def _shown(value: Any, longest: int = 120) -> str:
    """The value as Python writes it, cut where it would fill the screen."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."

"""A patient: the parameters that a body is made of, and how absent ones are drawn."""

from __future__ import annotations

import tomllib
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.body.body_size import Sex, checked_age, checked_sex, height_and_weight, weight_given_height
from physsim.body.lesion import Lesion
from physsim.body.possible_size import check_size
from physsim.body.reference_masses import organ_names, reference_size, target_mass_g
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.randomness import Stream
from physsim.resources import phantoms_path
from physsim.spec.base import Spec
from physsim.spec.grid import Grid

if TYPE_CHECKING:
    from physsim.body.anatomy import PatientBody
    from physsim.body.vanishing import Vanishing
    from physsim.phantom.phantom import Phantom
    from physsim.spec.protocol import PatientState

BreastClass = Literal["A", "B", "C", "D"]
_BUILD_SD = 0.04  # of the depth at one cross-section; keeps trunks within those of the survey's waists
_DRAWN_Z = 2.5  # draws are cut here, where the Box-Cox curves are still supported by data


class Patient(Spec):
    """Everything that makes one body, none of it random any more: saved with the phantom, it rebuilds it bit for bit.

    `build`: depth over width of the trunk relative to the average body's, at one cross-section; `posture`: also moves
    diaphragm and organs; `respiration`: 0 after a quiet breath out, 1 after a full breath in; `cardiac`: phase of
    the R-R interval, 0 and 1 at the end of diastole, 0.35 at that of systole; `organ_scale`: factors on the target
    masses of single organs; `breast_density`: BI-RADS class, for women only; `lesions`: see `insert`; `seed`: the
    individual's shapes and textures; `sampling_weight`: how many people of the population this one stands for,
    relative to others of a cohort.

    Raises InvalidInput for sizes that nobody of that age has (z-scores beyond 5), unknown organs, or a class of breast
    density for a man.
    """

    sex: Sex
    age_years: float
    height_cm: pydantic.PositiveFloat
    weight_kg: pydantic.PositiveFloat
    build: float = pydantic.Field(default=1.0, ge=0.8, le=1.25)
    posture: Literal["standing", "supine"] = "standing"
    arms: Literal["down", "up"] = "down"
    respiration: float = pydantic.Field(default=1.0, ge=0.0, le=1.0)
    cardiac: float = pydantic.Field(default=0.0, ge=0.0, le=1.0)
    organ_scale: dict[str, float] = pydantic.Field(default_factory=dict)
    breast_density: BreastClass | None = None
    lesions: tuple[Lesion, ...] = ()
    seed: int = pydantic.Field(default=0, ge=0, lt=2**64)
    sampling_weight: pydantic.PositiveFloat = 1.0

    @pydantic.model_validator(mode="after")
    def _possible(self) -> Patient:
        checked_age(self.age_years)
        check_size(self.sex, self.age_years, self.height_cm, self.weight_kg)
        for organ, factor in self.organ_scale.items():
            if organ not in organ_names():
                raise InvalidInput(
                    message(f"organ_scale={organ!r}", "no organ of that name", did_you_mean(organ, organ_names()))
                )
            if not 0.2 <= factor <= 5.0:
                raise InvalidInput(
                    message(f"organ_scale[{organ!r}]={factor}", "factors are from 0.2 to 5", "Give for example 1.2.")
                )
        if self.breast_density is not None and self.sex == "M":
            raise InvalidInput(
                message(f"breast_density={self.breast_density!r}", "classes are those of women", "Leave it out.")
            )
        return self

    def insert(self, lesion: Lesion) -> Patient:
        """The patient with one more lesion: every phantom made of them holds it.

        Its place (`centre_mm`, or drawn) is that in the body at rest, at full inspiration and the end of diastole; it
        goes from there with the tissue of its site, whatever respiration and phase of the heart. It stays rigid.
        """
        return self.replace(lesions=(*self.lesions, lesion))

    def body(self) -> PatientBody:
        """The declared body with this patient's numbers and organ sizes, and the map from their space to it."""
        from physsim.body.anatomy import patient_body

        return patient_body(self)

    def held_as(self, state: PatientState) -> Patient:
        """This patient in the posture, with the arms and the breath of `state`, where the parameters do not say.

        >>> import physsim as ps
        >>> man = ps.anatomy(sex="M", age=40, height_cm=176, weight_kg=73, arms="down")
        >>> held = man.held_as(ps.protocols.chest_ct().patient)
        >>> held.posture, held.arms
        ('supine', 'down')
        """
        left = {name: value for name, value in state if name not in self.model_fields_set}
        return self.replace(**left) if left else self

    def phantom(
        self,
        spacing_mm: float | tuple[float, float, float] | None = None,
        region: str = "whole",
        *,
        grid: Grid | None = None,
        beyond_mm: tuple[float, float] = (0.0, 0.0),
        density_dtype: npt.DTypeLike = np.float16,
        vanishing: Vanishing = "warn",
    ) -> Phantom:
        """The patient as voxels: labels, density, and truth with masses from the partial volumes.

        `spacing_mm` of a grid round `region` ("whole", "head", "chest", "abdomen", "trunk", "pelvis": all that lies at
        its heights; only the trunk is no wider than the shoulders, without what of hanging arms is beside it), or
        `grid` in the patient's frame (mm, LPS, origin at the middle of the disc L5/S1). `beyond_mm`: by how much voxels
        reach below and above the region at least, where there is more of the body; scans are of the region's heights
        all the same, and lesions drawn in them. `vanishing`: organs too small
        for a voxel of their own keep their mass in the voxels they share; by default a
        VanishedOrgansWarning names them, "keep" is silent, "error" an InvalidInput. The phantom's `made_from`
        holds the patient; the same patient gives the same bits.

        >>> import physsim as ps
        >>> child = ps.anatomy(sex="M", age=5, height_cm=109, weight_kg=19)
        >>> child.phantom(6, region="head").truth.organ("pons").mass_g > 5
        True
        """
        from physsim.body.anatomy import patient_phantom

        return patient_phantom(self, spacing_mm, region, grid, density_dtype, vanishing, beyond_mm)

    def to_dict(self) -> dict[str, Any]:
        """The patient as plain data, which `from_dict` reads."""
        return {"schema_version": self.schema_version, **self._plain()}

    @property
    def title(self) -> str:
        """Who it is, in a few words."""
        age = f"{self.age_years:g} years" if self.age_years >= 1 else f"{12 * self.age_years:.0f} months"
        word = "woman" if self.sex == "F" else "man"
        word = word if self.age_years >= 18 else "girl" if self.sex == "F" else "boy"
        return f"{word}, {age}, {self.height_cm:g} cm, {self.weight_kg:g} kg"

    @property
    def bmi_kg_m2(self) -> float:
        """Weight over height squared."""
        return self.weight_kg / (self.height_cm / 100.0) ** 2

    def target_mass_g(self, organ: str) -> float:
        """Mass (g) that an organ of the ICRP table should have in this body, `organ_scale` included."""
        own = target_mass_g(organ, self.sex, self.age_years, self.height_cm, self.weight_kg)
        return own * self.organ_scale.get(organ, 1.0)


def anatomy(
    sex: Sex | None = None,
    age: float | None = None,
    height_cm: float | None = None,
    weight_kg: float | None = None,
    bmi: float | None = None,
    seed: int = 0,
    **others: Any,
) -> Patient:
    """A patient; what is left out is drawn jointly: age given sex, height given both, weight given all three.

    `age` in years; `bmi` (kg/m2) stands in place of the weight; `others`: further parameters of Patient. Every quantity
    has a random stream of its own, so that fixing one leaves the others' draws as they were; draws are cut at 2.5
    standard deviations. Sources: phantoms/anatomy/reference.

    >>> round(anatomy(sex="F", age=54, height_cm=165, weight_kg=72, seed=7).bmi_kg_m2, 1)
    26.4
    """
    if bmi is not None:
        if weight_kg is not None:
            raise InvalidInput(message(f"bmi={bmi} and weight_kg={weight_kg}", "one follows from the other",
                                       "Give one of them."))  # fmt: skip
        if not 5.0 <= bmi <= 100.0:
            raise InvalidInput(message(f"bmi={bmi}", "body mass indices are from 5 to 100 kg/m2",
                                       "Give for example 24."))  # fmt: skip
    table = _tables("population_us.toml")
    if sex is None:
        sex = "F" if _uniform(seed, "sex") < table["share_of_women"] else "M"
    checked_sex(sex)
    if age is None:
        age = _drawn_age(sex, _uniform(seed, "age"), table)
    checked_age(age)
    z_height, z_weight = _normal(seed, "height"), _normal(seed, "weight")
    if height_cm is None:
        height_cm = round(height_and_weight(sex, age, z_height, 0.0)[0], 1)
    if bmi is not None:
        weight_kg = bmi * (height_cm / 100.0) ** 2
    if weight_kg is None:
        weight_kg = round(weight_given_height(sex, age, height_cm, z_weight), 2)
    others.setdefault("build", round(1.0 + _BUILD_SD * _normal(seed, "build"), 3))
    if sex == "F" and age >= 18.0 and others.get("breast_density") is None:
        others["breast_density"] = _drawn_density(age, weight_kg, height_cm, _uniform(seed, "breast density"))
    return Patient(sex=sex, age_years=age, height_cm=height_cm, weight_kg=weight_kg, seed=seed, **others)


def reference_patient(sex: Sex, age_years: float, **others: Any) -> Patient:
    """The ICRP 89 reference body of 0, 1, 5, 10, 15 or 35 years."""
    from physsim.body.reference_masses import reference_masses

    reference_masses(sex, age_years)  # refuses other ages
    height_cm, weight_kg = reference_size(sex, age_years)
    return Patient(
        sex=sex, age_years=age_years, height_cm=round(height_cm, 6), weight_kg=round(weight_kg, 6), **others
    )


def _drawn_age(sex: Sex, u: float, table: dict[str, Any]) -> float:
    """Age (years, one decimal) from the table's shares: even within each group of ages."""
    shares = np.array(table["women" if sex == "F" else "men"])
    below = np.r_[0.0, np.cumsum(shares / shares.sum())]
    return round(float(np.interp(u, below, table["age_edges_years"])), 1)


def _drawn_density(age_years: float, weight_kg: float, height_cm: float, u: float) -> BreastClass:
    """BI-RADS class: dense or not from the log odds of age and body mass index, then the class within."""
    table = _tables("breast_density.toml")

    def log_odds(share: float) -> float:
        return float(np.log(share / (1.0 - share)))

    by_age = float(np.interp(age_years, table["ages_years"], table["dense_by_age"]))
    by_bmi = float(np.interp(weight_kg / (height_cm / 100.0) ** 2, table["bmi_kg_m2"], table["dense_by_bmi"]))
    dense = 1.0 / (1.0 + np.exp(log_odds(table["dense_of_all"]) - log_odds(by_age) - log_odds(by_bmi)))
    bounds = np.cumsum([(1 - dense) * table["a_of_not_dense"], (1 - dense) * (1 - table["a_of_not_dense"]),
                        dense * (1 - table["d_of_dense"])])  # fmt: skip
    classes: tuple[BreastClass, ...] = ("A", "B", "C", "D")
    return classes[int(np.searchsorted(bounds, u))]


def _uniform(seed: int, name: str) -> float:
    return float(Stream(seed, f"patient {name}").uniform64([0])[0, 0])


def _normal(seed: int, name: str) -> float:
    """A standard normal number, cut at the ends."""
    low = NormalDist().cdf(-_DRAWN_Z)
    return NormalDist().inv_cdf(low + (1.0 - 2.0 * low) * _uniform(seed, name))


@cache
def _tables(name: str) -> dict[str, Any]:
    return tomllib.loads((phantoms_path() / "anatomy" / "reference" / name).read_text(encoding="utf-8"))

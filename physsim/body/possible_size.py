"""Which heights and weights people of an age have, and what is said to those who ask for others."""

from __future__ import annotations

from statistics import NormalDist

from physsim.body.body_size import BoxCox, Sex, distribution, height_and_weight, weight_given_height, z_scores
from physsim.errors import InvalidInput, message

_FARTHEST_Z = 5.0  # nobody in two million; beyond it the tables say nothing
_LEANEST, _STOUTEST = 0.5, 2.6  # of the median body mass index: Box-Cox scores saturate where weights are very skewed


def check_size(sex: Sex, age_years: float, height_cm: float, weight_kg: float) -> None:
    """InvalidInput, with the percentile and the possible range, for a size that nobody of that sex and age has."""
    people = f"{'women' if sex == 'F' else 'men'} of {age_years:g} years"
    if age_years < 18:
        people = f"{'girls' if sex == 'F' else 'boys'} of {age_years:g} years"
    z_height, z_weight = z_scores(sex, age_years, height_cm, weight_kg)
    if abs(z_height) > _FARTHEST_Z:
        heights = distribution("height_cm", sex, age_years)
        low, high = _range(heights)
        raise InvalidInput(
            message(
                f"height_cm={height_cm:g}",
                f"{_percentile(z_height)} of {people} (median {heights.median:.0f} cm)",
                f"Possible are {low:.0f} to {high:.0f} cm; mend height or age.",
            )
        )
    median_height, median_weight = height_and_weight(sex, age_years, 0.0, 0.0)
    usual = median_weight * (height_cm / median_height) ** 2
    if abs(z_weight) > _FARTHEST_Z or not _LEANEST <= weight_kg / usual <= _STOUTEST:
        low, high = (
            min(max(weight_given_height(sex, age_years, height_cm, z), _LEANEST * usual), _STOUTEST * usual)
            for z in (-_FARTHEST_Z, _FARTHEST_Z)
        )
        index = weight_kg / (height_cm / 100.0) ** 2
        raise InvalidInput(
            message(
                f"weight_kg={weight_kg:g} at {height_cm:g} cm ({index:.1f} kg/m2)",
                f"{_percentile(z_weight)} of {people} (median {usual:.1f} kg at that height)",
                f"Possible are {low:.1f} to {high:.1f} kg; mend weight, height or age.",
            )
        )


def _range(sizes: BoxCox) -> tuple[float, float]:
    return sizes.value(-_FARTHEST_Z), sizes.value(_FARTHEST_Z)


def _percentile(z: float) -> str:
    """A z-score as a place among people."""
    percent = 100.0 * NormalDist().cdf(z)
    if z > _FARTHEST_Z:
        return "above the 99.9999th percentile"
    if z < -_FARTHEST_Z:
        return "below the 0.0001th percentile"
    return f"at the {percent:.2g}th percentile" if percent < 99 else f"at the {percent:.6g}th percentile"

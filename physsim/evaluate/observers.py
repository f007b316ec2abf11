"""Model observers: how well a known signal is told from its absence, by a template that is matched to it in some way.

An observer makes a template from training images; a case's score is the sum of template times image. Templates trained
on few images fit their noise: tested on the same images they score too well, on others too badly. `observe` tests on
images that the template has not seen, and says by how much the other way would differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.evaluate.roc import Auc, auc
from physsim.randomness import Stream

Floats = NDArray[np.float64]


class Observer(Protocol):
    """Makes a template (rows, columns) from images with and without the signal, (images, rows, columns)."""

    def template(self, present: Floats, absent: Floats) -> Floats:
        """(rows, columns)."""


@dataclass(frozen=True, kw_only=True)
class NonPrewhitening:
    """The difference of the mean images (NPW): blind to the noise's correlations."""

    def template(self, present: Floats, absent: Floats) -> Floats:
        """The difference itself."""
        return np.asarray(present.mean(0) - absent.mean(0))


@dataclass(frozen=True, kw_only=True)
class EyeFilteredNonPrewhitening:
    """The difference of the mean images seen twice through the eye's contrast sensitivity (NPWE).

    E(f) = f^exponent exp(-c f^2), f in cycles a degree, c such that E peaks at `peak_per_degree`.
    `viewing_distance_mm` and `pixel_mm` of the display turn 1/mm into cycles a degree.

    Reference: A. E. Burgess, J. Opt. Soc. Am. A 11 (1994) 1237 (exponent 1.3, peak at 4 cycles a degree).
    """

    pixel_mm: float
    viewing_distance_mm: float = 500.0
    exponent: float = 1.3
    peak_per_degree: float = 4.0

    def __post_init__(self) -> None:
        for name in ("pixel_mm", "viewing_distance_mm", "exponent", "peak_per_degree"):
            if not getattr(self, name) > 0:
                raise InvalidInput(message(f"{name}={getattr(self, name)}", "must be larger than 0", f"Give {name}."))

    def sensitivity(self, frequency_mm: ArrayLike) -> Floats:
        """E at `frequency_mm` (1/mm on the display), 1 at its peak."""
        ratio = np.asarray(frequency_mm, np.float64) * self.viewing_distance_mm * (np.pi / 180.0) / self.peak_per_degree
        return np.asarray((ratio * np.exp(0.5 * (1.0 - ratio**2))) ** self.exponent)

    def template(self, present: Floats, absent: Floats) -> Floats:
        """The difference with E^2 applied."""
        return self.filtered(np.asarray(present.mean(0) - absent.mean(0)))

    def filtered(self, image: Floats) -> Floats:
        """An image (rows, columns) with E^2 applied."""
        rows, columns = image.shape
        frequency = np.hypot(np.fft.fftfreq(rows, self.pixel_mm)[:, None], np.fft.rfftfreq(columns, self.pixel_mm))
        return np.fft.irfft2(np.fft.rfft2(image) * self.sensitivity(frequency) ** 2, image.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelisedHotelling:
    """The best linear template of some channels' outputs (CHO); `channels`: (channels, rows, columns).

    Reference: K. J. Myers, H. H. Barrett, J. Opt. Soc. Am. A 4 (1987) 2447; C. K. Abbey, H. H. Barrett, J. Opt. Soc.
    Am. A 18 (2001) 473.
    """

    channels: Floats

    def __post_init__(self) -> None:
        if np.ndim(self.channels) != 3:
            raise InvalidInput(message(f"channels of shape {np.shape(self.channels)}",
                                       "must be (channels, rows, columns)",
                                       "Give for example laguerre_gauss_channels(...)."))

    def template(self, present: Floats, absent: Floats) -> Floats:
        """Sum of the channels, weighted by inverse covariance times mean difference of their outputs."""
        difference, covariance = self._statistics(present, absent)
        return np.tensordot(np.linalg.solve(covariance, difference), self.channels, 1)

    def corrected_d_prime(self, present: ArrayLike, absent: ArrayLike) -> float:
        """d' of an observer who was trained on endless images, from all images of a few, without bias in d'^2.

        Holds for normal channel outputs: d'^2 = (n - p - 1)/n D^2 - p (1/n1 + 1/n0), D^2 the plain estimate, p
        channels, n = n1 + n0 - 2. 0 where the estimate is below 0. Raises InvalidInput for fewer images than
        channels ask for.
        """
        with_signal, without = _stack(present), _stack(absent)
        difference, covariance = self._statistics(with_signal, without)
        plain = float(difference @ np.linalg.solve(covariance, difference))
        n, p = len(with_signal) + len(without) - 2, len(self.channels)
        squared = (n - p - 1) / n * plain - p * (1.0 / len(with_signal) + 1.0 / len(without))
        return float(np.sqrt(max(squared, 0.0)))

    def outputs(self, images: Floats) -> Floats:
        """(images, channels)."""
        if images.shape[1:] != self.channels.shape[1:]:
            raise InvalidInput(message(f"images of {images.shape[1:]} pixels", f"the channels have "
                                       f"{self.channels.shape[1:]}", "Make the channels for these images."))
        return images.reshape(len(images), -1) @ self.channels.reshape(len(self.channels), -1).T

    def _statistics(self, present: Floats, absent: Floats) -> tuple[Floats, Floats]:
        """Difference of the channels' means, and their covariance pooled over both kinds."""
        a, b = self.outputs(present), self.outputs(absent)
        n = len(a) + len(b) - 2
        if n <= len(self.channels) + 1:
            raise InvalidInput(message(f"{len(a)} and {len(b)} images for {len(self.channels)} channels",
                                       "their covariance cannot be estimated", "Give more images or fewer channels."))
        difference = a.mean(0) - b.mean(0)
        apart, beside = a - a.mean(0), b - b.mean(0)
        covariance = (apart.T @ apart + beside.T @ beside) / n
        return difference, covariance


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """How an observer did.

    `auc`: on images that its template had not seen; `d_prime`: by the scores' means and spreads. `resubstitution`: the
    AUC on its own training images, too high; `training_bias`: that less `auc`. The AUC of an observer trained on
    endless images lies between the two. scores_present, scores_absent: (images,), each in units of the noise of its
    fold's template. template: of all images, (rows, columns).
    """

    auc: Auc
    d_prime: float
    resubstitution: float
    training_bias: float
    scores_present: Floats
    scores_absent: Floats
    template: Floats


def observe(observer: Observer, present: ArrayLike, absent: ArrayLike, *, folds: int = 2, internal_noise: float = 0.0,
            seed: int = 0, confidence: float = 0.95) -> Observation:
    """Train and test `observer` on images `present` and `absent`, (images, rows, columns), the signal at a known place.

    Images are dealt at random (`seed`) to `folds` parts; each is scored by a template trained on the others. The AUC's
    interval covers the draw of test images, not of training images. `internal_noise`: of the decision, its standard
    deviation over that of the images' scores; it lowers d' by sqrt(1 + internal_noise^2).
    Raises InvalidInput for images of different sizes and fewer than two a part.
    """
    with_signal, without = _stack(present), _stack(absent)
    if with_signal.shape[1:] != without.shape[1:]:
        raise InvalidInput(message(f"images of {with_signal.shape[1:]} and {without.shape[1:]} pixels",
                                   "the same place is looked at in both", "Cut equal parts."))
    if folds < 2 or min(len(with_signal), len(without)) < 2 * folds:
        raise InvalidInput(message(f"folds={folds} of {len(with_signal)} and {len(without)} images",
                                   "each part wants two images of each kind, and there are two parts or more",
                                   "Give more images or fewer folds."))
    if not internal_noise >= 0.0:
        raise InvalidInput(message(f"internal_noise={internal_noise}", "is a standard deviation", "Give 0 or more."))
    parts = [_dealt(len(images), folds, seed, name)
             for images, name in ((with_signal, "present"), (without, "absent"))]
    scores = np.empty(len(with_signal)), np.empty(len(without))
    for fold in range(folds):
        trained = observer.template(with_signal[parts[0] != fold], without[parts[1] != fold])
        own = [_scored(trained, images) for images in (with_signal, without)]
        middle, spread = _scale(own[0][parts[0] != fold], own[1][parts[1] != fold])
        for score, mine, part in zip(scores, own, parts, strict=True):
            score[part == fold] = (mine[part == fold] - middle) / spread
    template = observer.template(with_signal, without)
    resubstituted = [_scored(template, images) for images in (with_signal, without)]
    middle, spread = _scale(*resubstituted)
    resubstituted = [(score - middle) / spread for score in resubstituted]
    if internal_noise > 0.0:
        from scipy.special import ndtri

        noise = [ndtri(Stream(seed, f"observer {name}").uniform64(np.arange(len(score)))).T
                 for name, score in zip(("present", "absent"), scores, strict=True)]
        scores = scores[0] + internal_noise * noise[0][0], scores[1] + internal_noise * noise[1][0]
        resubstituted = [score + internal_noise * own[1] for score, own in zip(resubstituted, noise, strict=True)]
    found, plain = auc(*scores, confidence=confidence), auc(*resubstituted).value
    apart = scores[0].mean() - scores[1].mean()
    width = np.sqrt(0.5 * (scores[0].var(ddof=1) + scores[1].var(ddof=1)))
    return Observation(auc=found, d_prime=float(apart / width), resubstitution=plain, training_bias=plain - found.value,
                       scores_present=scores[0], scores_absent=scores[1], template=template)


def prewhitened_template(signal: ArrayLike, noise_power: ArrayLike, pixel_mm: float) -> Floats:
    """The ideal linear observer's template for `signal` (rows, columns) in stationary noise.

    `noise_power`: (rows, columns) as np.fft.fft2 orders frequencies, in the image's unit squared x mm2, or one number
    for white noise (variance x pixel area). Neglects: the image's edges, which the transform takes to be joined.
    """
    image, power = _signal_and_power(signal, noise_power)
    return np.fft.ifft2(np.fft.fft2(image) / power).real * pixel_mm**2


def template_detectability(template: ArrayLike, signal: ArrayLike, noise_power: ArrayLike, pixel_mm: float) -> float:
    """d' of a template (rows, columns) for a signal in stationary noise of known power (see prewhitened_template).

    d' = sum(w s) / standard deviation of sum(w noise); the non-prewhitening observer's template is the signal itself.

    >>> round(template_detectability([[0.0, 2.0]], [[0.0, 2.0]], 0.01, 0.1), 9)  # noise of variance 1: d' is |signal|
    2.0
    """
    image, power = _signal_and_power(signal, noise_power)
    weights = np.asarray(template, np.float64)
    variance = float((np.abs(np.fft.fft2(weights)) ** 2 * power).sum()) / (weights.size * pixel_mm**2)
    return float((weights * image).sum()) / float(np.sqrt(variance))


def _signal_and_power(signal: ArrayLike, noise_power: ArrayLike) -> tuple[Floats, Floats]:
    image = np.asarray(signal, np.float64)
    power = np.broadcast_to(np.asarray(noise_power, np.float64), image.shape)
    if image.ndim != 2 or not (power > 0.0).all():
        raise InvalidInput(message(f"signal of shape {image.shape}, noise power from {power.min():g}",
                                   "an image and a power above 0 at all frequencies are wanted", "Give both."))
    return image, power


def _stack(images: ArrayLike) -> Floats:
    stack = np.asarray(images, np.float64)
    if stack.ndim != 3 or not np.isfinite(stack).all():
        raise InvalidInput(message(f"images of shape {stack.shape}", "must be (images, rows, columns), finite",
                                   "Stack the images."))
    return stack


def _dealt(count: int, folds: int, seed: int, name: str) -> NDArray[np.int64]:
    """Part of each image, at random and of equal size."""
    order = np.argsort(Stream(seed, f"folds {name}").uniform64(np.arange(count))[:, 0], kind="stable")
    part = np.empty(count, np.int64)
    part[order] = np.arange(count) % folds
    return part


def _scored(template: Floats, images: Floats) -> Floats:
    return images.reshape(len(images), -1) @ template.reshape(-1)


def _scale(present: Floats, absent: Floats) -> tuple[float, float]:
    """Middle of the two means and the pooled standard deviation of training scores, which makes folds comparable."""
    spread = np.sqrt(0.5 * (present.var(ddof=1) + absent.var(ddof=1)))
    if not spread > 0.0:
        raise InvalidInput(message("images", "all get the same score", "Images without noise need no observer."))
    return float(0.5 * (present.mean() + absent.mean())), float(spread)

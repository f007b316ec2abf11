"""Asks the compiled samplers and densities of kernels/physics over arrays, with Philox's words."""

import numpy as np

from physsim import _engine
from physsim.randomness import Stream

QUESTIONS = ("look_up", "sample_rayleigh", "sample_compton", "sample_photoelectric", "density_rayleigh",
             "density_compton", "density_doppler", "density_photoelectric")
BACKENDS = ("scalar", *_engine.instruction_sets())  # one lane, and the sets of 16 that this CPU has


def random_words(count, stream="photons", seed=1):
    """(4, count) int32."""
    return np.ascontiguousarray(Stream(seed, stream).words(np.arange(count)).T).view(np.int32)


def ask(tables, question, isa, *, material=0, energy_kev=60.0, value=0.0, words=None, count=None):
    """(4, n) answers; material, energy and value are broadcast."""
    size = count or max(np.size(material), np.size(energy_kev), np.size(value))
    padded = -(-size // 16) * 16

    def full(values, dtype):
        return np.ascontiguousarray(np.resize(np.broadcast_to(np.asarray(values, dtype), (size,)), padded))

    words = np.zeros((4, padded), np.int32) if words is None else words
    return _engine.ask_photons(tables.arrays(), QUESTIONS.index(question), full(material, np.int32),
                               full(energy_kev, np.float32), full(value, np.float32), words, isa)[:, :size]

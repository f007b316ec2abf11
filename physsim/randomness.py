"""Seeds and named streams: Philox4x32-10 as a pure function of (seed, stream) and (index, block).

Any history, pixel or patient can be drawn again by its number, in any order, on any number of workers. The kernels hold
the same generator (kernels/core/philox.h), word for word.

Reference: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11,
doi:10.1145/2063384.2063405.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message

_MULTIPLIER_A, _MULTIPLIER_C = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)  # Salmon 2011, table 2 and Random123 1.14
_WEYL_LOW, _WEYL_HIGH = 0x9E3779B9, 0xBB67AE85  # golden ratio; sqrt(3) - 1 (same source)
_MASK, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_ROUNDS = 10

Words = npt.NDArray[np.uint32]


def philox4x32(counter: npt.ArrayLike, key: tuple[int, int]) -> Words:
    """Ten rounds of Philox on counters.

    `counter`: (..., 4) uint32; `key`: two 32-bit integers; returns (..., 4) uint32.

    >>> [f"{word:08x}" for word in philox4x32([0, 0, 0, 0], (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    words = np.asarray(counter).astype(np.uint64)
    if words.shape[-1:] != (4,):
        raise InvalidInput(message(f"counter of shape {words.shape}", "Philox4x32 counts in four 32-bit words",
                                   "Give an array of shape (..., 4)."))
    a, b, c, d = (words[..., i] & _MASK for i in range(4))
    key_low, key_high = key
    for _ in range(_ROUNDS):
        product_a, product_c = a * _MULTIPLIER_A, c * _MULTIPLIER_C  # 32 x 32 bits never overflow 64
        a = (product_c >> _HALF) ^ b ^ np.uint64(key_low)
        c = (product_a >> _HALF) ^ d ^ np.uint64(key_high)
        b, d = product_c & _MASK, product_a & _MASK
        key_low, key_high = (key_low + _WEYL_LOW) & 0xFFFFFFFF, (key_high + _WEYL_HIGH) & 0xFFFFFFFF
    return np.stack([a, b, c, d], axis=-1).astype(np.uint32)


def stream_number(name: str) -> int:
    """The 32-bit number of a named stream: the first four bytes of BLAKE2b of its name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")


def checked_seed(seed: int) -> int:
    """`seed` as an int, or InvalidInput when it is not a whole number from 0 to 2^64 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**64:
        raise InvalidInput(message(f"seed={seed!r}", "a seed is a whole number from 0 to 2^64 - 1",
                                   "Give for example seed=7."))
    return int(seed)


@dataclass(frozen=True)
class Stream:
    """An endless table of random numbers: rows by index (history, pixel), four words a block.

    Key = (low half of the seed, stream number); counter = (index low, index high, block, high half of the seed), so two
    different (seed, name, index, block) never read the same row unless two names collide in 32 bits.

    >>> bool((Stream(7, "noise").uniform([5]) == Stream(7, "noise").uniform(range(10))[5]).all())
    True
    """

    seed: int
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", checked_seed(self.seed))

    @property
    def key(self) -> tuple[int, int]:
        """The Philox key: (low half of the seed, stream number)."""
        return self.seed & 0xFFFFFFFF, stream_number(self.name)

    def words(self, index: npt.ArrayLike, block: npt.ArrayLike = 0) -> Words:
        """Random words (..., 4) uint32 of `index` (64-bit) and `block` (32-bit), broadcast against each other."""
        rows, blocks = np.broadcast_arrays(_whole(index, "index", 64), _whole(block, "block", 32))
        high = np.full(rows.shape, self.seed >> 32, np.uint64)
        return philox4x32(np.stack([rows & _MASK, rows >> _HALF, blocks, high], axis=-1), self.key)

    def uniform(self, index: npt.ArrayLike, block: npt.ArrayLike = 0) -> npt.NDArray[np.float32]:
        """Numbers (..., 4) float32 in the open interval (0, 1): odd multiples of 2^-24, never 0 nor 1."""
        return open_uniform(self.words(index, block))

    def uniform64(self, index: npt.ArrayLike, block: npt.ArrayLike = 0) -> npt.NDArray[np.float64]:
        """Numbers (..., 2) float64 in the open interval (0, 1): odd multiples of 2^-53."""
        words = self.words(index, block).astype(np.uint64)
        joined = (words[..., 0::2] << _HALF) | words[..., 1::2]
        return ((joined >> np.uint64(11)) | np.uint64(1)).astype(np.float64) * 2.0**-53

    def seed_for(self, index: int) -> int:
        """A new 64-bit seed for part `index` (a patient of a cohort, an exposure of a patient)."""
        low, high = self.words(index)[:2]
        return int(low) | int(high) << 32


def open_uniform(words: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """uint32 words to float32 in (0, 1): odd multiples of 2^-24, exact in float32 and symmetric about 1/2."""
    odd = (np.asarray(words, np.uint32) >> np.uint32(8)) | np.uint32(1)
    return odd.astype(np.float32) * np.float32(2.0**-24)


def _whole(values: npt.ArrayLike, name: str, bits: int) -> npt.NDArray[np.uint64]:
    numbers: npt.NDArray[Any] = np.asarray(values)
    if numbers.size == 0:
        return np.zeros(numbers.shape, np.uint64)
    if numbers.dtype.kind not in "iu" or int(numbers.min()) < 0 or int(numbers.max()) >= 2**bits:
        raise InvalidInput(message(f"{name} of type {numbers.dtype} from {numbers.min()} to {numbers.max()}",
                                   f"counters are whole numbers from 0 to 2^{bits} - 1", "Count rows from 0."))
    return numbers.astype(np.uint64)

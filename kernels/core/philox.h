// Philox4x32-10: random words as a pure function of a counter and a key; the same words as physsim/randomness.py.
//
// Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, doi:10.1145/2063384.2063405.
// Template on the word: a plain 32-bit unsigned on CUDA and in scalar code, a vector of lanes elsewhere (a lane type needs
// +, ^, * by a scalar word modulo 2^32, and multiply_high found beside it). No standard header, so that NVRTC compiles it
// (with --device-as-default-execution-space); static, so that no instruction set's copy can win the link.
#pragma once

namespace physsim {

using Word = unsigned int;  // 32 bits on every platform that physsim builds for
static_assert(sizeof(Word) == 4, "Philox needs 32-bit words");

template <class W>
struct PhiloxWords {
    W a, b, c, d;
};

// High half of the 64-bit product.
static constexpr Word multiply_high(Word x, Word y) {
    return static_cast<Word>((static_cast<unsigned long long>(x) * y) >> 32);
}

// Ten rounds on `counter` under the key (key_low, key_high).
template <class W>
static constexpr PhiloxWords<W> philox4x32(PhiloxWords<W> counter, Word key_low, Word key_high) {
    constexpr Word multiplier_a = 0xD2511F53u, multiplier_c = 0xCD9E8D57u;  // Salmon 2011, table 2 and Random123 1.14
    constexpr Word weyl_low = 0x9E3779B9u, weyl_high = 0xBB67AE85u;         // golden ratio; sqrt(3) - 1
    for (int round = 0; round < 10; ++round) {
        const W high_a = multiply_high(counter.a, multiplier_a), low_a = counter.a * multiplier_a;
        const W high_c = multiply_high(counter.c, multiplier_c), low_c = counter.c * multiplier_c;
        counter = {high_c ^ counter.b ^ key_low, low_c, high_a ^ counter.d ^ key_high, low_a};
        key_low += weyl_low;
        key_high += weyl_high;
    }
    return counter;
}

// physsim's layout: key = (low half of the seed, stream), counter = (index, block, high half of the seed).
// `index` is a 64-bit history or pixel number in two halves. Distinct arguments never share a (key, counter) pair.
template <class W>
static constexpr PhiloxWords<W> random_words(unsigned long long seed, Word stream, W index_low, W index_high, W block) {
    const Word seed_low = static_cast<Word>(seed), seed_high = static_cast<Word>(seed >> 32);
    return philox4x32(PhiloxWords<W>{index_low, index_high, block, (block ^ block) + seed_high}, seed_low, stream);
}

// A float in the open interval (0, 1) from a word: the odd multiples of 2^-24, exact in float, symmetric about 1/2.
static constexpr float open_uniform(Word word) { return static_cast<float>((word >> 8) | 1u) * 0x1p-24f; }

}  // namespace physsim

// Random words by number: blocks of four, read one after the other; history or pixel n has the same ones on every machine and thread.
#pragma once
#include "core/lanes.h"
#include "core/philox.h"

namespace physsim {

struct Stream { unsigned long long seed; Word number; };

namespace PHYSSIM_ISA {

PHYSSIM_HD PhiloxWords<Word> block_of(const Stream& stream, uint64_t history, uint32_t block) {
    return random_words<Word>(stream.seed, stream.number, static_cast<Word>(history), static_cast<Word>(history >> 32), block);
}

// A word in each lane, as Philox wants it.
struct LaneWord { I lanes; };
PHYSSIM_HD LaneWord operator*(LaneWord x, Word y) { return {multiply_low(x.lanes, y)}; }
PHYSSIM_HD LaneWord multiply_high(LaneWord x, Word y) { return {multiply_high(x.lanes, y)}; }
PHYSSIM_HD LaneWord operator^(LaneWord x, LaneWord y) { return {x.lanes ^ y.lanes}; }
PHYSSIM_HD LaneWord operator^(LaneWord x, Word y) { return {x.lanes ^ I(static_cast<int32_t>(y))}; }

// Where the words of histories come from whose numbers have the same upper half.
struct Draws { Stream stream; Word upper; };

// Block `block` of the histories whose numbers have the lower halves `history`.
PHYSSIM_HD PhiloxWords<I> block_of(const Draws& draws, I history, I block) {
    const LaneWord upper = {I(static_cast<int32_t>(draws.upper))}, seed_upper = {I(static_cast<int32_t>(draws.stream.seed >> 32))};
    const PhiloxWords<LaneWord> words = philox4x32(PhiloxWords<LaneWord>{{history}, upper, {block}, seed_upper}, static_cast<Word>(draws.stream.seed), draws.stream.number);
    return {words.a.lanes, words.b.lanes, words.c.lanes, words.d.lanes};
}

// In (0, 1), with a relative step of 2^-24 however small it is: may be compared with small probabilities.
PHYSSIM_HD float uniform(Word word) { return (static_cast<float>(static_cast<int32_t>(word >> 1)) + 0.5f) * 0x1p-31f; }
PHYSSIM_HD F uniform(I word) { return (to_float((word >> 1) & I(0x7fffffff)) + F(0.5f)) * F(0x1p-31f); }

}  // namespace PHYSSIM_ISA
}  // namespace physsim

// Scrambled Sobol points: they fill the unit cube evenly, each of them is uniform on its own, and independent scrambles give
// independent estimates whose spread is the standard error.
//
// Scramble: a random lower triangular matrix over the bits and a digital shift; the variance of a mean is that of Owen's nested scramble.
// Source of the direction numbers: S. Joe, F. Y. Kuo, SIAM J. Sci. Comput. 30 (2008) 2635 (table new-joe-kuo-6.21201, first ten dimensions).
// Reference: J. Matousek, J. Complexity 14 (1998) 527; A. B. Owen, ACM Trans. Model. Comput. Simul. 13 (2003) 363.
#pragma once
#include "core/philox.h"
#include "core/platform.h"

namespace physsim {

constexpr int32_t SOBOL_DIMENSIONS = 10, SOBOL_BITS = 32;

// Columns of the generating matrices, most significant bit first, after the scramble; shift[d] is added without carry.
struct SobolPoints {
    uint32_t direction[SOBOL_DIMENSIONS][SOBOL_BITS];
    uint32_t shift[SOBOL_DIMENSIONS];
};

namespace PHYSSIM_ISA {

// A primitive polynomial x^degree + ... + 1, its inner coefficients as bits, and the first odd numbers of the recurrence.
struct SobolSeed { int32_t degree; uint32_t inner, first[5]; };

PHYSSIM_HD SobolSeed sobol_seed(int32_t dimension) {
    switch (dimension) {  // Joe and Kuo 2008, dimensions 2 to 10
        case 1: return {1, 0, {1, 0, 0, 0, 0}};
        case 2: return {2, 1, {1, 3, 0, 0, 0}};
        case 3: return {3, 1, {1, 3, 1, 0, 0}};
        case 4: return {3, 2, {1, 1, 1, 0, 0}};
        case 5: return {4, 1, {1, 1, 3, 3, 0}};
        case 6: return {4, 4, {1, 3, 5, 13, 0}};
        case 7: return {5, 2, {1, 1, 5, 5, 17}};
        case 8: return {5, 4, {1, 1, 5, 5, 5}};
        default: return {5, 7, {1, 1, 7, 11, 19}};
    }
}

PHYSSIM_HD void sobol_directions(int32_t dimension, uint32_t* direction) {
    if (dimension == 0) {
        for (int32_t k = 0; k < SOBOL_BITS; k++) direction[k] = 1u << (31 - k);
        return;
    }
    const SobolSeed seed = sobol_seed(dimension);
    for (int32_t k = 0; k < SOBOL_BITS; k++) {
        if (k < seed.degree) {
            direction[k] = seed.first[k] << (31 - k);
            continue;
        }
        uint32_t v = direction[k - seed.degree] ^ (direction[k - seed.degree] >> seed.degree);
        for (int32_t i = 1; i < seed.degree; i++)
            if ((seed.inner >> (seed.degree - 1 - i)) & 1u) v ^= direction[k - i];
        direction[k] = v;
    }
}

PHYSSIM_HD uint32_t parity(uint32_t x) {
    x ^= x >> 16, x ^= x >> 8, x ^= x >> 4, x ^= x >> 2, x ^= x >> 1;
    return x & 1u;
}

// Scramble number `replicate` of a seed; `plain` leaves the points as Sobol's.
PHYSSIM_HD SobolPoints sobol_points(unsigned long long seed, Word stream, uint32_t replicate, bool plain) {
    SobolPoints points;
    for (int32_t d = 0; d < SOBOL_DIMENSIONS; d++) {
        uint32_t direction[SOBOL_BITS];
        sobol_directions(d, direction);
        for (int32_t k = 0; k < SOBOL_BITS; k++) points.direction[d][k] = plain ? direction[k] : 0;
        points.shift[d] = 0;
        if (plain) continue;
        for (int32_t bit = 0; bit < SOBOL_BITS; bit++) {
            const PhiloxWords<Word> words = random_words<Word>(seed, stream, replicate, static_cast<Word>(d), static_cast<Word>(bit));
            const uint32_t own = 1u << bit, row = (words.a & ~((own << 1) - 1u)) | own;  // bits above the own one at random
            for (int32_t k = 0; k < SOBOL_BITS; k++) points.direction[d][k] |= parity(direction[k] & row) << bit;
            points.shift[d] |= (words.b >> 31) << bit;
        }
    }
    return points;
}

// Coordinate of point `number` as 32 bits.
PHYSSIM_HD uint32_t sobol_word(const SobolPoints& points, int32_t dimension, uint32_t number) {
    uint32_t x = points.shift[dimension];
    for (int32_t k = 0; number; k++, number >>= 1)
        if (number & 1u) x ^= points.direction[dimension][k];
    return x;
}

// In (0, 1).
PHYSSIM_HD double sobol(const SobolPoints& points, int32_t dimension, uint32_t number) {
    return (static_cast<double>(sobol_word(points, dimension, number)) + 0.5) * 0x1p-32;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

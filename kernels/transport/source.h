// Where photons are born: a point or a rectangular focal spot, uniform in solid angle over a rectangle or a cone, or shaped by heel and bowtie.
//
// Law: a point source is isotropic, so photons are uniform in solid angle within the collimation. On a plane at distance 1 the
// density at (x, y) is (1 + x^2 + y^2)^(-3/2). Its marginal along x comes as an inverse table; given x, the sine
// y / sqrt(1 + x^2 + y^2) is uniform. In the two uniform numbers a shaped field is bilinear between nodes: a node is drawn (Walker 1977),
// the place under its hat function, and the energy from the node's own spectrum. A focal spot moves the start alone: the point on the
// field's plane stays.
// Neglects: the penumbra of the collimator, off-focus radiation, scatter from the bowtie.
#pragma once
#include "core/turn.h"
#include "core/random_words.h"

namespace physsim {

struct MonteCarloSource {
    float position[3];               // cm, in the scene's frame
    float across[3], along[3], forward[3];  // x, y of the field and the normal of its plane
    int32_t cone;                    // 1: a cone about `forward`; 0: a rectangle
    float cone_height;               // 1 - cosine of the half angle
    const float* x_quantile;         // (nodes + 1) tangents x at equal steps of probability
    int32_t x_nodes;
    const int32_t* node;             // (nodes along y, along x, 2): float32 chance to keep the node, the other one; null: no shape
    int32_t nodes[2];                // along x, y; at most 32767 in all; each has a row of `energy`
    float y_low, y_high;             // tangents
    float plane_cm;                  // distance of the field's plane
    float spot[2];                   // full widths of the focal spot along x and y (cm)
    float turn_first, turn_range;    // turns about the axis below, uniform; range 0 and first 0: none
    float axis_point[3], axis[3];
    const int32_t* energy;           // (rows, bins, 4), alias tables (Walker 1977): chance to keep, other bin (integer), lower end, width (keV)
    int32_t energy_bins;             // at most 32767
};

namespace PHYSSIM_ISA {

// A photon at its start: place (cm), unit vector, energy (keV).
struct Birth { F x, y, z, ux, uy, uz, energy; };

// Which of `bins` equal parts of its range an unsigned word lies in, and where in it: the halves of word * bins (at most 32767).
struct Part { I number, within; };

PHYSSIM_HD Part part_of(I word, int32_t bins) {
    const I count(bins), mask(0xffff), low = (word & mask) * count, high = ((word >> 16) & mask) * count + (low >> 16);
    return {high >> 16, (high & mask) << 16 | (low & mask)};
}

PHYSSIM_HD F born_energy(const MonteCarloSource& source, I row, I choice, I within) {
    const Part bin = part_of(choice, source.energy_bins);
    const I first = row * I(source.energy_bins), own = (first + bin.number) << 2;
    const M keep = uniform(bin.within) < as_float(gather(source.energy, own));
    const I chosen = select(keep, own, (first + gather(source.energy + 1, own)) << 2);
    return as_float(gather(source.energy + 2, chosen)) + uniform(within) * as_float(gather(source.energy + 3, chosen));
}

// A place in 0 .. 1 with the density of node `number`'s hat function among `nodes` at equal steps; half a hat at the ends.
PHYSSIM_HD F under_hat(I number, int32_t nodes, F u) {
    if (nodes == 1) return u;
    const F one(1.0f), two(2.0f), last(static_cast<float>(nodes - 1));
    const F off = select(u < F(0.5f), square_root(two * u) - one, one - square_root(two * (one - u)));
    const F place = to_float(number) + off, above = select(place < F(0.0f), F(0.0f) - place, place);
    return select(last < above, two * last - above, above) / last;
}

PHYSSIM_HD void turn_about(const float* k, Turn by, F& x, F& y, F& z) {
    const F a(k[0]), b(k[1]), c(k[2]), along = (x * a + y * b + z * c) * (F(1.0f) - by.cosine);
    const F cx = b * z - c * y, cy = c * x - a * z, cz = a * y - b * x;
    x = x * by.cosine + cx * by.sine + a * along;
    y = y * by.cosine + cy * by.sine + b * along;
    z = z * by.cosine + cz * by.sine + c * along;
}

// From the first two blocks of a history's words, all but second.a.
PHYSSIM_HD Birth born(const MonteCarloSource& source, const PhiloxWords<I>& first, const PhiloxWords<I>& second) {
    const F one(1.0f), half(0.5f);
    F dx, dy, dz = one;  // direction in the field's frame
    I row(0), spot_word = second.c;
    if (source.cone) {
        const F height = uniform(first.c) * F(source.cone_height);
        const Turn around = turn(uniform(first.d));
        const F sine = square_root(height * (F(2.0f) - height));
        dx = sine * around.cosine, dy = sine * around.sine, dz = one - height;
    } else {
        F a = uniform(first.c), b = uniform(first.d);
        if (source.node) {
            const Part drawn = part_of(second.c, source.nodes[0] * source.nodes[1]);
            const I entry = drawn.number << 1;
            row = select(uniform(drawn.within) < as_float(gather(source.node, entry)), drawn.number, gather(source.node + 1, entry));
            const I along = truncate((to_float(row) + half) / F(static_cast<float>(source.nodes[0])));
            a = under_hat(row - along * I(source.nodes[0]), source.nodes[0], a), b = under_hat(along, source.nodes[1], b);
            spot_word = (second.b & I(0xffff)) << 16;  // 16 bits for each width of the spot
        }
        const F u = a * F(static_cast<float>(source.x_nodes));
        const I node = minimum(truncate(u), I(source.x_nodes - 1));
        const F x0 = gather(source.x_quantile, node), x1 = gather(source.x_quantile + 1, node);
        dx = x0 + (u - to_float(node)) * (x1 - x0);
        const F square = one + dx * dx, reach = square_root(square), y_low(source.y_low), y_high(source.y_high);
        const F low = y_low / square_root(square + y_low * y_low), high = y_high / square_root(square + y_high * y_high);
        const F sine = low + b * (high - low);
        dy = sine * reach / square_root((one - sine) * (one + sine));
    }
    const F ox = (uniform(second.b) - half) * F(source.spot[0]), oy = (uniform(spot_word) - half) * F(source.spot[1]);
    const F plane(source.plane_cm), stretch = plane / dz;
    dx = dx * stretch - ox, dy = dy * stretch - oy, dz = plane;
    const F scale = one / square_root(dx * dx + dy * dy + dz * dz);
    dx = dx * scale, dy = dy * scale, dz = dz * scale;
    const float *e = source.across, *f = source.along, *g = source.forward;
    Birth photon;
    photon.x = F(source.position[0]) + ox * F(e[0]) + oy * F(f[0]);
    photon.y = F(source.position[1]) + ox * F(e[1]) + oy * F(f[1]);
    photon.z = F(source.position[2]) + ox * F(e[2]) + oy * F(f[2]);
    photon.ux = dx * F(e[0]) + dy * F(f[0]) + dz * F(g[0]);
    photon.uy = dx * F(e[1]) + dy * F(f[1]) + dz * F(g[1]);
    photon.uz = dx * F(e[2]) + dy * F(f[2]) + dz * F(g[2]);
    if (source.turn_range != 0.0f || source.turn_first != 0.0f) {
        F fraction = F(source.turn_first) + uniform(second.d) * F(source.turn_range);  // both within 0 .. 1
        fraction = select(one < fraction, fraction - one, fraction);
        const Turn by = turn(fraction);
        const F cx(source.axis_point[0]), cy(source.axis_point[1]), cz(source.axis_point[2]);
        photon.x = photon.x - cx, photon.y = photon.y - cy, photon.z = photon.z - cz;
        turn_about(source.axis, by, photon.x, photon.y, photon.z);
        photon.x = photon.x + cx, photon.y = photon.y + cy, photon.z = photon.z + cz;
        turn_about(source.axis, by, photon.ux, photon.uy, photon.uz);
    }
    photon.energy = born_energy(source, row, first.a, first.b);
    return photon;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

// Fibroglandular tissue of samples: it lies on the walls between fat lobules with half thickness = ligament + fill x max(0,
// glandularity). Where glandularity is low a wall is a Cooper's ligament, where it is high the lobule fills up.
#pragma once
#include "breast/cells.h"

namespace physsim {
namespace PHYSSIM_ISA {

PHYSSIM_HD F clipped(F x) { return minimum(maximum(x, F(0.0f)), F(1.0f)); }
PHYSSIM_HD F magnitude(F x) { return maximum(x, F(0.0f) - x); }

// Fraction of tissue at a distance from the middle of a sheet; one thinner than the blur keeps its volume.
PHYSSIM_HD F sheet(F half, F distance, F blur) {
    const F value = clipped((half - distance) / blur + F(0.5f)), wide = half + F(0.5f) * blur;
    const F thin = value * (F(2.0f) * blur * half / (wide * wide));
    return select(half + half < blur, select(F(0.0f) < half, thin, F(0.0f)), value);
}

// The same of a cord's axis.
PHYSSIM_HD F cord(F radius, F distance, F blur) {
    const F value = clipped((radius - distance) / blur + F(0.5f)), wide = radius + F(0.5f) * blur;
    const F thin = value * (F(3.0f) * blur * radius * radius / (wide * wide * wide));
    return select(radius + radius < blur, select(F(0.0f) < radius, thin, F(0.0f)), value);
}

// What the fields say about samples.
struct Tissue { F u, v, w, glandularity, ligament, mottle, haze; };

// A sheet of gland with a soft edge, not sharper than the blur.
PHYSSIM_HD F soft_sheet(F half, F distance, F softness, F blur) {
    const F soft = maximum(softness, blur);
    const F wide = clipped((half - distance) / soft + F(0.5f)) * minimum(F(1.0f), (half + half) / blur);
    return select(softness <= blur, sheet(half, distance, blur), wide);
}

// Half thickness of a ligament on those walls that carry one (a share of them), fading at its ends.
PHYSSIM_HD F ligament_on(const Walls& own, const Tissue& t, float thickness, float share, float fade) {
    const F made = F(thickness) * t.ligament * (F(0.5f) + own.pair * F(1.0f / share)) * minimum(F(1.0f), (own.b3 - own.b) * F(1.0f / fade));
    return select(own.pair < F(share), made, F(0.0f));
}

// Volume fraction of fibroglandular tissue, ligaments among it; `wanted`: the lanes that matter.
static F glandular_fraction(const BreastRecipe& r, const float* tile, const NearCells* cells, const Tissue& t, M wanted) {
    const F none(0.0f), one(1.0f), blur(r.blur), half(0.5f), g = t.glandularity;
    // large cells: lobules
    const Walls large = walls_of(cells[0], t.u, t.v, t.w);
    const F w1 = F(r.fill[0]) * maximum(none, g + F(r.spread) * (large.random - half));
    const F total = w1 + ligament_on(large, t, r.walls[0], r.share[0], 1.5f);
    F fine(0.0f), f(0.0f);
    const M near = (none < total) & (large.b < total + F(2.0f) + blur) & wanted;
    const M grown = near & (none < w1);
    const auto fine_noise = [&] { return tile_at(tile, t.u * F(2.6f), t.v * F(1.5f), t.w * F(1.5f)); };
    if (any(near)) {
        if (any(grown)) fine = select(grown, fine_noise(), none);
        const F moved = large.b + (F(0.45f) * t.mottle + F(0.15f) * fine) * minimum(one, w1);
        f = select(near, soft_sheet(total, moved, minimum(F(0.08f) * w1, F(0.2f)) + F(0.1f), blur), none);
    }
    const F radius = F(r.strand) * t.ligament * (F(0.3f) + F(1.2f) * large.triple), off_axis = large.b * large.b + large.b3 * large.b3;
    const M on_cord = (off_axis < (radius + blur) * (radius + blur)) & wanted;
    if (any(on_cord)) f = select(on_cord, maximum(f, cord(radius, square_root(off_axis), blur)), f);
    // small cells: lobulettes
    const Walls small = walls_of(cells[1], t.u, t.v, t.w);
    const F w2 = F(r.fill[1]) * maximum(none, g + F(1.3f) * F(r.spread) * (small.random - half) - F(r.offset));
    const F total2 = half * w2 + ligament_on(small, t, r.walls[1], r.share[1], 0.7f);
    const F radius2 = F(0.6f) * F(r.strand) * t.ligament * (F(0.3f) + F(1.2f) * small.triple), off_axis2 = small.b * small.b + small.b3 * small.b3;
    const M on_wall = (none < total2) & (small.b < total2 + blur + F(1.2f) * minimum(one, w2)) & wanted;
    const M has = none < f, drawn = has | on_wall;
    if (any(drawn)) {
        const M late = without(drawn & (none < w2), grown);
        if (any(late)) fine = select(late, fine_noise(), fine);
        F texture(r.texture);
        const M grained = (has | (none < w2)) & wanted;
        if (any(grained)) {
            const F grain = tile_at(tile, t.u * F(6.0f), t.v * F(2.2f), t.w * F(2.2f)), fibre = tile_at(tile, F(2.0f) * t.u, F(2.2f) * t.v, F(2.2f) * t.w);
            const F ridges = F(1.2f) - F(2.0f) * minimum(magnitude(fibre), F(1.4f));
            texture = select(grained, clipped(texture + F(r.grain) * (half * grain + half * ridges + F(0.2f) * t.mottle)), texture);
        }
        const F moved = small.b + F(0.25f) * fine * minimum(one, w2);
        const F soft = maximum(blur, F(0.12f) + minimum(F(0.08f) * w2, F(0.1f)));
        const F net = clipped((F(0.25f) + half * small.pair * small.pair + w2 - moved) / soft + half);
        const F loose = clipped(F(r.loose) * (one + F(0.3f) * t.mottle + half * fine));
        f = select(has, f * texture * (loose + (one - loose) * net), f);
        const F wall = soft_sheet(total2, moved, minimum(F(0.08f) * w2, F(0.15f)) + F(0.1f), blur);
        f = select(on_wall, maximum(f, texture * wall), f);
    }
    const M on_small_cord = (off_axis2 < (radius2 + blur) * (radius2 + blur)) & wanted;
    if (any(on_small_cord)) f = select(on_small_cord, maximum(f, cord(radius2, square_root(off_axis2), blur)), f);
    const F haze = minimum(F(0.6f), t.haze * minimum(F(1.1f) + F(1.1f) * g, F(1.5f)));
    return select(F(-1.0f) < g, maximum(f, haze), f);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

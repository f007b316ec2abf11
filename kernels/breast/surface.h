// The breast's form at columns of samples along the beam: depth below the skin, chest wall and pectoral muscle.
#pragma once
#include "breast/levels.h"
#include "core/exp2.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Linear interpolation in a table of rows: cells and shares of a coordinate held to the table.
struct Between {
    I cell;
    F share;
    Between(F at, int32_t count) {
        const F held = minimum(maximum(at, F(0.0f)), F(static_cast<float>(count) - 1.001f)), whole = floor(held);
        cell = truncate(whole), share = held - whole;
    }
    F of(F low, F high) const { return low + share * (high - low); }
};

// Signed depth below the outline (mm).
static F depth_below(const BreastJob& job, F x, F y) {
    const F inverse(1.0f / job.depth_step);
    const Between i((x - F(job.depth_origin[0])) * inverse, job.depth_shape[1]), j((y - F(job.depth_origin[1])) * inverse, job.depth_shape[0]);
    const I nx(job.depth_shape[1]), at = j.cell * nx + i.cell, one(1);
    const F low = i.of(gather(job.depth, at), gather(job.depth, at + one));
    return j.of(low, i.of(gather(job.depth, at + nx), gather(job.depth, at + nx + one)));
}

// Columns of samples of a brick. behind: distance behind the front of the muscle; back: behind the breast's back (mm, negative before
// them); near_nipple, used: 1 or 0.
struct Columns {
    alignas(64) float x[BREAST_COLUMNS], y[BREAST_COLUMNS], e[BREAST_COLUMNS], skin[BREAST_COLUMNS], behind[BREAST_COLUMNS], back[BREAST_COLUMNS];
    alignas(64) float near_nipple[BREAST_COLUMNS], used[BREAST_COLUMNS];
    bool any_used, any_nipple;

    // Fills them; x, y and `within` the box (used) are there.
    void place(const BreastJob& job, int count, float h) {
        const BreastRecipe& r = job.recipe;
        any_used = any_nipple = false;
        for (int c = 0; c < count; c += LANES) {
            const F px = load(x + c), py = load(y + c), none(0.0f), one(1.0f);
            const F outline = depth_below(job, px, r.dome ? magnitude(py) : py);
            const F ax = px - F(r.nipple_x), ay = py - F(r.nipple_y), away = ax * ax + ay * ay;
            constexpr float LOG2_E_80 = static_cast<float>(1.4426950408889634 / 80.0);
            store(e + c, outline);
            store(skin + c, F(r.skin) * (one + F(0.8f) * exp2_of_minus(minimum(away * F(LOG2_E_80), F(100.0f)))));
            const Between row((py - F(job.depth_origin[1])) * F(1.0f / job.depth_step), job.depth_shape[0]);
            const I at = row.cell * I(3);
            const auto wall = [&](int column) { return row.of(gather(job.wall, at + I(column)), gather(job.wall, at + I(3 + column))); };
            store(back + c, wall(0) - px);
            store(behind + c, (wall(1) - px) * wall(2));
            const M beside = (magnitude(ay) < F(r.nipple_radius + 8.0f)) & (F(-16.0f) < ax) & (ax < F(r.nipple_radius + 4.0f));
            const M in_box = none < load(used + c), taken = ((F(-h) < outline) | beside) & in_box;
            store(near_nipple + c, select(beside, one, none));
            store(used + c, select(taken, one, none));
            any_used |= any(taken), any_nipple |= any(beside & taken);
        }
    }

    // Depth (mm) of samples at `across` from the middle between the plates; those of the nipple rounded into the breast.
    F depth(const BreastJob& job, int c, F across) const {
        const BreastRecipe& r = job.recipe;
        const F px = load(x + c), py = load(y + c);
        F d;
        if (r.dome) {
            d = depth_below(job, px, square_root(py * py + across * across));
        } else {
            const F outer = maximum(F(r.half) - load(e + c), F(0.0f));
            d = F(r.half) - square_root(outer * outer + across * across);
        }
        const M beside = F(0.0f) < load(near_nipple + c);
        if (!any(beside)) return d;
        const F along = minimum(maximum(px, F(r.nipple_x - 6.0f)), F(r.nipple_x + 1.0f)) - px, off = py - F(r.nipple_y);
        const F own = F(r.nipple_radius) - square_root(along * along + off * off + across * across);
        const F gap = maximum(F(8.0f) - magnitude(d - own), F(0.0f));
        return select(beside, maximum(d, own) + gap * gap * F(1.0f / 32.0f), d);
    }
};

// Coverage by the pectoral muscle and its muscle fraction: a wedge of fascicles parted by fat. The bundles part from the muscle's edge
// downward, as they run from the arm to ribs and breastbone.
PHYSSIM_HD void muscle_at(const BreastJob& job, F behind, F y, F z, float h, F& inside, F& muscle) {
    inside = F(0.0f), muscle = F(0.0f);
    if (!any(F(-h) < behind)) return;
    const BreastRecipe& r = job.recipe;
    const bool oblique = r.height > 0.0f;
    const float slope = oblique ? 0.3f : 0.5f, first = oblique ? 1.5f : 0.5f;
    const F thick = minimum(F(first) + F(slope) * maximum(behind, F(0.0f)), F(0.34f * r.half));
    inside = clipped((thick - magnitude(z - F(0.92f * r.half))) * F(2.0f) + F(0.5f)) * clipped(behind * F(1.0f / h) + F(0.5f));
    if (!any(F(0.0f) < inside)) return;
    F across = oblique ? behind * (F(0.45f) + F(0.75f / r.height) * y) : behind;
    across = across + F(1.6f) * tile_at(job.tile, F(0.16f) * y, F(0.16f) * behind, F(0.1f) * z);
    across = across + F(0.35f) * tile_at(job.tile, F(0.5f) * y, F(0.4f) * behind, F(0.4f) * z);
    const F strip = tile_at(job.tile, F(0.07f) * y, F(1.3f) * across, F(0.9f) * z);
    muscle = F(1.0f) - minimum(F(0.75f), maximum(F(0.7f) * (strip - F(0.7f)), F(0.0f)));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

// Included by one translation unit an instruction set, behind launch/body_body.h's target and options.
#pragma once
#include "breast/outline.h"
#include "breast/paint.h"
#include "launch/breast_table.h"

namespace physsim {
namespace PHYSSIM_ISA {

static bool paint_breast_strip(const BreastJob& job, int32_t strip, void* room, float* profile, float* rows) {
    return BreastPainter(job, *static_cast<BreastRoom*>(room), profile, rows).strip(strip);
}

// fractions (n, 5): covered, skin, muscle, blood, gland of the voxels of one column.
static void labels_of_column(const float* fractions, int64_t n, int32_t* labels, float* left) {
    alignas(64) int32_t found[LANES];
    alignas(64) float rest[LANES];
    F kept(*left);
    for (int64_t at = 0; at < n; at++, fractions += 5) {
        store(found, label_of({F(fractions[0]), F(fractions[1]), F(fractions[2]), F(fractions[3]), F(fractions[4])}, kept));
        labels[at] = found[0];
    }
    store(rest, kept);
    *left = rest[0];
}

static const BreastTable breast_table = {sizeof(BreastRoom), paint_breast_strip, make_cells, field_values, tile_values, outline_row, labels_of_column};

}  // namespace PHYSSIM_ISA
}  // namespace physsim

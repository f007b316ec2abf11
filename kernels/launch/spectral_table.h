// The spectral kernels of one instruction set.
#pragma once
#include "raytrace/spectral.h"

namespace physsim {

struct SpectralKernels {
    PartWords (*pack_columns)(const Volume& labels, const Volume& density, const WordFormat&, const ColumnTile&, const TileMaterials&, int row, float* scratch);
    PartWords (*pack_block)(const Volume& labels, const Volume& density, const WordFormat&, const BlockTile&, int layer, float* scratch);
    bool (*trace_columns)(const ColumnTile&, const TileMaterials&, const RayGroups&, int first_column, const Channels&, const uint32_t* whole, bool fresh);
    void (*trace_packets)(const BlockTile&, const double (&spacing)[3], const RayGroups&, int from_row, int to_row, const Channels&, const uint32_t* whole);
    void (*finish)(const RayGroups&, const Channels&, const Signal&, const ViewImages&, int from, int to, float* scratch);
    void (*survey)(const Volume& labels, const Volume& density, int layer, Survey&);
};

}  // namespace physsim

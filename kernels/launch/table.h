// The kernels of one instruction set, as plain function pointers: what cpu.cpp calls without knowing the instruction set.
#pragma once
#include "launch/physics_table.h"
#include "launch/scatter_table.h"
#include "launch/spectral_table.h"
#include "raytrace/rays.h"

namespace physsim {

struct KernelTable {
    const char* name;
    void (*pack_columns)(const Volume&, const ColumnTile&, int row);
    void (*pack_block)(const Volume&, const BlockTile&, int layer);
    void (*project_columns)(const ColumnTile&, const ViewRays&, int first_column, float* sums);
    void (*finish_columns)(const double (&spacing)[3], const int32_t (&axis)[3], const ViewRays&, const float* sums, float* image, float* room);
    void (*project_packets)(const BlockTile&, const double (&spacing)[3], const ViewRays&, bool flat, int from_row, int to_row, float* image);
    int group_voxels;  // voxels of a column that the adjoint keeps in 16 floats
    int64_t (*column_adjoint_scratch)(int rows);
    void (*begin_columns)(const double (&spacing)[3], const int32_t (&axis)[3], const ViewRays&, const float* image, float* pixels, int64_t high);
    void (*backproject_columns)(const ColumnTile&, const ViewRays&, int first_column, const float* pixels, int64_t high, int from_group, int to_group, float* scratch);
    void (*unpack_columns)(const ColumnTile&, int from_group, int to_group, int row, const Volume&);
    void (*backproject_packets)(const BlockTile&, const double (&spacing)[3], const ViewRays&, bool flat, int from_row, int to_row, const float* image);
    void (*unpack_block)(const BlockTile&, int layer, const Volume&);
    void (*project_joseph)(const BlockTile&, const double (&spacing)[3], const ViewRays&, bool flat, int from_row, int to_row, float* image);
    void (*backproject_joseph)(const BlockTile&, const double (&spacing)[3], const ViewRays&, bool flat, int from_row, int to_row, const float* image);
    void (*joseph_gradient)(const BlockTile&, const double (&spacing)[3], const ViewRays&, bool flat, int from_column, int to_column, const float* image, double* gradient);
    SpectralKernels spectral;
    void (*ask_photons)(const PhotonTables&, const PhotonJob&);
    ScatterKernels scatter;
};

const KernelTable& kernels_portable();
const KernelTable& kernels_avx2();
const KernelTable& kernels_avx512();

}  // namespace physsim

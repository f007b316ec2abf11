// The kernels that paint breasts, of one instruction set, as plain function pointers.
#pragma once
#include "breast/job.h"

namespace physsim {

struct BreastTable {
    size_t room_bytes;  // memory of a thread, beside the profile and 16 of its rows
    // Paints a strip of bricks; false: its cells had no room. profile: (levels and a lane's, channels, columns); rows: 16 of its rows.
    bool (*paint_strip)(const BreastJob&, int32_t strip, void* room, float* profile, float* rows);
    void (*make_cells)(float pitch, const int32_t* first, const int32_t* shape, uint32_t key, float* seeds, uint32_t* names);
    void (*field_values)(const float* lattice, const float* points, int64_t n, const float* octaves, int32_t count, float* values);
    void (*tile_values)(const float* tile, const float* points, int64_t n, float* values);
    void (*outline_row)(const double* curve, int32_t points, const double* closed, int32_t corners, double x0, double y, double step, int32_t count, double* best,
                        double* sign, float* out);
    void (*labels_of_column)(const float* fractions, int64_t n, int32_t* labels, float* left);
};

}  // namespace physsim

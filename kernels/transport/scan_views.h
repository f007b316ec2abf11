// Views of a scan on the detector's own pixels, from node images on a grid of places.
//
// Law: the grid of a view is a sum of node images (float64). Across, a spline of its logarithm gives rows of all columns; along, a plain spline of
// these (few rows change slowly, and the exponential of every pixel is spared). Values below `lowest` of the largest are raised to it.
// Within 3e-6 of the same in float64. One lane wide: the compiler takes as many columns at once as it can, each sum in its order.
#pragma once
#include "core/exp2.h"
#include "core/logarithm.h"

namespace physsim {

struct ScanGrid {
    int32_t nodes, places[2], pixels[2];  // node images; across and along
    const double* image;                  // (nodes, places along, places across)
    const float* across;                  // (places across, columns)
    const float* along;                   // (rows, places along)
    float lowest;
};

namespace PHYSSIM_ISA {

// `weights` (nodes,) of a view; room: places x 8 bytes and places along x columns x 4 bytes.
PHYSSIM_HD void view_of_scan(const ScanGrid& scan, const double* weights, double* grid, float* rows, float* out) {
    const int32_t size = scan.places[0] * scan.places[1], columns = scan.pixels[0];
    for (int32_t p = 0; p < size; p++) grid[p] = 0.0;
    for (int32_t n = 0; n < scan.nodes; n++) {
        const double weight = weights[n], *__restrict image = scan.image + static_cast<int64_t>(n) * size;
        double* __restrict sum = grid;
        for (int32_t p = 0; p < size; p++) sum[p] += weight * image[p];
    }
    double most = 1e-300;
    for (int32_t p = 0; p < size; p++) most = grid[p] > most ? grid[p] : most;
    const float scale = static_cast<float>(most);
    for (int32_t r = 0; r < scan.places[1]; r++) {
        float* __restrict row = rows + static_cast<int64_t>(r) * columns;
        for (int32_t x = 0; x < columns; x++) row[x] = 0.0f;
        for (int32_t c = 0; c < scan.places[0]; c++) {
            const float share = static_cast<float>(grid[r * scan.places[0] + c] / most);
            const float depth = -1.44269504f * logarithm(share > scan.lowest ? share : scan.lowest);
            const float* __restrict across = scan.across + static_cast<int64_t>(c) * columns;
            for (int32_t x = 0; x < columns; x++) row[x] += depth * across[x];
        }
        for (int32_t x = 0; x < columns; x++) row[x] = scale * exp2_of_minus(row[x]);
    }
    const float least = scan.lowest * scale;
    for (int32_t y = 0; y < scan.pixels[1]; y++) {
        float* __restrict pixel = out + static_cast<int64_t>(y) * columns;
        for (int32_t x = 0; x < columns; x++) pixel[x] = 0.0f;
        for (int32_t r = 0; r < scan.places[1]; r++) {
            const float share = scan.along[y * scan.places[1] + r];
            const float* __restrict row = rows + static_cast<int64_t>(r) * columns;
            for (int32_t x = 0; x < columns; x++) pixel[x] += share * row[x];
        }
        for (int32_t x = 0; x < columns; x++) pixel[x] = pixel[x] > least ? pixel[x] : least;
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

// What photons meet, as arrays that transport reads: made by physsim/physics/photon_tables.py, the same bytes on CPU and CUDA.
//
// Energies are found by their bits: one cell is 1/256 of an octave (0.2 - 0.4 % of the energy), so no logarithm is taken. Within
// a cell every quantity is a straight line; a cell that holds an absorption edge of any material has two rows, below and above it, so
// that edges stand where they are. Neglects: a second edge in one cell becomes a ramp over the part of the cell that it lies in.
#pragma once
#include "core/platform.h"

namespace physsim {

constexpr float PHOTON_ENERGY_MIN_KEV = 1.0f, PHOTON_ENERGY_MAX_KEV = 150.0f;
constexpr int32_t ENERGY_CELL_SHIFT = 15;           // 23 - 8 bits of the mantissa: 256 cells an octave
constexpr int32_t ENERGY_CELL_FIRST = 0x3F800000;  // bits of 1 keV
constexpr int32_t ENERGY_CELLS = 1837;             // 150 keV begins the last
constexpr int32_t ROW_VALUES = 8;

// Plain data: pointers into host or device memory that outlives every launch.
struct PhotonTables {
    int32_t materials;
    int32_t rows;             // energy rows a material: cells + cells with an edge
    const int32_t* cell_row;  // (cells): row of the cell, or of its part below the edge; the part above is the next row
    const float* cell_edge;   // (cells): keV, the edge in the cell, 1e30 where none is
    // (materials, rows, 8): at the cell's lower end mu/rho in cm2/g and the process thresholds (photoelectric without emission,
    // + photoelectric with emission of a line, + Rayleigh; the rest is Compton); then the slopes of the four along the cell.
    const float* row;
};

}  // namespace physsim

// What photons meet, as arrays that transport reads: made by physsim/physics/photon_tables.py, the same bytes on CPU and CUDA.
//
// Energies are found by their bits: one cell is 1/256 of an octave (0.2 - 0.4 % of the energy), so no logarithm is taken. Within
// a cell every quantity is a straight line; a cell that holds an absorption edge of any material has two rows, below and above it, so
// that edges stand where they are. Neglects: a second edge in one cell becomes a ramp over the part of the cell that it lies in.
#pragma once
#include "core/platform.h"

namespace physsim {

constexpr float PHOTON_ENERGY_MIN_KEV = 1.0f, PHOTON_ENERGY_MAX_KEV = 150.0f;
constexpr float ELECTRON_REST_ENERGY_KEV = 510.99895069f;  // CODATA 2022
constexpr float HC_KEV_ANGSTROM = 12.398419843f;           // CODATA 2022
constexpr float INVERSE_FINE_STRUCTURE = 137.035999177f;   // CODATA 2022: m c in atomic units of momentum
constexpr int32_t ENERGY_FIRST_BITS = 0x3F800000;          // of 1 keV
constexpr int32_t ENERGY_CELL_SHIFT = 15;                  // 23 - 8 bits of the mantissa: 256 cells an octave
constexpr int32_t ENERGY_CELLS = 1837;                     // 150 keV begins the last
constexpr int32_t ROW_VALUES = 8;

constexpr int32_t RAYLEIGH_SHIFT = 19, RAYLEIGH_ROWS = 116, RAYLEIGH_BITS = 8;  // 16 rows an octave, 256 bins
constexpr int32_t COMPTON_SHIFT = 19, COMPTON_ROWS = 116, COMPTON_BITS = 7;    // 16 rows an octave, 128 bins
constexpr int32_t DOPPLER_SHIFT = 21, DOPPLER_ROWS = 44, DOPPLER_BITS = 7;     // 4 rows an octave of x, 128 bins
constexpr float DOPPLER_FIRST_X = 0x1p-7f;                                     // 1/angstrom
constexpr int32_t DOPPLER_FIRST_BITS = 0x3C000000;                             // of it
constexpr float DOPPLER_LOWEST = -100.0f / 101.0f;                             // p / (1 + |p|) at p = -100 atomic units
constexpr float NODE_OFFSET = 0x1p-10f;                                        // 1/angstrom^2, added to x^2
constexpr int32_t NODE_FIRST_BITS = 0x3A800000, NODE_SHIFT = 17, NODES = 1100;  // 64 nodes an octave

// Plain data: pointers into host or device memory that outlives every launch.
struct PhotonTables {
    int32_t materials;
    int32_t rows;             // energy rows a material: cells + cells with an edge
    const int32_t* cell_row;  // (cells): row of the cell, or of its part below the edge; the part above is the next row
    const float* cell_edge;   // (cells): keV, the edge in the cell, 1e30 where none is
    // (materials, rows, 8): at the cell's lower end mu/rho in cm2/g and the process thresholds (photoelectric without emission,
    // + photoelectric with emission of a line, + Rayleigh; the rest is Compton); then the slopes of the four along the cell.
    const float* row;
    // Alias tables (physics/alias.h).
    const int32_t* rayleigh;       // (materials, RAYLEIGH_ROWS, 256): bins of the scattering angle, see rayleigh.h
    const int32_t* compton;        // (materials, COMPTON_ROWS, 128): bins of sin(theta/2)
    int32_t doppler_broadening;    // 0: none, the two arrays below are not read
    const int32_t* doppler;        // (materials, DOPPLER_ROWS, 128): bins of the electron's momentum, see doppler.h
    const float* doppler_density;  // same shape: probability of each bin x 128
    // For differential cross sections.
    const float* scattering;     // (materials, NODES, 2): sum of (mass fraction / atomic weight) x F^2 and x S, mol/g, by x^2
    const float* normalisation;  // (materials, COMPTON_ROWS, 2): table's cross section / integral of the form-factor law; Rayleigh, Compton
    // Fluorescence.
    const int32_t* emission_row;        // (rows): row of `emission`
    int32_t emission_rows, emission_bits;
    const int32_t* emission;            // (materials, emission_rows, 2^emission_bits): alias tables of lines
    const float* emission_probability;  // same shape
    const float* line_kev;              // (materials, 2^emission_bits)
};

}  // namespace physsim

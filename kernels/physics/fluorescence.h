// Fluorescence after photoelectric absorption: the line that is emitted, where `lookup` says that one is.
//
// Law: vacancies in K, L1, L2, L3 in proportion to the steps of the cross section at their edges, Coster-Kronig transfers among the L
// shells, fluorescence yields, radiative rates; isotropic. Source: xraylib's compilations (physsim/physics/fluorescence.py).
// Sampler: alias table of the lines, constant within 1/16 octave between edges. The chance that there is a line at all
// follows the energy exactly (process thresholds of `lookup`).
// Neglects: a second photon of one event (L after K), lines below 1 keV, M lines, vacancies made by Compton scattering; Auger and
// photoelectrons deposit where they start.
#pragma once
#include "physics/alias.h"
#include "physics/lookup.h"

namespace physsim {
namespace PHYSSIM_ISA {

PHYSSIM_HD I emission_table(const PhotonTables& tables, I material, I row) {
    return (material * I(tables.emission_rows) + gather(tables.emission_row, row)) << tables.emission_bits;
}

// Energy of the line in keV, by one random word; `row` as found by `lookup`. Always below the photon's energy: where a second edge in a
// cell is smeared a line could lie above, 0 stands for none then.
PHYSSIM_HD F sample_fluorescence(const PhotonTables& tables, I material, F energy_kev, I row, I word) {
    const I line = sample_alias(tables.emission, emission_table(tables, material, row), tables.emission_bits, word);
    const F line_kev = gather(tables.line_kev, (material << tables.emission_bits) + line);
    return select(line_kev < energy_kev, line_kev, F(0.0f));
}

// Probability of line number `line` of the material, given that one is emitted.
PHYSSIM_HD F pdf_fluorescence(const PhotonTables& tables, I material, I row, I line) {
    return gather(tables.emission_probability, emission_table(tables, material, row) + line);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

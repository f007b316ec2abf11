// Photoelectric absorption: the photon ends; a line may be emitted in its place.
//
// Law: share of the process and of emission from `lookup` (thresholds `absorbed` and `photoelectric`), line from fluorescence.h.
// Neglects: transport of photoelectrons and Auger electrons; what is not emitted is deposited on the spot (below 150 keV an electron's
// range in water is less than 0.3 mm).
#pragma once
#include "physics/fluorescence.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct Absorption { F deposited_kev, emitted_kev; };

// `xi`: the uniform that chose the process (below at.photoelectric); with `word` it decides whether and what is emitted.
PHYSSIM_HD Absorption sample_photoelectric(const PhotonTables& tables, I material, F energy_kev, const Interaction& at, F xi, I word) {
    const F emitted = select(at.absorbed <= xi, sample_fluorescence(tables, material, energy_kev, at.row, word), F(0.0f));
    return {energy_kev - emitted, emitted};
}

// Probability that photoelectric absorption emits a line.
PHYSSIM_HD F pdf_photoelectric(const Interaction& at) { return (at.photoelectric - at.absorbed) / at.photoelectric; }

}  // namespace PHYSSIM_ISA
}  // namespace physsim

// What happens to one photon, for whoever watches its history. Nothing of it is left in a history that nobody watches. One lane wide.
#pragma once
#include "transport/ends.h"

namespace physsim {

enum class EventKind { BORN, ENTERED, COMPTON, RAYLEIGH, PHOTOELECTRIC, FLUORESCENCE, CUT_OFF, DETECTED, ESCAPED, LOST };

// After the event. Energies in counts of 2^-20 keV: what the photon has (of the last event: takes away), and what stays in the medium.
struct TrackEvent {
    int64_t kind, order, label, voxel, pixel, energy, deposited;  // label, voxel and pixel: -1 where there is none
    float position[3], direction[3];                              // cm, the scene's frame
};

namespace PHYSSIM_ISA {

struct Unwatched {
    PHYSSIM_HD void born(const Photon&) {}
    PHYSSIM_HD void entered(const Photon&) {}
    PHYSSIM_HD void collided(const MonteCarloJob&, const Flier&, const Met&, I, bool) {}
    PHYSSIM_HD void lost(const Flier&) {}
    PHYSSIM_HD void ended(const MonteCarloJob&, const Flier&) {}
};

// Writes down the first `most` events and counts all.
class Recorder {
  public:
    PHYSSIM_HD Recorder(TrackEvent* events, int most) : events_(events), most_(most), count_(0) {}
    PHYSSIM_HD int count() const { return count_; }

    PHYSSIM_HD void born(const Photon& photon) { put(EventKind::BORN, photon, 0.0f, fixed_energy(photon.energy)); }
    PHYSSIM_HD void entered(const Photon& photon) { put(EventKind::ENTERED, photon, 0.0f, fixed_energy(photon.energy)); }

    // `before`: counts; `lives`: a photon flies on.
    PHYSSIM_HD void collided(const MonteCarloJob& job, const Flier& flier, const Met& met, I before, bool lives) {
        const bool emitted = met.compton || met.rayleigh || (met.fluorescence && flier.photon.energy > 0.0f);
        const EventKind kind = !emitted ? EventKind::PHOTOELECTRIC : met.fluorescence ? EventKind::FLUORESCENCE
            : met.rayleigh ? EventKind::RAYLEIGH : EventKind::COMPTON;
        const int32_t left = emitted ? fixed_energy(flier.photon.energy) : 0;
        int64_t voxel = -1;
        if (met.label != job.scene.ambient)
            visit_voxels(job.scene, true, flier.course.cell, flier.photon.x, flier.photon.y, flier.photon.z, [&](int, int64_t at) { voxel = at; });
        put(kind, flier.photon, 0.0f, left, before - left, met.label, voxel);
        if (emitted && !lives) put(EventKind::CUT_OFF, flier.photon, 0.0f, 0, left, met.label, voxel);
    }

    PHYSSIM_HD void lost(const Flier& flier) { put(EventKind::LOST, flier.photon, flier.course.flown, fixed_energy(flier.photon.energy)); }

    PHYSSIM_HD void ended(const MonteCarloJob& job, const Flier& flier) {
        const float ahead = distance_to_detector(job.detector, flier.photon);
        const bool detected = ahead < FAR_AWAY;
        const int32_t fixed = fixed_energy(flier.photon.energy), counted = detected ? detected_energy(job.detector, flier.photon, ahead) : fixed;
        put(detected ? EventKind::DETECTED : EventKind::ESCAPED, flier.photon, detected ? ahead : flier.course.flown, counted,
            fixed - counted, -1, -1, detected ? pixel_ahead(job.detector, flier.photon, ahead) : -1);  // the grid keeps the rest
    }

  private:
    PHYSSIM_HD void put(EventKind kind, const Photon& photon, float ahead, int64_t energy, int64_t deposited = 0, int label = -1, int64_t voxel = -1, int pixel = -1) {
        if (count_++ >= most_) return;
        events_[count_ - 1] = {static_cast<int64_t>(kind), photon.order, label, voxel, pixel, energy, deposited,
                               {photon.x + ahead * photon.ux, photon.y + ahead * photon.uy, photon.z + ahead * photon.uz},
                               {photon.ux, photon.uy, photon.uz}};
    }

    TrackEvent* events_;
    int most_, count_;
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim

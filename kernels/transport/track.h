// What happens to one photon, for whoever watches its history. Nothing of it is left in a history that nobody watches.
#pragma once
#include "transport/detector.h"
#include "transport/tally.h"
#include "transport/woodcock.h"

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
    PHYSSIM_HD void collided(const Photon&, const Course&, int32_t, bool, bool) {}
    PHYSSIM_HD void ended(const Photon&, Flight, float, int) {}
};

// Writes down the first `most` events and counts all.
class Recorder {
  public:
    PHYSSIM_HD Recorder(TrackEvent* events, int most) : events_(events), most_(most), count_(0) {}
    PHYSSIM_HD int count() const { return count_; }

    PHYSSIM_HD void born(const Photon& photon) { put(EventKind::BORN, photon, fixed_energy(photon.energy)); }
    PHYSSIM_HD void entered(const Photon& photon) { put(EventKind::ENTERED, photon, fixed_energy(photon.energy)); }

    // `before`: counts; `emitted`: a photon came out of the collision; `lives`: and it flies on.
    PHYSSIM_HD void collided(const Photon& photon, const Course& course, int32_t before, bool emitted, bool lives) {
        const Interaction& at = course.interaction;
        const EventKind kind = !emitted ? EventKind::PHOTOELECTRIC : course.choice < at.photoelectric ? EventKind::FLUORESCENCE
            : course.choice < at.rayleigh ? EventKind::RAYLEIGH : EventKind::COMPTON;
        const int32_t left = emitted ? fixed_energy(photon.energy) : 0;
        put(kind, photon, left, before - left, course.label, course.voxel);
        if (emitted && !lives) put(EventKind::CUT_OFF, photon, 0, left, course.label, course.voxel);
    }

    PHYSSIM_HD void ended(const Photon& photon, Flight end, float ahead, int pixel) {
        Photon last = photon;
        if (end == Flight::DETECTED) last.x += ahead * photon.ux, last.y += ahead * photon.uy, last.z += ahead * photon.uz;
        const EventKind kind = end == Flight::LOST ? EventKind::LOST : pixel >= 0 ? EventKind::DETECTED : EventKind::ESCAPED;
        put(kind, last, fixed_energy(photon.energy), 0, -1, -1, pixel);
    }

  private:
    PHYSSIM_HD void put(EventKind kind, const Photon& photon, int64_t energy, int64_t deposited = 0, int label = -1, int64_t voxel = -1, int pixel = -1) {
        if (count_++ >= most_) return;
        events_[count_ - 1] = {static_cast<int64_t>(kind), photon.order, label, voxel, pixel, energy, deposited,
                               {photon.x, photon.y, photon.z}, {photon.ux, photon.uy, photon.uz}};
    }

    TrackEvent* events_;
    int most_, count_;
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim

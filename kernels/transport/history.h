// One photon, from its birth to its end.
#pragma once
#include "transport/interact.h"
#include "transport/source.h"
#include "transport/tally.h"
#include "transport/track.h"

namespace physsim {

// All that a history reads.
struct MonteCarloJob {
    MonteCarloScene scene;
    PhotonTables tables;
    MonteCarloSource source;
    MonteCarloDetector detector;
    Stream stream;
    float cutoff_kev;  // below it a photon's energy is deposited where it is
};

namespace PHYSSIM_ISA {

PHYSSIM_HD PhiloxWords<I> as_lanes(const PhiloxWords<Word>& words) {
    return {static_cast<I>(words.a), static_cast<I>(words.b), static_cast<I>(words.c), static_cast<I>(words.d)};
}

PHYSSIM_HD Photon first_of(const Birth& birth) {
    Photon photon;
    photon.x = birth.x, photon.y = birth.y, photon.z = birth.z, photon.ux = birth.ux, photon.uy = birth.uy, photon.uz = birth.uz;
    photon.energy = birth.energy, photon.order = PRIMARY, photon.block = 2;
    return photon;
}

// Its pixel, or -1 for a photon that rounding carried over the detector's edge.
PHYSSIM_HD int count_detected(const MonteCarloJob& job, const MonteCarloTally& tally, const Photon& photon, float ahead) {
    const int pixel = pixel_ahead(job.detector, photon, ahead), fixed = fixed_energy(photon.energy);
    if (pixel < 0) tally.balance->escaped += fixed;
    else detect(tally, photon.order * job.detector.energy_bins + energy_bin(job.detector, photon.energy), pixel, fixed);
    return pixel;
}

template <typename Watch>
PHYSSIM_HD void history(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t number, Watch& watch) {
    const PhiloxWords<Word> second = block_of(job.stream, number, 1);
    Photon photon = first_of(born(job.source, as_lanes(block_of(job.stream, number, 0)), as_lanes(second)));
    tally.balance->born += fixed_energy(photon.energy);
    watch.born(photon);
    Course course;
    course.tau = exponential(second.a);
    course.to_detector = distance_to_detector(job.detector, photon);
    course.above_majorant = false;
    Flight end = enter(job.scene, photon, course) ? Flight::COLLISION : course.to_detector < FAR_AWAY ? Flight::DETECTED : Flight::ESCAPED;
    if (end == Flight::COLLISION) watch.entered(photon);
    while (end == Flight::COLLISION) {
        end = fly(job.scene, job.tables, job.stream, number, photon, course);
        if (end != Flight::COLLISION) break;
        const Medium& medium = job.scene.media[course.label];
        const int32_t before = fixed_energy(photon.energy);
        const bool emitted = interact(job.tables, job.stream, number, photon, course, medium.material);
        const bool lives = emitted && photon.energy > job.cutoff_kev;
        deposit(tally, medium.region, course.voxel, lives ? before - fixed_energy(photon.energy) : before);
        watch.collided(photon, course, before, emitted, lives);
        if (!lives) break;
        course.to_detector = distance_to_detector(job.detector, photon);
    }
    int pixel = -1;
    if (end == Flight::DETECTED) pixel = count_detected(job, tally, photon, course.to_detector);
    else if (end == Flight::ESCAPED) tally.balance->escaped += fixed_energy(photon.energy);
    else if (end == Flight::LOST) tally.balance->lost++;
    tally.balance->above_majorant += course.above_majorant;
    if (end != Flight::COLLISION) watch.ended(photon, end, course.to_detector, pixel);
}

PHYSSIM_HD void history(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t number) {
    Unwatched nobody;
    history(job, tally, number, nobody);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

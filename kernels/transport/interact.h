// What a candidate collision does to a photon: nothing, absorption (perhaps with a fluorescence line), Rayleigh or Compton scattering.
//
// Energy is deposited as it falls (analog), or as the mean over what may happen: every candidate then deposits its chance to be real x
// energy x share deposited, real or not (a collision estimator over virtual collisions too: J. Leppanen, Ann. Nucl. Energy 109 (2017) 34). Its
// mean is that of the track length, mu x energy x share x length, so each majorant >= mu is exact, and a higher one has less noise.
// Photons fly on as they do in analog transport.
// Neglects: the transport of electrons (their energy stays where they start), polarisation.
#pragma once
#include "physics/compton.h"
#include "physics/expected_deposit.h"
#include "physics/photoelectric.h"
#include "physics/rayleigh.h"
#include "transport/source.h"
#include "transport/tally.h"
#include "transport/woodcock.h"

namespace physsim {

// All that a history reads.
struct MonteCarloJob {
    MonteCarloScene scene;
    PhotonTables tables;
    MonteCarloSource source;
    MonteCarloDetector detector;
    Stream stream;
    float cutoff_kev;  // below it a photon's energy is deposited where it is
    const float* share_deposited;  // physics/expected_deposit.h; null: each collision deposits what it leaves
};

namespace PHYSSIM_ISA {

// A photon on its way.
struct Flier {
    Photon photon;
    Course course;
};

// A collision that a process waits for: what it happens in, and random words.
struct Collision { I material, region, word, other; };

// What became of candidates: the lanes that fly on as they were, and those of each process but absorption.
struct Met {
    M flies_on, fluorescence, rayleigh, compton;
    I label;
    Collision collision;
};

// `Tally` here and below: LaneTally, or what counts as it does.
template <class Tally>
PHYSSIM_HD void deposit(const MonteCarloJob& job, Tally& tally, M m, const I (&cell)[3], F x, F y, F z, I region, I fixed) {
    if (!any(m)) return;
    tally.deposit(m, region, fixed);
    if (!tally.counts_voxels()) return;
    alignas(64) int32_t energy[LANES];
    store(energy, fixed);
    const I outside(job.scene.media[job.scene.ambient].region);  // no voxel's
    visit_voxels(job.scene, without(m, region == outside), cell, x, y, z, [&](int lane, int64_t voxel) { tally.deposit_in(voxel, energy[lane]); });
}

// Is the candidate a real collision, and of which process? Real ones move the photon there; absorption without a line ends it.
template <class Tally>
PHYSSIM_HD Met meet(const MonteCarloJob& job, Tally& tally, const Draws& draws, Flier& flier, F majorant, M live) {
    Photon& photon = flier.photon;
    const F way = flier.course.flown, x = photon.x + way * photon.ux, y = photon.y + way * photon.uy, z = photon.z + way * photon.uz;
    MatterAhead ahead;
    look_ahead(job.scene, live, flier.course.cell, x, y, z, ahead);
    const PhiloxWords<I> words = block_of(draws, photon.history, photon.block);
    photon.block = photon.block + I(1);
    flier.course.tau = exponential(words.b);
    const Matter matter = read(job.scene, ahead);
    const Collision collision = {material_of(job.scene, matter.label), region_of(job.scene, matter.label), words.c, words.d};
    const Interaction at = lookup(job.tables, collision.material, photon.energy);
    const F attenuation = matter.density * own_density(job.scene, matter.label) * at.mass_attenuation_cm2_g;
    const M above = live & (majorant < attenuation);
    if (any(above)) tally.above_majorant(above);
    const F threshold = uniform(words.a) * majorant, choice = threshold / attenuation;
    const M real = live & (threshold < attenuation);
    photon.x = select(real, x, photon.x), photon.y = select(real, y, photon.y), photon.z = select(real, z, photon.z);
    flier.course.flown = select(real, F(0.0f), way);
    const M absorbed = real & (choice < at.absorbed), photoelectric = real & (choice < at.photoelectric), to_rayleigh = real & (choice < at.rayleigh);
    F expected = photon.energy;
    if (job.share_deposited) expected = expected * mean_share_deposited(job.tables, job.share_deposited, collision.material, photon.energy, at.row) * (attenuation / majorant);
    deposit(job, tally, job.share_deposited ? live : absorbed, flier.course.cell, x, y, z, collision.region, fixed_energy(expected));
    const M ended_or_line = photoelectric | absorbed;
    return {without(live, real), without(photoelectric, absorbed), without(to_rayleigh, ended_or_line), without(real, to_rayleigh | ended_or_line),
            matter.label, collision};
}

// The photon goes on with this energy and direction, or its energy stays. False where it ended.
template <class Tally>
PHYSSIM_HD M go_on(const MonteCarloJob& job, Tally& tally, Flier& flier, I region, M live, F energy, F cosine, F azimuth) {
    const I before = fixed_energy(flier.photon.energy);
    const M lives = live & (F(job.cutoff_kev) < energy);
    const Photon& photon = flier.photon;
    const I left = select(lives, before - fixed_energy(energy), before);
    if (!job.share_deposited) deposit(job, tally, live, flier.course.cell, photon.x, photon.y, photon.z, region, left);
    flier.photon.energy = energy;
    deflect(flier.photon, cosine, azimuth);
    return lives;
}

PHYSSIM_HD PhiloxWords<I> next_block(const Draws& draws, Photon& photon) {
    const PhiloxWords<I> words = block_of(draws, photon.history, photon.block);
    photon.block = photon.block + I(1);
    return words;
}

// A line takes the photon's place, isotropic, and counts as MULTIPLE; energy 0 stands for none.
template <class Tally>
PHYSSIM_HD M fluoresce(const MonteCarloJob& job, Tally& tally, const Draws& draws, Flier& flier, const Collision& at, M live) {
    const F energy = flier.photon.energy;
    const F line = sample_fluorescence(job.tables, at.material, energy, lookup(job.tables, at.material, energy).row, at.word);
    const PhiloxWords<I> more = next_block(draws, flier.photon);
    flier.photon.order = I(MULTIPLE);
    return go_on(job, tally, flier, at.region, live, line, F(1.0f) - F(2.0f) * uniform(more.a), uniform(at.other));
}

PHYSSIM_HD M scatter_rayleigh(const MonteCarloJob& job, const Draws& draws, Flier& flier, const Collision& at, M live) {
    const F cosine = sample_rayleigh(job.tables, at.material, flier.photon.energy, at.word, at.other);
    deflect(flier.photon, cosine, uniform(next_block(draws, flier.photon).a));
    flier.photon.order = after(flier.photon.order, ONE_RAYLEIGH);
    return live;
}

template <class Tally>
PHYSSIM_HD M scatter_compton(const MonteCarloJob& job, Tally& tally, const Draws& draws, Flier& flier, const Collision& at, M live) {
    const PhiloxWords<I> more = next_block(draws, flier.photon);
    const Scattered scattered = sample_compton(job.tables, at.material, flier.photon.energy, at.word, at.other, more.a, more.b);
    flier.photon.order = after(flier.photon.order, ONE_COMPTON);
    return go_on(job, tally, flier, at.region, live, scattered.energy_kev, scattered.cosine, uniform(more.c));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

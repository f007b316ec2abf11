// A photon transport job for another memory, that of a GPU: the same numbers, pointers to copies of its arrays there.
#pragma once
#include <map>
#include <stdexcept>
#include <string>

#include "transport/interact.h"

namespace physsim {

// `addresses`: of every array of the job, by its name; one that is left out is null here as there.
inline MonteCarloJob job_elsewhere(MonteCarloJob job, std::map<std::string, uint64_t> addresses) {
    const auto move = [&](const char* name, auto& pointer) {
        const auto found = addresses.find(name);
        if ((found == addresses.end()) != (pointer == nullptr)) throw std::invalid_argument(std::string("the address of ") + name + " is missing, or one too many");
        if (found == addresses.end()) return;
        pointer = reinterpret_cast<std::decay_t<decltype(pointer)>>(found->second);
        addresses.erase(found);
    };
    MonteCarloScene& scene = job.scene;
    move("scene.labels", scene.labels), move("scene.density", scene.density), move("scene.media", scene.media);
    move("scene.cell_class", scene.cell_class), move("scene.cell_label", scene.cell_label);
    move("scene.cell_density", scene.cell_density), move("scene.majorant", scene.majorant);
    move("scene.patches", scene.patches), move("scene.patch_lists", scene.patch_lists);
    PhotonTables& tables = job.tables;
    move("tables.cell_row", tables.cell_row), move("tables.cell_edge", tables.cell_edge), move("tables.row", tables.row);
    move("tables.rayleigh", tables.rayleigh), move("tables.compton", tables.compton);
    move("tables.doppler", tables.doppler), move("tables.doppler_density", tables.doppler_density);
    move("tables.scattering", tables.scattering), move("tables.normalisation", tables.normalisation);
    move("tables.emission_row", tables.emission_row), move("tables.emission", tables.emission);
    move("tables.emission_probability", tables.emission_probability), move("tables.line_kev", tables.line_kev);
    move("source.x_quantile", job.source.x_quantile), move("source.node", job.source.node), move("source.energy", job.source.energy);
    move("dose.share_deposited", job.share_deposited);
    move("detector.grid_attenuation", job.detector.grid.attenuation);
    if (!addresses.empty()) throw std::invalid_argument("no array of the job is called " + addresses.begin()->first);
    return job;
}

}  // namespace physsim

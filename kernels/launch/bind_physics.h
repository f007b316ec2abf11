// The physics of photons for Python: tables from arrays, and every sampler and density over arrays (tests, benchmarks).
#pragma once
#include "launch/physics.h"

namespace {

template <typename T>
py::array_t<T, py::array::c_style> table_array(const py::dict& arrays, const char* name, py::ssize_t dimensions) {
    const py::object array = arrays[name];
    if (!py::isinstance<py::array_t<T, py::array::c_style>>(array)) throw std::invalid_argument(std::string(name) + " has another dtype or order");
    const auto typed = py::reinterpret_borrow<py::array_t<T, py::array::c_style>>(array);
    if (typed.ndim() != dimensions) throw std::invalid_argument(std::string(name) + " has another number of axes");
    return typed;
}

// Of PhotonTables.arrays() (physsim/physics/photon_tables.py); reads from the arrays, which must outlive the struct.
PhotonTables photon_tables_of(const py::dict& arrays) {
    const auto row = table_array<float>(arrays, "row", 3);
    const auto emission = table_array<int32_t>(arrays, "emission", 3), doppler = table_array<int32_t>(arrays, "doppler", 3);
    PhotonTables tables = {};
    tables.materials = static_cast<int32_t>(row.shape(0)), tables.rows = static_cast<int32_t>(row.shape(1));
    const auto expect = [&](const char* name, const py::array& array, std::initializer_list<py::ssize_t> shape) {
        py::ssize_t axis = 0;
        for (const py::ssize_t size : shape)
            if (array.shape(axis++) != size) throw std::invalid_argument(std::string(name) + " has another shape");
    };
    const auto integers = [&](const char* name, std::initializer_list<py::ssize_t> shape) {
        const auto array = table_array<int32_t>(arrays, name, static_cast<py::ssize_t>(shape.size()));
        expect(name, array, shape);
        return array.data();
    };
    const auto reals = [&](const char* name, std::initializer_list<py::ssize_t> shape) {
        const auto array = table_array<float>(arrays, name, static_cast<py::ssize_t>(shape.size()));
        expect(name, array, shape);
        return array.data();
    };
    const py::ssize_t n = tables.materials, rows = tables.rows, doppler_rows = doppler.shape(1);
    tables.cell_row = integers("cell_row", {ENERGY_CELLS}), tables.cell_edge = reals("cell_edge", {ENERGY_CELLS});
    tables.row = reals("row", {n, rows, ROW_VALUES});
    tables.rayleigh = integers("rayleigh", {n, RAYLEIGH_ROWS, 1 << RAYLEIGH_BITS});
    tables.compton = integers("compton", {n, COMPTON_ROWS, 1 << COMPTON_BITS});
    tables.doppler_broadening = doppler_rows > 0;
    if (doppler_rows != 0 && doppler_rows != DOPPLER_ROWS) throw std::invalid_argument("doppler has another shape");
    tables.doppler = integers("doppler", {n, doppler_rows, 1 << DOPPLER_BITS});
    tables.doppler_density = reals("doppler_density", {n, doppler_rows, 1 << DOPPLER_BITS});
    tables.scattering = reals("scattering", {n, NODES, 2});
    tables.normalisation = reals("normalisation", {n, COMPTON_ROWS, 2});
    tables.emission_row = integers("emission_row", {rows});
    tables.emission_rows = static_cast<int32_t>(emission.shape(1));
    while ((py::ssize_t{1} << tables.emission_bits) < emission.shape(2)) tables.emission_bits++;
    const py::ssize_t lines = py::ssize_t{1} << tables.emission_bits;
    tables.emission = integers("emission", {n, tables.emission_rows, lines});
    tables.emission_probability = reals("emission_probability", {n, tables.emission_rows, lines});
    tables.line_kev = reals("line_kev", {n, lines});
    return tables;
}

// Answers (4, count) float32 to a question of launch/physics_table.h; isa "scalar" takes one lane at a time.
// material, energy_kev, value: (count); words: (4, count) int32; count a multiple of 16.
Floats ask_photons(const py::dict& arrays, int question, const py::array_t<int32_t, py::array::c_style>& material, const Floats& energy_kev,
                   const Floats& value, const py::array_t<int32_t, py::array::c_style>& words, const std::string& isa) {
    const py::ssize_t count = material.size();
    if (count % 16 || energy_kev.size() != count || value.size() != count || words.size() != PHOTON_WORDS * count)
        throw std::invalid_argument("arrays must have one length, a multiple of 16");
    if (question < LOOK_UP || question > DENSITY_PHOTOELECTRIC) throw std::invalid_argument("no such question");
    const PhotonTables tables = photon_tables_of(arrays);
    for (py::ssize_t i = 0; i < count; i++)
        if (material.data()[i] < 0 || material.data()[i] >= tables.materials) throw std::invalid_argument("no such material");
    Floats answers({py::ssize_t{PHOTON_ANSWERS}, count});
    const PhotonJob job = {static_cast<PhotonQuestion>(question), count, material.data(), energy_kev.data(), value.data(), words.data(), answers.mutable_data()};
    const auto ask = isa == "scalar" ? &scalar::ask_photons : kernels_named(isa).ask_photons;
    {
        py::gil_scoped_release release;
        ask(tables, job);
    }
    return answers;
}

void bind_physics(py::module_& m) { m.def("ask_photons", &ask_photons); }

}  // namespace

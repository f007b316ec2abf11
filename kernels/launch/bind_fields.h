// Structs for Python: arrays and numbers by name, checked by what makes them.
#pragma once
#include "transport/anti_scatter_grid.h"

namespace {

// Arrays and numbers by name; keeps the arrays alive.
class Fields {
  public:
    explicit Fields(py::dict fields) : fields_(std::move(fields)) {}
    template <typename T>
    const T* array(const char* name) const {
        const py::object value = fields_[name];
        if (value.is_none()) return nullptr;
        if (!py::isinstance<py::array_t<T, py::array::c_style>>(value))
            throw std::invalid_argument(std::string("array ") + name + " has the wrong type or order");
        return static_cast<const T*>(py::reinterpret_borrow<py::array>(value).data());
    }
    template <typename T>
    T number(const char* name) const { return fields_[name].cast<T>(); }
    template <typename T, size_t N>
    void fill(const char* name, T (&out)[N]) const {
        const auto values = fields_[name].cast<std::array<T, N>>();
        std::copy(values.begin(), values.end(), out);
    }
    py::array voxels(const char* name) const { return py::reinterpret_borrow<py::object>(fields_[name]).cast<py::array>(); }
    Fields of(const char* name) const { return Fields(py::reinterpret_borrow<py::object>(fields_[name]).cast<py::dict>()); }
    bool none(const char* name) const { return py::reinterpret_borrow<py::object>(fields_[name]).is_none(); }

  private:
    py::dict fields_;
};

AntiScatterGrid anti_scatter_grid_of(const Fields& fields) {
    AntiScatterGrid grid = {};
    grid.attenuation = fields.array<float>("grid_attenuation");
    grid.energies = fields.number<int32_t>("grid_energies");
    grid.energy_low = fields.number<float>("grid_energy_low"), grid.per_kev = fields.number<float>("grid_per_kev");
    fields.fill("grid_across", grid.across);
    grid.height = fields.number<float>("grid_height");
    grid.period = fields.number<float>("grid_period"), grid.strip = fields.number<float>("grid_strip");
    grid.inverse_focus = fields.number<float>("grid_inverse_focus");
    grid.gap = fields.number<float>("grid_gap"), grid.offset = fields.number<float>("grid_offset");
    return grid;
}

}  // namespace

// The elementary functions of physsim/portable.py for Python: the same formulas in the same order, so the same bits.
#pragma once
#include <cmath>
#include <cstring>

namespace {

constexpr double LN2_HIGH = 0.693147180369123816490, LN2_LOW = 1.90821492927058770002e-10;  // fdlibm
constexpr int AT_ONCE = 8;

// 2^k for |k| <= 1022.
inline double two_to(int64_t k) {
    const int64_t bits = (k + 1023) << 52;
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// AT_ONCE exponentials: y = k ln 2 + r, the Taylor series of exp r to r^14, times 2^k in two exact steps.
inline void exponentials(const double* y, double* out) {
    constexpr double TO_WHOLE = 6755399441055744.0;  // 1.5 x 2^52: adding it rounds to a whole number, ties to even
    double k[AT_ONCE], r[AT_ONCE], series[AT_ONCE];
    for (int l = 0; l < AT_ONCE; l++) {
        const double whole = y[l] * 1.4426950408889634, bound = whole < 2000.0 ? whole : 2000.0, held = bound > -2000.0 ? bound : -2000.0;  // there 0 or infinity
        k[l] = (held + TO_WHOLE) - TO_WHOLE, r[l] = (y[l] - k[l] * LN2_HIGH) - k[l] * LN2_LOW, series[l] = 1.0;
    }
    for (int order = 14; order > 0; order--)
        for (int l = 0; l < AT_ONCE; l++) series[l] = 1.0 + series[l] * r[l] / order;
    for (int l = 0; l < AT_ONCE; l++) {
        const int64_t whole = static_cast<int32_t>(k[l]), half = whole >> 1;
        out[l] = series[l] * two_to(half) * two_to(whole - half);
    }
}

// AT_ONCE logarithms: x = m 2^k with m in [sqrt(1/2), sqrt(2)), 2 artanh((m - 1) / (m + 1)) by its series.
inline void logarithms(const double* x, double* out) {
    double k[AT_ONCE], s[AT_ONCE], square[AT_ONCE], series[AT_ONCE];
    for (int l = 0; l < AT_ONCE; l++) {
        int exponent;
        double mantissa = std::frexp(x[l], &exponent);
        const bool low = mantissa < 0.7071067811865476;
        mantissa = low ? 2.0 * mantissa : mantissa;
        k[l] = exponent - low, s[l] = (mantissa - 1.0) / (mantissa + 1.0), square[l] = s[l] * s[l], series[l] = 0.0;
    }
    for (int order = 21; order > 1; order -= 2)
        for (int l = 0; l < AT_ONCE; l++) series[l] = (series[l] + 1.0 / order) * square[l];
    for (int l = 0; l < AT_ONCE; l++) out[l] = k[l] * LN2_HIGH + (2.0 * s[l] + (2.0 * s[l] * series[l] + k[l] * LN2_LOW));
}

template <void (*FUNCTION)(const double*, double*)>
void elementwise(const Doubles& given, InPlace<double> out) {
    if (given.size() != out.array.size()) throw std::invalid_argument("elementwise: arrays differ in size");
    const int64_t count = given.size();
    const double* from = given.data();
    double* to = out.array.mutable_data();
    py::gil_scoped_release release;
    int64_t first = 0;
    for (; first + AT_ONCE <= count; first += AT_ONCE) FUNCTION(from + first, to + first);
    if (first == count) return;
    double some[AT_ONCE], found[AT_ONCE];
    for (int l = 0; l < AT_ONCE; l++) some[l] = from[std::min(first + l, count - 1)];
    FUNCTION(some, found);
    std::copy(found, found + (count - first), to + first);
}

void bind_portable(py::module_& m) {
    m.def("exponential", &elementwise<exponentials>);
    m.def("logarithm", &elementwise<logarithms>);
}

}  // namespace

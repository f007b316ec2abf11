// Fourier transforms of 16 complex signals at once, one a lane, in place: N = 2^k or 3 2^k.
//
// Forward by decimation in frequency, backward by decimation in time: the spectrum between lies in the forward transform's own order
// (no pass reorders it), which a filter may follow. Backward is not divided by N.
// Reference: J. W. Cooley, J. W. Tukey, Math. Comp. 19 (1965) 297; W. M. Gentleman, G. Sande, AFIPS 29 (1966) 563.
#pragma once
#include "core/lanes.h"
#include "reconstruct/filtered_views.h"

namespace physsim {

namespace PHYSSIM_ISA {

struct Complex { F re, im; };

PHYSSIM_HD Complex operator+(Complex x, Complex y) { return {x.re + y.re, x.im + y.im}; }
PHYSSIM_HD Complex operator-(Complex x, Complex y) { return {x.re - y.re, x.im - y.im}; }
PHYSSIM_HD Complex times_i(Complex x) { return {F(0.0f) - x.im, x.re}; }

// exp(sign 2 pi i k / length).
struct Twiddle {
    F re, im;
    PHYSSIM_HD Twiddle(const FourierTable& table, int k, float sign) : re(table.cosine[k]), im(sign * table.sine[k]) {}
};
PHYSSIM_HD Complex operator*(Complex x, const Twiddle& w) {
    return {multiply_add(x.re, w.re, F(0.0f) - x.im * w.im), multiply_add(x.re, w.im, x.im * w.re)};
}

PHYSSIM_HD void fourier_forward(const FourierTable& table, Complex* x) {
    int length = table.length, parts = 1;
    if (length % 3 == 0) {
        const int third = length / 3;
        const F half(-0.5f), root(0.8660254037844386f);
        for (int j = 0; j < third; j++) {
            const Complex a = x[j], b = x[j + third], c = x[j + 2 * third], sum = b + c, apart = b - c;
            const Complex middle = {multiply_add(half, sum.re, a.re), multiply_add(half, sum.im, a.im)};
            const Complex aside = {root * apart.im, F(0.0f) - root * apart.re};  // -i root apart
            x[j] = a + sum;
            x[j + third] = (middle + aside) * Twiddle(table, j, -1.0f);
            x[j + 2 * third] = (middle - aside) * Twiddle(table, 2 * j, -1.0f);
        }
        length = third, parts = 3;
    }
    for (; length >= 4; length /= 4, parts *= 4) {
        const int quarter = length / 4, step = table.length / length;
        for (int j = 0; j < quarter; j++) {
            const Twiddle one(table, j * step, -1.0f), two(table, 2 * j * step, -1.0f), three(table, 3 * j * step, -1.0f);
            for (int p = 0; p < parts; p++) {
                Complex* at = x + p * length + j;
                const Complex a = at[0] + at[2 * quarter], b = at[quarter] + at[3 * quarter];
                const Complex c = at[0] - at[2 * quarter], d = times_i(at[quarter] - at[3 * quarter]);
                at[0] = a + b;
                at[quarter] = (a - b) * two;
                at[2 * quarter] = (c - d) * one;
                at[3 * quarter] = (c + d) * three;
            }
        }
    }
    if (length == 2)
        for (int p = 0; p < parts; p++) {
            const Complex a = x[2 * p], b = x[2 * p + 1];
            x[2 * p] = a + b, x[2 * p + 1] = a - b;
        }
}

PHYSSIM_HD void fourier_backward(const FourierTable& table, Complex* x) {
    const int third = table.length % 3 == 0 ? table.length / 3 : 0, most = third ? third : table.length;
    int doublings = 0;
    while ((1 << doublings) < most) doublings++;
    int length = 1;
    if (doublings % 2) {
        length = 2;
        for (int p = 0; p < table.length / 2; p++) {
            const Complex a = x[2 * p], b = x[2 * p + 1];
            x[2 * p] = a + b, x[2 * p + 1] = a - b;
        }
    }
    for (length *= 4; length <= most; length *= 4) {
        const int quarter = length / 4, step = table.length / length, parts = table.length / length;
        for (int j = 0; j < quarter; j++) {
            const Twiddle one(table, j * step, 1.0f), two(table, 2 * j * step, 1.0f), three(table, 3 * j * step, 1.0f);
            for (int p = 0; p < parts; p++) {
                Complex* at = x + p * length + j;
                const Complex first = at[quarter] * two, second = at[2 * quarter] * one, third_one = at[3 * quarter] * three;
                const Complex a = at[0] + first, b = at[0] - first, c = second + third_one, d = times_i(second - third_one);
                at[0] = a + c;
                at[2 * quarter] = a - c;
                at[quarter] = b + d;
                at[3 * quarter] = b - d;
            }
        }
    }
    if (!third) return;
    const F half(-0.5f), root(0.8660254037844386f);
    for (int j = 0; j < third; j++) {
        const Complex a = x[j], b = x[j + third] * Twiddle(table, j, 1.0f), c = x[j + 2 * third] * Twiddle(table, 2 * j, 1.0f);
        const Complex sum = b + c, apart = b - c, middle = {multiply_add(half, sum.re, a.re), multiply_add(half, sum.im, a.im)};
        const Complex aside = {F(0.0f) - root * apart.im, root * apart.re};  // i root apart
        x[j] = a + sum;
        x[j + third] = middle + aside;
        x[j + 2 * third] = middle - aside;
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim

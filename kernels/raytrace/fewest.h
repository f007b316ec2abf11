// Fewer columns of a matrix that still sum, with weights fitted by least squares, to given columns: one after the other is dropped whose
// loss harms the fit least. Plain loops in a fixed order, so that the bits do not depend on the CPU.
// Reference: backward elimination, G. W. Stewart, "Matrix Algorithms" I (SIAM, 1998), sections 4.2 and 5.
#pragma once
#include <math.h>
#include <stdint.h>

#include <algorithm>
#include <vector>

namespace physsim {

// Q R of (rows, columns) by modified Gram-Schmidt, of the first `pivots` columns; the others keep their parts along these. Returns R
// (pivots, columns).
inline std::vector<double> triangle_of(std::vector<double> matrix, size_t rows, size_t columns, size_t pivots) {
    std::vector<double> triangle(pivots * columns, 0.0);
    for (size_t k = 0; k < pivots; k++) {
        double* along = triangle.data() + k * columns;
        for (size_t r = 0; r < rows; r++) {
            const double* row = matrix.data() + r * columns;
            for (size_t c = k; c < columns; c++) along[c] += row[k] * row[c];
        }
        const double length = sqrt(along[k]), inverse = length > 0.0 ? 1.0 / length : 0.0;
        for (size_t c = k; c < columns; c++) along[c] *= inverse;
        for (size_t r = 0; r < rows; r++) {
            double* row = matrix.data() + r * columns;
            const double part = row[k] * inverse;
            for (size_t c = k + 1; c < columns; c++) row[c] -= part * along[c];
        }
    }
    return triangle;
}

struct FewestColumns {
    std::vector<int64_t> kept;    // numbers of columns
    std::vector<double> weights;  // (kept, targets)
    std::vector<double> harm;     // of each kept column: how much the sum of squares grows without it
};

// Least-squares weights of the columns `kept` of a triangle (pivots, pivots + targets).
inline void fit(const std::vector<double>& triangle, size_t pivots, size_t targets, FewestColumns& few) {
    const size_t count = few.kept.size(), width = count + targets;
    std::vector<double> some(pivots * width);
    for (size_t r = 0; r < pivots; r++)
        for (size_t c = 0; c < width; c++)
            some[r * width + c] = triangle[r * (pivots + targets) + (c < count ? static_cast<size_t>(few.kept[c]) : pivots + c - count)];
    const std::vector<double> upper = triangle_of(some, pivots, width, count);
    few.weights.assign(count * targets, 0.0), few.harm.assign(count, 0.0);
    std::vector<double> inverse(count * count, 0.0);
    for (size_t k = count; k-- > 0;) {
        const double* row = upper.data() + k * width;
        const double over = row[k] > 0.0 ? 1.0 / row[k] : 0.0;
        for (size_t t = 0; t < targets; t++) {
            double rest = row[count + t];
            for (size_t c = k + 1; c < count; c++) rest -= row[c] * few.weights[c * targets + t];
            few.weights[k * targets + t] = rest * over;
        }
        for (size_t i = k; i < count; i++) {
            double rest = i == k ? 1.0 : 0.0;
            for (size_t c = k + 1; c <= i; c++) rest -= row[c] * inverse[c * count + i];
            inverse[k * count + i] = rest * over;
        }
    }
    for (size_t k = 0; k < count; k++) {
        double size = 0.0, square = 0.0;
        for (size_t i = k; i < count; i++) size += inverse[k * count + i] * inverse[k * count + i];
        for (size_t t = 0; t < targets; t++) square += few.weights[k * targets + t] * few.weights[k * targets + t];
        few.harm[k] = size > 0.0 ? square / size : 0.0;
    }
}

// The least columns of `matrix` (rows, columns) found whose weighted sums are each of `wanted` (rows, targets) within `tolerance`. Where
// all columns together are not, they are all kept.
inline FewestColumns fewest_columns(const double* matrix, const double* wanted, size_t rows, size_t columns, size_t targets, double tolerance) {
    const size_t width = columns + targets;
    std::vector<double> both(rows * width);
    for (size_t r = 0; r < rows; r++) {
        std::copy(matrix + r * columns, matrix + (r + 1) * columns, both.begin() + static_cast<std::ptrdiff_t>(r * width));
        std::copy(wanted + r * targets, wanted + (r + 1) * targets, both.begin() + static_cast<std::ptrdiff_t>(r * width + columns));
    }
    const std::vector<double> triangle = triangle_of(both, rows, width, columns);
    const auto holds = [&](const FewestColumns& few) {
        for (size_t r = 0; r < rows; r++)
            for (size_t t = 0; t < targets; t++) {
                double rest = wanted[r * targets + t];
                for (size_t k = 0; k < few.kept.size(); k++) rest -= matrix[r * columns + static_cast<size_t>(few.kept[k])] * few.weights[k * targets + t];
                if (!(fabs(rest) <= tolerance)) return false;
            }
        return true;
    };
    FewestColumns best;
    for (size_t c = 0; c < columns; c++) best.kept.push_back(static_cast<int64_t>(c));
    fit(triangle, columns, targets, best);
    while (best.kept.size() > 1) {
        FewestColumns next;
        next.kept = best.kept;
        next.kept.erase(next.kept.begin() + (std::min_element(best.harm.begin(), best.harm.end()) - best.harm.begin()));
        fit(triangle, columns, targets, next);
        if (!holds(next)) break;
        best = next;
    }
    return best;
}

}  // namespace physsim

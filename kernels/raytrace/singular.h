// Singular vectors of a small matrix by one-sided Jacobi rotations: plain double arithmetic in a fixed order, so that the basis
// functions have the same bits on every CPU (LAPACK's do not).
// Reference: M. R. Hestenes, J. SIAM 6, 51 (1958); J. Demmel and K. Veselic, SIAM J. Matrix Anal. Appl. 13, 1204 (1992).
#pragma once
#include <math.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace physsim {

// matrix (rows, columns) = left (rows, count) x right (count, columns), count = min(rows, columns); the vectors of `right` are
// orthonormal, those of `left` orthogonal with falling length. Vectors of length 0 are zero on both sides.
inline void singular(const double* matrix, int rows, int columns, double* left, double* right) {
    const bool wide = rows <= columns;
    const size_t n = static_cast<size_t>(wide ? rows : columns), length = static_cast<size_t>(wide ? columns : rows);
    // Vectors: the shorter side of the matrix, made orthogonal; turn: the rotation that did it.
    std::vector<std::vector<double>> vectors(n, std::vector<double>(length)), turn(n, std::vector<double>(n, 0.0));
    for (size_t i = 0; i < n; i++) {
        turn[i][i] = 1.0;
        for (size_t j = 0; j < length; j++) vectors[i][j] = wide ? matrix[i * length + j] : matrix[j * n + i];
    }
    const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0.0;
        for (size_t i = 0; i < a.size(); i++) sum += a[i] * b[i];
        return sum;
    };
    const auto rotate = [](std::vector<double>& a, std::vector<double>& b, double c, double s) {
        for (size_t i = 0; i < a.size(); i++) {
            const double x = a[i], y = b[i];
            a[i] = c * x - s * y, b[i] = s * x + c * y;
        }
    };
    bool turned = true;
    for (int sweep = 0; sweep < 60 && turned; sweep++) {
        turned = false;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t j = i + 1; j < n; j++) {
                const double aa = dot(vectors[i], vectors[i]), bb = dot(vectors[j], vectors[j]), ab = dot(vectors[i], vectors[j]);
                if (ab == 0.0 || ab * ab <= 1e-30 * aa * bb) continue;
                turned = true;
                const double zeta = (bb - aa) / (2.0 * ab);
                const double t = (zeta < 0 ? -1.0 : 1.0) / (fabs(zeta) + sqrt(1.0 + zeta * zeta)), c = 1.0 / sqrt(1.0 + t * t);
                rotate(vectors[i], vectors[j], c, c * t);
                rotate(turn[i], turn[j], c, c * t);
            }
    }
    std::vector<double> size(n);
    for (size_t i = 0; i < n; i++) size[i] = sqrt(dot(vectors[i], vectors[i]));
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return size[a] > size[b]; });
    for (size_t k = 0; k < n; k++) {
        const std::vector<double>&vector = vectors[order[k]], &rotation = turn[order[k]];
        const double s = size[order[k]];
        for (size_t j = 0; j < length; j++) {
            const double unit = s > 0 ? vector[j] / s : 0.0;
            if (wide) right[k * length + j] = unit;
            else left[j * n + k] = vector[j];
        }
        for (size_t i = 0; i < n; i++) {
            if (wide) left[i * n + k] = rotation[i] * s;
            else right[k * n + i] = s > 0 ? rotation[i] : 0.0;
        }
    }
}

}  // namespace physsim

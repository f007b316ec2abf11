// Columns of a matrix from which the others follow, by pivoted Gram-Schmidt; plain loops in a fixed order, so that the bits do not
// depend on the CPU. H. Cheng, Z. Gimbutas, P. G. Martinsson, V. Rokhlin, SIAM J. Sci. Comput. 26, 1389 (2005).
#pragma once
#include <math.h>
#include <stdint.h>

#include <algorithm>
#include <vector>

namespace physsim {

// matrix (rows, columns) is about its `chosen` columns x transfer: the absolute residuals of a row sum to at most `tolerance`.
// transfer: (columns chosen, columns).
inline void interpolative(const double* matrix, size_t rows, size_t columns, double tolerance, std::vector<int64_t>& chosen, std::vector<double>& transfer) {
    std::vector<double> rest(matrix, matrix + rows * columns), triangle, largest(columns), projection(columns);
    while (chosen.size() < columns) {
        double worst = 0.0;
        std::fill(largest.begin(), largest.end(), 0.0);
        double* __restrict__ most = largest.data();
        for (size_t r = 0; r < rows; r++) {
            const double* row = rest.data() + r * columns;
            double part[4] = {0.0, 0.0, 0.0, 0.0}, size[4];  // four sums in place of a chain
            size_t c = 0;
            for (; c + 4 <= columns; c += 4)
                for (size_t i = 0; i < 4; i++) {
                    size[i] = fabs(row[c + i]);
                    part[i] += size[i];
                    most[c + i] = size[i] > most[c + i] ? size[i] : most[c + i];
                }
            for (; c < columns; c++) {
                size[0] = fabs(row[c]);
                part[0] += size[0];
                most[c] = size[0] > most[c] ? size[0] : most[c];
            }
            const double sum = (part[0] + part[1]) + (part[2] + part[3]);
            worst = sum > worst ? sum : worst;
        }
        if (worst <= tolerance) break;
        for (int64_t before : chosen) largest[static_cast<size_t>(before)] = -1.0;
        const size_t pivot = static_cast<size_t>(std::max_element(largest.begin(), largest.end()) - largest.begin());
        std::fill(projection.begin(), projection.end(), 0.0);
        for (size_t r = 0; r < rows; r++) {
            const double* row = rest.data() + r * columns;
            const double at = row[pivot];
            for (size_t c = 0; c < columns; c++) projection[c] += at * row[c];
        }
        const double length = projection[pivot];
        if (!(length > 0.0)) break;
        for (double& part : projection) part /= length;
        for (size_t r = 0; r < rows; r++) {
            double* row = rest.data() + r * columns;
            const double at = row[pivot];
            for (size_t c = 0; c < columns; c++) row[c] -= at * projection[c];
            row[pivot] = 0.0;
        }
        chosen.push_back(static_cast<int64_t>(pivot));
        triangle.insert(triangle.end(), projection.begin(), projection.end());
    }
    const size_t count = chosen.size();
    transfer = triangle;
    for (size_t k = count; k-- > 0;)
        for (size_t above = 0; above < k; above++) {
            const double factor = triangle[above * columns + static_cast<size_t>(chosen[k])];
            for (size_t c = 0; c < columns; c++) transfer[above * columns + c] -= factor * transfer[k * columns + c];
        }
}

}  // namespace physsim

// Fits a decay to measurements by Newton's method, with derivatives that symdiff compiled.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>

#include "curve.hpp"

int main()
{
    std::array<double, 20> t, y;
    for (std::size_t k = 0; k < t.size(); k++) {
        t[k] = 0.2 * static_cast<double>(k);
        y[k] = 2.5 * std::exp(-0.8 * t[k]) + 0.02 * std::sin(7.0 * static_cast<double>(k));
    }

    curve::loss_value_and_grad loss;
    curve::loss_hessian hessian;
    std::array<double, 2> p{2.2, 0.7};
    for (int step = 0; step < 6; step++) {
        const auto [value, g] = loss(p, t, y);
        const auto h = hessian(p, t, y); // row by row
        std::printf("a = %.6f, b = %.6f, loss = %.3e\n", p[0], p[1], value);
        const double determinant = h[0] * h[3] - h[1] * h[2];
        p[0] -= (h[3] * g[0] - h[1] * g[1]) / determinant;
        p[1] -= (h[0] * g[1] - h[2] * g[0]) / determinant;
    }
    const auto slope = std::get<1>(loss(p, t, y));
    return std::hypot(slope[0], slope[1]) < 1e-12 ? 0 : 1;
}

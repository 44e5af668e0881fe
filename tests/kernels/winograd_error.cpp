#include "tests/kernels/winograd_error.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/winograd/transform.h"
#include "kernels/plan/winograd_grad.h"

namespace vox::test {
namespace {

/// |row o of the matrix of a transform|^2, or one element of it, squared.
template <class Axis> double square(std::size_t o, std::size_t i) {
  double in[Axis::kIn] = {};
  double out[Axis::kOut];
  in[i] = 1;
  Axis::template apply<double>(in, out);
  return out[o] * out[o];
}
template <class Axis> double row_square(std::size_t o) {
  double sum = 0;
  for (std::size_t i = 0; i < Axis::kIn; ++i) { sum += square<Axis>(o, i); }
  return sum;
}

/// Of one axis: the largest over outputs of sum_p A^T[y][p]^2 |G[p]|^2 |B^T[p]|^2, where a direct sum has 3.
template <int M> double of_axis() {
  double largest = 0;
  for (std::size_t y = 0; y < M; ++y) {
    double sum = 0;
    for (std::size_t p = 0; p < M + 2; ++p) {
      sum += square<OutputAxis<M>>(y, p) * row_square<FilterAxis<M>>(p) * row_square<InputAxis<M>>(p);
    }
    largest = std::max(largest, sum / 3);
  }
  return largest;
}

/// The same of the weight gradient, where a direct sum has the M products of a tile.
template <int M> double of_gradient_axis() {
  double largest = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    double sum = 0;
    for (std::size_t p = 0; p < M + 2; ++p) {
      sum += square<FilterGradientAxis<M>>(k, p) * row_square<GradientAxis<M>>(p) * row_square<InputAxis<M>>(p);
    }
    largest = std::max(largest, sum / M);
  }
  return largest;
}

}  // namespace

double winograd_amplification(std::int64_t m) { return std::pow(m == 2 ? of_axis<2>() : of_axis<4>(), 1.5); }
double winograd_amplification(const Conv3dGeometry& g, Conv3dPass pass) {
  if (pass == Conv3dPass::grad_weight) {
    return std::pow(of_gradient_axis<static_cast<int>(WinogradGradPlan::kM)>(), 1.5);
  }
  return winograd_amplification(winograd_plan(g, pass, 1).m);
}

}  // namespace vox::test

#include <cmath>
#include <vector>

#include "kernels/cpu/winograd/input.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

/// The matrix of a transform, row by row: what it makes of the unit vectors.
template <class Axis> std::vector<std::vector<double>> matrix() {
  std::vector<std::vector<double>> rows(Axis::kOut, std::vector<double>(Axis::kIn));
  for (std::size_t i = 0; i < Axis::kIn; ++i) {
    double in[Axis::kIn] = {};
    double out[Axis::kOut];
    in[i] = 1;
    Axis::template apply<double>(in, out);
    for (std::size_t o = 0; o < Axis::kOut; ++o) { rows[o][i] = out[o]; }
  }
  return rows;
}

template <class Axis, class Adjoint> double largest_difference_to_adjoint() {
  const auto a = matrix<Axis>();
  const auto t = matrix<Adjoint>();
  double largest = 0;
  for (std::size_t o = 0; o < a.size(); ++o) {
    for (std::size_t i = 0; i < a[o].size(); ++i) { largest = std::max(largest, std::abs(a[o][i] - t[i][o])); }
  }
  return largest;
}

/// A^T ((G g) * (B^T d)) for all pairs of unit vectors g and d: 1 where output = input - tap, else 0.
template <int M> double largest_error_of_filtering() {
  const auto input = matrix<InputAxis<M>>();
  const auto output = matrix<OutputAxis<M>>();
  const auto filter = matrix<FilterAxis<M>>();
  double largest = 0;
  for (std::size_t tap = 0; tap < 3; ++tap) {
    for (std::size_t d = 0; d < M + 2; ++d) {
      for (std::size_t y = 0; y < M; ++y) {
        double sum = 0;
        for (std::size_t p = 0; p < M + 2; ++p) { sum += output[y][p] * filter[p][tap] * input[p][d]; }
        largest = std::max(largest, std::abs(sum - (d == y + tap ? 1.0 : 0.0)));
      }
    }
  }
  return largest;
}

/// One point of one tile from the definition: the three matrices, one after the other.
template <class Axis>
double point(const Values& x, const VolumeShape& s, std::int64_t c, const std::int64_t (&first)[3],
             const std::size_t (&p)[3]) {
  const auto rows = matrix<Axis>();
  double sum = 0;
  for (std::size_t i = 0; i < Axis::kIn * Axis::kIn * Axis::kIn; ++i) {
    const std::size_t k[3] = {i / Axis::kIn / Axis::kIn, i / Axis::kIn % Axis::kIn, i % Axis::kIn};
    const std::int64_t d = first[0] + static_cast<std::int64_t>(k[0]);
    const std::int64_t h = first[1] + static_cast<std::int64_t>(k[1]);
    const std::int64_t w = first[2] + static_cast<std::int64_t>(k[2]);
    if (d < 0 || h < 0 || w < 0 || d >= s.d || h >= s.h || w >= s.w) { continue; }
    sum += rows[p[0]][k[0]] * rows[p[1]][k[1]] * rows[p[2]][k[2]] *
           x[static_cast<std::size_t>(c * s.voxels() + (d * s.h + h) * s.w + w)];
  }
  return sum;
}

/// Points of boxes that hang over every side of a small volume, against point().
template <class Axis> double largest_error_of_points(std::int64_t padding) {
  const VolumeShape s{.n = 1, .c = 11, .d = 5, .h = 6, .w = 9};
  const Values x = make_values(s.count(), 1);
  const Tensor tensor = to_tensor(x, {s.n, s.c, s.d, s.h, s.w}, Kind::volume, DType::f64);
  const WinogradSource<double> source{
      .parts = volume_parts(s, 0, tensor.values<double>().data(), static_cast<const double*>(nullptr)),
      .shape = s,
      .padding = padding};
  constexpr std::int64_t kStep = Axis::kStep;
  constexpr std::int64_t kHalo = Axis::kIn - Axis::kStep;
  constexpr std::int64_t kChannels = 16;
  const WinogradBox box{.n = 0, .d = kStep, .h = 0, .w = kStep, .tiles_h = 2, .tiles_w = 3};
  const auto buffer = [](std::int64_t n) { return Values(static_cast<std::size_t>(n), std::nan("")); };
  const std::int64_t line = WinogradPlan::skewed(box.tiles_h * (box.tiles_w * kStep + kHalo) * kChannels);
  Values lines = buffer(Axis::kOut * Axis::kOut * line);
  Values points = buffer(box.tiles_h * box.tiles_w * Axis::kOut * kChannels);
  winograd_lines<Axis, double>(source, box, kChannels, lines.data());
  double largest = 0;
  for (std::size_t pd = 0; pd < Axis::kOut; ++pd) {
    for (std::size_t ph = 0; ph < Axis::kOut; ++ph) {
      winograd_points<Axis>(lines.data() + static_cast<std::int64_t>(pd * Axis::kOut + ph) * line, box.tiles_h,
                            box.tiles_w, kChannels, points.data());
      for (std::size_t i = 0; i < points.size(); ++i) {
        const auto c = static_cast<std::int64_t>(i) % kChannels;
        const std::size_t pw = i / kChannels % Axis::kOut;
        const auto tile = static_cast<std::int64_t>(i / kChannels / Axis::kOut);
        const double wants = c < s.c ? point<Axis>(x, s, c,
                                                   {box.d - padding, box.h + tile / box.tiles_w * kStep - padding,
                                                    box.w + tile % box.tiles_w * kStep - padding},
                                                   {pd, ph, pw})
                                     : 0.0;
        const double error = std::abs(points[i] - wants);
        largest = error <= largest ? largest : error;  // NaN stays
      }
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("Winograd's transforms filter: three taps over four and six inputs", "[winograd]") {
  CHECK(largest_error_of_filtering<2>() == 0);
  CHECK(largest_error_of_filtering<4>() < 4e-15);
}

TEST_CASE("Winograd's transforms for gradients are the adjoints of those forward", "[winograd]") {
  CHECK(largest_difference_to_adjoint<OutputAxis<2>, GradientAxis<2>>() < 1e-15);
  CHECK(largest_difference_to_adjoint<OutputAxis<4>, GradientAxis<4>>() < 1e-15);
  CHECK(largest_difference_to_adjoint<FilterAxis<2>, FilterGradientAxis<2>>() < 1e-15);
  CHECK(largest_difference_to_adjoint<FilterAxis<4>, FilterGradientAxis<4>>() < 1e-15);
}

TEST_CASE("Winograd's points of a box are those of the definition, its halo and its padding zeros", "[winograd]") {
  CHECK(largest_error_of_points<InputAxis<2>>(1) < 1e-13);
  CHECK(largest_error_of_points<InputAxis<4>>(1) < 1e-13);
  CHECK(largest_error_of_points<InputAxis<4>>(0) < 1e-13);
  CHECK(largest_error_of_points<GradientAxis<2>>(0) < 1e-13);
  CHECK(largest_error_of_points<GradientAxis<4>>(0) < 1e-13);
}

}  // namespace vox::test

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

struct Sizes {
  Shape x;
  BatchNormOptions norm = {};
  DropoutOptions dropout = {.p = 0};
};

/// The three formulas one after the other.
Values reference(const Sizes& k, const std::vector<Values>& in) {
  const VolumeShape s = k.x.volume();
  Values y = in[0];
  for (std::int64_t c = 0; c < s.c; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    const auto each = [&](const auto& body) {
      for (std::int64_t i = 0; i < s.n * s.voxels(); ++i) {
        const std::int64_t n = i / s.voxels();
        const std::int64_t v = i % s.voxels();
        body(y[static_cast<std::size_t>((n * s.c + c) * s.voxels() + v)], static_cast<std::uint64_t>(s.at(n, c, v)));
      }
    };
    const auto count = static_cast<double>(s.n * s.voxels());
    double mean = 0;
    double var = 0;
    each([&](double x, std::uint64_t) { mean += x / count; });
    each([&](double x, std::uint64_t) { var += (x - mean) * (x - mean) / count; });
    if (k.norm.mode == BatchNormMode::inference) {
      mean = in[3][channel];
      var = in[4][channel];
    }
    each([&](double& x, std::uint64_t e) {
      x = std::max(in[1][channel] * (x - mean) / std::sqrt(var + k.norm.eps) + in[2][channel], 0.0);
      if (k.dropout.p == 0) { return; }
      x *= unit(random4(k.dropout.key, e / 4).v[e % 4]) < k.dropout.p ? 0 : 1 / (1 - k.dropout.p);
    });
  }
  return y;
}

/// Values on both sides of 0 by turns, none closer than 1: with the small offsets below no normalised value comes near
/// the kink of relu. Multiples of 1/32.
Values make_two_sided(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  Values v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = (i % 2 == 0 ? 1 : -1) * (1 + static_cast<double>(random() % 33U) / 32.0);
  }
  return v;
}
/// Scales of either sign, none closer to 0 than 1/2.
Values make_scales(std::int64_t count, unsigned seed) {
  Values v = make_two_sided(count, seed);
  for (double& x : v) { x *= 0.5; }
  return v;
}
Values make_offsets(std::int64_t count, unsigned seed) {
  Values v = make_values(count, seed);
  for (double& x : v) { x *= 0.125; }
  return v;
}
Values make_variances(std::int64_t count, unsigned seed) {
  Values v = make_values(count, seed);
  for (double& x : v) { x = std::abs(x) + 0.5; }
  return v;
}

OpCase at(const Sizes& k) {
  const Shape c{k.x[1]};
  const bool training = k.norm.mode == BatchNormMode::training;
  const std::int64_t values = k.x[0] * k.x.voxels();
  return {
      .op = Op::batch_norm_relu,
      .label = "batch_norm_relu " + k.x.str() + (training ? " training" : " inference") +
               (k.dropout.p > 0 ? " with dropout" : ""),
      .inputs = {{.shape = k.x, .make = make_two_sided},
                 {.shape = c, .kind = Kind::parameter, .make = make_scales},
                 {.shape = c, .kind = Kind::parameter, .make = make_offsets},
                 {.shape = c, .kind = Kind::parameter, .differentiable = false, .make = make_offsets},
                 {.shape = c, .kind = Kind::parameter, .differentiable = false, .make = make_variances}},
      .apply = [k](const auto& in) { return batch_norm_relu(in[0], in[1], in[2], in[3], in[4], k.norm, k.dropout); },
      .reference = [k](const auto& in) { return reference(k, in); },
      .terms = values,
      .grad_terms = 4 * values,
      .conditioning = values < 4 ? 64.0 : 4.0};  // two values may lie close: 1/sqrt(var + eps) is steep
}

void with_p(double p) {
  const Tensor c = Tensor::zeros({3}, DType::f32);
  static_cast<void>(batch_norm_relu(Tensor::zeros({1, 3, 2, 2, 2}, DType::f32, Device::cpu, Layout::blocked), c, c, c,
                                    c, {}, {.p = p, .key = {}}));
}
void all_dropped() { with_p(1); }
void not_a_number() { with_p(std::numeric_limits<double>::quiet_NaN()); }
void plain_x() {
  const Tensor c = Tensor::zeros({3}, DType::f32);
  static_cast<void>(batch_norm_relu(Tensor::zeros({1, 3, 2, 2, 2}, DType::f32), c, c, c, c));
}

const BatchNormOptions kInference{.mode = BatchNormMode::inference};
constexpr RandomKey kKey{.seed = 0xFFFFFFFFFFULL, .step = 7, .place = 1};

const Register kCases({at({.x = {1, 1, 1, 1, 5}}), at({.x = {2, 3, 2, 5, 6}}),
                       at({.x = {2, 3, 4, 5, 6}, .dropout = {.p = 0.3, .key = kKey}}),
                       at({.x = {3, 12, 1, 1, 7}, .dropout = {.p = 0.5, .key = {.seed = 3, .step = 1, .place = 2}}}),
                       at({.x = {2, 33, 1, 1, 3}, .dropout = {.p = 0.1, .key = {}}}),
                       at({.x = {2, 5, 3, 3, 3}, .norm = {.eps = 1e-3}}),
                       at({.x = {1, 1, 1, 1, 1}, .norm = kInference, .dropout = {.p = 0.1, .key = kKey}}),
                       at({.x = {2, 12, 2, 3, 1}, .norm = kInference})},
                      {{"p is 1", all_dropped, "batch_norm_relu: p is 1, wants [0,1)"},
                       {"p is NaN", not_a_number, "batch_norm_relu: p is nan, wants [0,1)"},
                       {"x is plain", plain_x, "batch_norm_relu: x is 1x3x2x2x2 f32 plain on cpu, wants a blocked"}});

}  // namespace
}  // namespace vox::test

#include <cmath>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

Values reference(const Shape& x, const BatchNormOptions& options, const std::vector<Values>& in) {
  Values y = in[0];
  const auto index = [&](std::int64_t n, std::int64_t c, std::int64_t v) {
    return static_cast<std::size_t>((n * x[1] + c) * x.voxels() + v);
  };
  const auto count = static_cast<double>(x[0] * x.voxels());
  for (std::int64_t c = 0; c < x[1]; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    double mean = 0;
    double var = 0;
    for (std::int64_t i = 0; i < x[0] * x.voxels(); ++i) { mean += in[0][index(i / x.voxels(), c, i % x.voxels())]; }
    mean /= count;
    for (std::int64_t i = 0; i < x[0] * x.voxels(); ++i) {
      var += std::pow(in[0][index(i / x.voxels(), c, i % x.voxels())] - mean, 2);
    }
    var /= count;
    if (options.mode == BatchNormMode::inference) {
      mean = in[3][channel];
      var = in[4][channel];
    }
    for (std::int64_t i = 0; i < x[0] * x.voxels(); ++i) {
      double& value = y[index(i / x.voxels(), c, i % x.voxels())];
      value = in[1][channel] * (value - mean) / std::sqrt(var + options.eps) + in[2][channel];
    }
  }
  return y;
}

Values make_variances(std::int64_t count, unsigned seed) {
  Values v = make_values(count, seed);
  for (double& x : v) { x = std::abs(x) + 0.5; }
  return v;
}

OpCase at(const Shape& x, const BatchNormOptions& options) {
  const Shape c{x[1]};
  const bool training = options.mode == BatchNormMode::training;
  return {.op = Op::batch_norm,
          .label = "batch_norm " + x.str() + (training ? " training" : " inference"),
          .inputs = {{.shape = x},
                     {.shape = c, .kind = Kind::parameter},
                     {.shape = c, .kind = Kind::parameter},
                     {.shape = c, .kind = Kind::parameter, .differentiable = false},
                     {.shape = c, .kind = Kind::parameter, .differentiable = false, .make = make_variances}},
          .apply = [options](const auto& in) { return batch_norm(in[0], in[1], in[2], in[3], in[4], options); },
          .reference = [x, options](const auto& in) { return reference(x, options, in); },
          .terms = x[0] * x.voxels(),
          .grad_terms = 4 * x[0] * x.voxels(),
          .conditioning = x[0] * x.voxels() < 4 ? 64.0 : 4.0};  // two values may lie close: 1/sqrt(var + eps) is steep
}

const BatchNormOptions kInference{.mode = BatchNormMode::inference};

void call(const Shape& x, const Shape& gamma, DType gamma_type, const BatchNormOptions& options = {}) {
  const Shape c{x[1]};
  static_cast<void>(batch_norm(Tensor::zeros(x, DType::bf16, Device::cpu, Layout::blocked),
                               Tensor::zeros(gamma, gamma_type), Tensor::zeros(c, DType::f32),
                               Tensor::zeros(c, DType::f32), Tensor::zeros(c, DType::f32), options));
}

const Register kCases({at({1, 1, 1, 1, 2}, {}), at({2, 3, 4, 5, 6}, {}), at({3, 12, 1, 1, 7}, {}),
                       at({2, 33, 1, 1, 3}, {}), at({2, 5, 3, 3, 3}, {.eps = 1e-3}), at({1, 1, 1, 1, 1}, kInference),
                       at({2, 12, 2, 3, 1}, kInference)},
                      {{"one value per channel",
                        [] {
                          call({1, 3, 1, 1, 1}, {3}, DType::f32);
                        },
                        "batch_norm: training wants more than one value per channel, x is 1x3x1x1x1"},
                       {"gamma too long",
                        [] {
                          call({1, 3, 2, 2, 2}, {4}, DType::f32);
                        },
                        "batch_norm: gamma is 4 f32 plain on cpu, wants 3 f32 plain on cpu"},
                       {"gamma in the storage type",
                        [] {
                          call({1, 3, 2, 2, 2}, {3}, DType::bf16);
                        },
                        "batch_norm: gamma is 3 bf16 plain on cpu, wants 3 f32 plain on cpu"},
                       {"eps 0",
                        [] {
                          call({1, 3, 2, 2, 2}, {3}, DType::f32, {.eps = 0});
                        },
                        "batch_norm: eps is 0, wants more than 0"},
                       {"momentum 2",
                        [] {
                          call({1, 3, 2, 2, 2}, {3}, DType::f32, {.momentum = 2});
                        },
                        "batch_norm: momentum is 2, wants [0,1]"}});

}  // namespace
}  // namespace vox::test

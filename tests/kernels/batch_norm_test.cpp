#include <cmath>
#include <cstring>
#include <limits>

#include "engine/context.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/batch_norm.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"

namespace vox::test {
namespace {

/// More than two chunks of voxels, with a ragged tail, and a block with padding channels.
const Shape kLarge{2, 11, 11, 13, 17};

struct Moments {
  double mean = 0;
  double variance = 0;  ///< biased
};

Moments moments_of(const Values& x, const Shape& shape, std::int64_t c) {
  Moments m;
  const auto count = static_cast<double>(shape[0] * shape.voxels());
  const auto over_channel = [&](const auto& body) {
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      for (std::int64_t v = 0; v < shape.voxels(); ++v) {
        body(x[static_cast<std::size_t>((n * shape[1] + c) * shape.voxels() + v)]);
      }
    }
  };
  over_channel([&](double value) { m.mean += value / count; });
  over_channel([&](double value) { m.variance += (value - m.mean) * (value - m.mean) / count; });
  return m;
}

Tensor parameter(std::int64_t count, double value) {
  return to_tensor(Values(static_cast<std::size_t>(count), value), {count}, Kind::parameter, DType::f32);
}

struct Normed {
  Values y;
  Values running_mean;
  Values running_var;
};

Normed norm(const Tensor& x, const BatchNormOptions& options = {}) {
  const std::int64_t c = x.shape()[1];
  const DType type = accumulator(x.dtype());
  const Tensor mean = cast(parameter(c, 0.5), type);
  const Tensor var = cast(parameter(c, 2), type);
  const Tensor y = batch_norm(x, cast(parameter(c, 1), type), cast(parameter(c, 0), type), mean, var, options);
  return {y.to_doubles(), mean.to_doubles(), var.to_doubles()};
}

}  // namespace

TEST_CASE("batch norm of values about 1000 with deviation 1 is as exact as the values are", "[batch_norm]") {
  Values values = make_values(kLarge.count(), 5);
  for (double& v : values) { v = 1000 + v; }  // exact in f32
  const Tensor x = to_tensor(values, kLarge, Kind::volume, DType::f32);
  const Normed got = norm(x);
  Values want(values.size());
  for (std::int64_t c = 0; c < kLarge[1]; ++c) {
    const Moments m = moments_of(values, kLarge, c);
    for (std::int64_t i = 0; i < kLarge[0] * kLarge.voxels(); ++i) {
      const std::int64_t n = i / kLarge.voxels();
      const auto at = static_cast<std::size_t>((n * kLarge[1] + c) * kLarge.voxels() + i % kLarge.voxels());
      want[at] = (values[at] - m.mean) / std::sqrt(m.variance + 1e-5);
    }
  }
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) { worst = std::max(worst, std::abs(got.y[i] - want[i])); }
  CHECK(worst <= 2 * 1000 * 0x1p-24);  // the mean is an f32 number near 1000; 1e3 times worse if summed carelessly
}

TEST_CASE("statistics a convolution makes in passing are as exact as those of a pass of their own", "[batch_norm]") {
  const std::int64_t channels = GENERATE(8, 24);  // by different algorithms
  const Shape shape{2, channels, 9, 11, 37};      // several boxes, the last ones ragged
  Values values = make_values(shape.count(), 6);
  for (double& v : values) { v = 1000 + v; }  // exact in f32
  const Tensor x = to_tensor(values, shape, Kind::volume, DType::f32);
  Values identity(static_cast<std::size_t>(channels * channels * 27), 0);
  for (std::int64_t c = 0; c < channels; ++c) { identity[static_cast<std::size_t>((channels + 1) * c * 27 + 13)] = 1; }
  const Tensor weight = to_tensor(identity, {channels, channels, 3, 3, 3}, Kind::parameter, DType::f32);
  const Values y = conv3d(x, weight, {}).to_doubles();  // by whatever algorithm: x, or close to it
  const Tensor running_mean = parameter(channels, 0);
  const Tensor running_var = parameter(channels, 0);
  static_cast<void>(conv3d_batch_norm_relu(x, {}, weight, parameter(channels, 1), parameter(channels, 0), running_mean,
                                           running_var, {.momentum = 1}));
  const Values mean = running_mean.to_doubles();
  const Values var = running_var.to_doubles();
  const auto count = static_cast<double>(shape[0] * shape.voxels());
  for (std::int64_t c = 0; c < channels; ++c) {
    const Moments m = moments_of(y, shape, c);
    CHECK(std::abs(mean[static_cast<std::size_t>(c)] - m.mean) <= 1000 * 0x1p-23);
    CHECK(std::abs(var[static_cast<std::size_t>(c)] - m.variance * count / (count - 1)) <= 1e-5 * m.variance);
  }
}

TEST_CASE("training moves the running statistics by momentum, with the unbiased variance", "[batch_norm]") {
  const Values values = make_values(kLarge.count(), 7);
  const auto count = static_cast<double>(kLarge[0] * kLarge.voxels());
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    const Normed got = norm(to_tensor(values, kLarge, Kind::volume, dtype), {.momentum = 0.25});
    for (std::int64_t c = 0; c < kLarge[1]; ++c) {
      const Moments m = moments_of(values, kLarge, c);
      const double allowed = tolerance(accumulator(dtype), 16, 2);
      CHECK(std::abs(got.running_mean[static_cast<std::size_t>(c)] - (0.75 * 0.5 + 0.25 * m.mean)) <= allowed);
      CHECK(std::abs(got.running_var[static_cast<std::size_t>(c)] -
                     (0.75 * 2 + 0.25 * m.variance * count / (count - 1))) <= allowed);
    }
  }
}

TEST_CASE("inference uses the running statistics and leaves them alone", "[batch_norm]") {
  const Normed got =
      norm(to_tensor({1, 2, 3}, {1, 1, 1, 1, 3}, Kind::volume, DType::f64), {.mode = BatchNormMode::inference});
  CHECK(got.running_mean == Values{0.5});
  CHECK(got.running_var == Values{2});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(got.y[i] == Approx((static_cast<double>(i + 1) - 0.5) / std::sqrt(2 + 1e-5)).epsilon(1e-12));
  }
}

TEST_CASE("inference's gradient is that of the statistics it used, whatever they become later", "[batch_norm]") {
  Tensor x = to_tensor({1, 2, 3}, {1, 1, 1, 1, 3}, Kind::volume, DType::f32);
  x.requires_grad();
  const Tensor one = parameter(1, 1);
  const Tensor mean = parameter(1, 0);
  const Tensor var = parameter(1, 3);
  const Tensor y = batch_norm(x, one, one, mean, var, {.mode = BatchNormMode::inference, .eps = 1});
  static_cast<void>(batch_norm(x.detached(), one, one, mean, var));  // training moves mean and var
  CHECK(var.item() != 3);
  backward(y, to_tensor({1, 2, 4}, {1, 1, 1, 1, 3}, Kind::volume, DType::f32));
  CHECK(x.grad().to_doubles() == Values{0.5, 1, 2});
}

TEST_CASE("batch norm has the same bits for any number of threads when there are many chunks", "[batch_norm]") {
  const Tensor x = to_tensor(make_values(kLarge.count(), 9), kLarge, Kind::volume, DType::f32);
  const int before = cpu_queue().threads;
  cpu_queue().threads = 1;
  const Normed one = norm(x);
  cpu_queue().threads = 5;
  const Normed five = norm(x);
  cpu_queue().threads = before;
  CHECK(one.y == five.y);
  CHECK(one.running_mean == five.running_mean);
  CHECK(one.running_var == five.running_var);
}

TEST_CASE("a constant channel becomes beta, not NaN", "[batch_norm]") {
  const Tensor x = to_tensor(Values(12, 1000.25), {1, 2, 1, 2, 3}, Kind::volume, DType::f32);
  CHECK(norm(x).y == Values(12, 0.0));
}

TEST_CASE("bits noted of a dropout are those of the elements it kept, and stand for its random numbers",
          "[batch_norm]") {
  const VolumeShape s{.n = 2, .c = 11, .d = 3, .h = 5, .w = 7};  // 105 voxels: pieces and chunks with ragged ends
  const auto count = static_cast<std::size_t>(8 * passed_bytes(s));
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) { x[i] = static_cast<float>((i * 7919 + i / 11) % 101) - 50; }
  x[3] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> mean(11, 0.5F);
  const std::vector<float> ones(11, 1.0F);
  std::vector<float> y(count, -1);
  std::vector<std::uint8_t> bits(count / 8, 0xAA);
  BatchNormArgs<float> args{.shape = s,
                            .x = x,
                            .mean = mean,
                            .variance = ones,
                            .gamma = ones,
                            .beta = mean,
                            .eps = 1e-5,
                            .activation = {.kind = Activation::Kind::relu_dropout, .p = 0.3, .key = {.seed = 9}},
                            .y = y,
                            .note_passed = bits};
  batch_norm_forward(cpu_queue(), args);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool noted = ((bits[i / 8] >> (i % 8)) & 1U) != 0;
    if (noted != (y[i] != 0)) { FAIL("element " << i << " is " << y[i] << ", its bit says " << noted); }
    kept += noted ? 1 : 0;
  }
  CHECK(kept > count / 5);
  CHECK(kept < count / 2);

  std::vector<float> again(count, -1);
  args.y = again;
  args.note_passed = {};
  args.passed = bits;
  args.activation.key = {.seed = 10};  // not asked any more
  batch_norm_forward(cpu_queue(), args);
  CHECK(std::memcmp(again.data(), y.data(), count * sizeof(float)) == 0);
}

}  // namespace vox::test

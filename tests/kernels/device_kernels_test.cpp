#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/add.h"
#include "kernels/batch_norm.h"
#include "kernels/dropout.h"
#include "kernels/fill.h"
#include "kernels/softmax.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

// What the contracts promise of the device kernels and no operator of the engine asks for.

namespace vox::test {
namespace {

/// More than two chunks of voxels, with a ragged tail, and a block with padding channels.
const Shape kShape{2, 11, 11, 13, 17};
constexpr DType kTypes[] = {DType::f64, DType::f32, DType::bf16};

Tensor volume(DType dtype, unsigned seed, Device device, const Shape& shape = kShape) {
  return to_tensor(make_values(shape.count(), seed), shape, Kind::volume, dtype).to(device);
}
Tensor parameter(DType dtype, double first, Device device) {
  Values v(static_cast<std::size_t>(kShape[1]));
  for (std::size_t c = 0; c < v.size(); ++c) { v[c] = first + static_cast<double>(c) / 8; }
  return to_tensor(v, {kShape[1]}, Kind::parameter, dtype).to(device);
}

/// Calls body(queue, tag, input, output) once with an output of its own and once with one tensor as both: same values?
template <class Body> void check_alias(Tensor x, const Body& body) {
  Tensor apart = Tensor::like(x);
  dispatch(x.device(), x.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    body(queue, std::as_const(x).values<T>(), apart.mutable_values<T>());
    body(queue, std::as_const(x).values<T>(), x.mutable_values<T>());
  });
  CHECK(x.to_doubles() == apart.to_doubles());
  CHECK(nonzero_padding(x) == "");
}

bool same(const Values& a, const Values& b) {
  bool all = a.size() == b.size();
  for (std::size_t i = 0; all && i < a.size(); ++i) { all = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])); }
  return all;
}

}  // namespace

TEST_CASE("fill sets every value it is given and none beside", "[cpu][simt]") {
  const Device device = GENERATE(Device::cpu, Device::simt);
  const DType dtype = GENERATE(DType::f64, DType::f32, DType::bf16);
  const std::int64_t count = GENERATE(0, 1, 3, 7, 8, 9, 16, 1001);
  Tensor y = Tensor::zeros({1024}, dtype, device);
  dispatch(device, dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    fill_forward(queue,
                 FillArgs<T>{.value = Acc<T>{-1.5}, .y = y.mutable_values<T>().first(static_cast<std::size_t>(count))});
  });
  Values want(1024);
  std::fill_n(want.begin(), count, -1.5);
  INFO(name(device) << " " << name(dtype) << " " << count);
  CHECK(y.to_doubles() == want);
}

TEST_CASE("ties, NaN and infinities are on simt and on a GPU what they are on the cpu", "[simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kOdd[] = {-kInf, -1, -1, 0, 0, -0.0, 1, 1, 1.00390625, 1e39, kInf, kNan};
  const Shape shape{2, 11, 4, 5, 6};
  Values values = make_values(shape.count(), 4);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = kOdd[static_cast<std::size_t>(values[i] * 32 + 64) % 12];
  }
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&)>>> functions{
      {"max_pool3d", max_pool3d},
      {"relu", relu},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.25); }},
      {"scale", [](const Tensor& x) { return scale(x, -2); }},
      {"add", [](const Tensor& x) { return add(x, x); }},
      {"cast to bf16", [](const Tensor& x) { return cast(x, DType::bf16); }},
      {"cast to f32", [](const Tensor& x) { return cast(x, DType::f32); }}};
  for (const DType dtype : kTypes) {
    for (const auto& named : functions) {
      const auto results = [&](Device on) {
        const Tensor x = to_tensor(values, shape, Kind::volume, dtype).to(on).requires_grad();
        const Tensor y = named.second(x);
        backward(y, to_tensor_like(make_values(y.shape().count(), 9), y));
        return std::pair{y.to_doubles(), x.grad().to_doubles()};
      };
      const auto cpu = results(Device::cpu);
      const auto other = results(device);
      INFO(named.first << " " << name(dtype));
      CHECK(same(other.first, cpu.first));
      CHECK(same(other.second, cpu.second));
    }
  }
}

TEST_CASE("dropout drops and scales the same elements to the same bits on the cpu, on simt and on a GPU",
          "[dropout][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const DropoutOptions options{.p = 0.3, .key = {.seed = 0xFEDCBA9876543210ULL, .step = 5, .place = 7}};
  for (const DType dtype : kTypes) {
    std::vector<std::int64_t> counts(40);  // every kind of tail
    std::iota(counts.begin(), counts.end(), 1);
    counts.push_back(100003);
    for (const std::int64_t count : counts) {
      const Tensor x = to_tensor(make_nonzero(count, 3), {count}, Kind::plain, dtype);
      INFO(name(dtype) << " " << count);
      CHECK(dropout(x.to(device), options).to_doubles() == dropout(x, options).to_doubles());
    }
  }
}

TEST_CASE("batch norm moves the running statistics on simt and on a GPU as on the cpu", "[batch_norm][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const double offset : {0.0, 1000.0}) {
    for (const DType dtype : {DType::f64, DType::f32}) {
      Values values = make_values(kShape.count(), 5);
      for (double& v : values) { v += offset; }
      const auto moved = [&](Device on) {
        const Tensor mean = parameter(dtype, 0.5, on);
        const Tensor variance = parameter(dtype, 2, on);
        const Tensor x = to_tensor(values, kShape, Kind::volume, dtype).to(on);
        static_cast<void>(batch_norm(x, parameter(dtype, 1, on), parameter(dtype, 0, on), mean, variance));
        return std::pair{mean.to_doubles(), variance.to_doubles()};
      };
      const auto [cpu_mean, cpu_variance] = moved(Device::cpu);
      const auto [mean, variance] = moved(device);
      INFO(name(dtype) << " about " << offset);
      CHECK(first_mismatch(mean, cpu_mean, dtype, 4) == "");
      CHECK(first_mismatch(variance, cpu_variance, dtype, 64) == "");
    }
  }
}

TEST_CASE("device kernels may write over their input where the contract says so", "[simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const DType dtype : kTypes) {
    INFO(name(dtype));
    const Tensor other = volume(dtype, 2, device);
    const Tensor mean = parameter(dtype, 0.25, device);
    const Tensor variance = parameter(dtype, 1, device);
    Tensor dgamma = Tensor::like(mean);
    Tensor dbeta = Tensor::like(mean);
    const VolumeShape s = kShape.volume();
    Tensor partials({batch_norm_partials(s)}, DType::f64, device);
    check_alias(volume(dtype, 1, device), [&]<class T>(auto& queue, std::span<const T> x, std::span<T> y) {
      add_forward(queue, AddArgs<T>{.a = x, .b = other.values<T>(), .y = y});
    });
    check_alias(volume(dtype, 1, device), [&]<class T>(auto& queue, std::span<const T> x, std::span<T> y) {
      dropout_forward(queue, DropoutArgs<T>{.x = x, .p = 0.5, .key = {.seed = 3}, .y = y});
    });
    check_alias(volume(dtype, 1, device), [&]<class T>(auto& queue, std::span<const T> x, std::span<T> y) {
      batch_norm_forward(queue, BatchNormArgs<T>{.shape = s,
                                                 .x = x,
                                                 .mean = mean.values<Acc<T>>(),
                                                 .variance = variance.values<Acc<T>>(),
                                                 .gamma = variance.values<Acc<T>>(),
                                                 .beta = mean.values<Acc<T>>(),
                                                 .eps = 1e-5,
                                                 .y = y});
    });
    check_alias(volume(dtype, 1, device), [&]<class T>(auto& queue, std::span<const T> dy, std::span<T> dx) {
      batch_norm_backward(queue, BatchNormGradArgs<T>{.shape = s,
                                                      .statistics = Statistics::of_batch,
                                                      .x = other.values<T>(),
                                                      .mean = mean.values<Acc<T>>(),
                                                      .variance = variance.values<Acc<T>>(),
                                                      .gamma = variance.values<Acc<T>>(),
                                                      .eps = 1e-5,
                                                      .dy = dy,
                                                      .partials = partials.mutable_values<double>(),
                                                      .dx = dx,
                                                      .dgamma = dgamma.mutable_values<Acc<T>>(),
                                                      .dbeta = dbeta.mutable_values<Acc<T>>()});
    });
    const Shape few{2, 5, 11, 13, 17};
    check_alias(volume(dtype, 1, device, few), [&]<class T>(auto& queue, std::span<const T> x, std::span<T> y) {
      softmax_forward(queue, SoftmaxArgs<T>{.shape = few.volume(), .x = x, .y = y});
    });
  }
}

}  // namespace vox::test

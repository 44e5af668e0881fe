#include <cmath>

#include "engine/context.h"
#include "engine/tape.h"
#include "kernels/simt/options.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

/// Which of gamma and beta are given.
enum class Affine : std::uint8_t { both, gamma, beta, none };
bool has_gamma(Affine a) { return a == Affine::both || a == Affine::gamma; }
bool has_beta(Affine a) { return a == Affine::both || a == Affine::beta; }

struct Sizes {
  Shape x;
  InstanceNormOptions options = {};
  Affine affine = Affine::both;
};

/// Mean and deviation, with eps, of the values of one channel of one case, which lie together.
struct Moments {
  double mean = 0;
  double deviation = 0;
};
Moments moments_of(const double* x, std::int64_t count, double eps) {
  Moments m;
  double variance = 0;
  for (std::int64_t i = 0; i < count; ++i) { m.mean += x[i] / static_cast<double>(count); }
  for (std::int64_t i = 0; i < count; ++i) { variance += std::pow(x[i] - m.mean, 2) / static_cast<double>(count); }
  m.deviation = std::sqrt(variance + eps);
  return m;
}

/// Calls body(channel, its first element) for every channel of every case.
template <class Body> void for_channels(const Shape& x, const Body& body) {
  for (std::int64_t i = 0; i < x[0] * x[1]; ++i) { body(static_cast<std::size_t>(i % x[1]), i * x.voxels()); }
}

Values reference(const Sizes& k, const std::vector<Values>& in) {
  Values y = in[0];
  for_channels(k.x, [&](std::size_t c, std::int64_t first) {
    const Moments m = moments_of(in[0].data() + first, k.x.voxels(), k.options.eps);
    const double gamma = has_gamma(k.affine) ? in[1][c] : 1;
    const double beta = has_beta(k.affine) ? in.back()[c] : 0;
    for (std::int64_t v = first; v < first + k.x.voxels(); ++v) {
      double& value = y[static_cast<std::size_t>(v)];
      value = gamma * (value - m.mean) / m.deviation + beta;
    }
  });
  return y;
}

Tensor apply(const Sizes& k, const std::vector<Tensor>& in) {
  return instance_norm(in[0], has_gamma(k.affine) ? in[1] : Tensor(), has_beta(k.affine) ? in.back() : Tensor(),
                       k.options);
}

OpCase at(const Sizes& k) {
  OpCase c{.op = Op::instance_norm,
           .label = "instance_norm " + k.x.str() + (has_gamma(k.affine) ? " gamma" : "") +
                    (has_beta(k.affine) ? " beta" : ""),
           .inputs = {{.shape = k.x, .make = make_distinct}},  // a variance of 0 is steep
           .apply = [k](const auto& in) { return apply(k, in); },
           .reference = [k](const auto& in) { return reference(k, in); },
           .terms = k.x.voxels(),
           .grad_terms = 4 * k.x[0] * k.x.voxels(),
           .conditioning = 4};
  for (int i = has_gamma(k.affine) + has_beta(k.affine); i > 0; --i) {
    c.inputs.push_back({.shape = {k.x[1]}, .kind = Kind::parameter});
  }
  return c;
}

void call(const Shape& x, const Shape& gamma, DType gamma_type, const InstanceNormOptions& options = {}) {
  static_cast<void>(instance_norm(Tensor::zeros(x, DType::bf16, Device::cpu, Layout::blocked),
                                  Tensor::zeros(gamma, gamma_type), {}, options));
}
void one_voxel() { call({2, 3, 1, 1, 1}, {3}, DType::f32); }
void long_gamma() { call({1, 3, 2, 2, 2}, {4}, DType::f32); }
void bf16_gamma() { call({1, 3, 2, 2, 2}, {3}, DType::bf16); }
void no_eps() { call({1, 3, 2, 2, 2}, {3}, DType::f32, {.eps = 0}); }
void long_beta() {
  static_cast<void>(instance_norm(Tensor::zeros({1, 3, 2, 2, 2}, DType::f32, Device::cpu, Layout::blocked), {},
                                  Tensor::zeros({8}, DType::f32)));
}
void plain_x() { static_cast<void>(instance_norm(Tensor::zeros({1, 3, 2, 2, 2}, DType::f32), {}, {})); }

const Register kCases(
    {at({.x = {1, 1, 1, 1, 2}, .options = {.eps = 0.5}}), at({.x = {2, 3, 4, 5, 6}}), at({.x = {3, 12, 1, 1, 7}}),
     at({.x = {2, 33, 1, 3, 1}}), at({.x = {1, 8, 3, 1, 1}}), at({.x = {2, 5, 3, 3, 3}, .options = {.eps = 1e-3}}),
     at({.x = {2, 5, 2, 3, 3}, .affine = Affine::gamma}), at({.x = {1, 12, 1, 5, 3}, .affine = Affine::beta}),
     at({.x = {3, 3, 3, 1, 5}, .affine = Affine::none})},
    {{"one voxel", one_voxel, "instance_norm: wants more than one voxel per case and channel, x is 2x3x1x1x1"},
     {"gamma too long", long_gamma, "instance_norm: gamma is 4 f32 plain on cpu, wants 3 f32 plain on cpu"},
     {"gamma in the storage type", bf16_gamma, "instance_norm: gamma is 3 bf16 plain on cpu, wants 3 f32 plain on cpu"},
     {"beta too long", long_beta, "instance_norm: beta is 8 f32 plain on cpu, wants 3 f32 plain on cpu"},
     {"eps 0", no_eps, "instance_norm: eps is 0, wants more than 0"},
     {"x is plain", plain_x, "instance_norm: x is 1x3x2x2x2 f32 plain on cpu, wants a blocked volume"}});

/// More than two chunks of voxels, the last one ragged, and a block with padding channels.
const Shape kLarge{2, 11, 11, 13, 17};

/// y, dx, dgamma and dbeta.
std::vector<Values> run(const Values& x, const Values& dy, DType dtype, Device device) {
  const DType type = accumulator(dtype);
  Tensor in = to_tensor(x, kLarge, Kind::volume, dtype).to(device).requires_grad();
  Tensor gamma = to_tensor(make_nonzero(kLarge[1], 1), {kLarge[1]}, Kind::plain, type).to(device).requires_grad();
  Tensor beta = to_tensor(make_values(kLarge[1], 2), {kLarge[1]}, Kind::plain, type).to(device).requires_grad();
  const Tensor y = instance_norm(in, gamma, beta);
  const Values values = y.to_doubles();  // dy may be overwritten, y is kept
  backward(y, to_tensor(dy, kLarge, Kind::volume, dtype).to(device));
  CHECK(nonzero_padding(y) == "");
  CHECK(nonzero_padding(in.grad()) == "");
  return {values, in.grad().to_doubles(), gamma.grad().to_doubles(), beta.grad().to_doubles()};
}

/// The same by the formulas of kernels/batch_norm.h, in plain loops.
std::vector<Values> wanted(const Values& x, const Values& dy) {
  const Values gamma = make_nonzero(kLarge[1], 1);
  const auto count = static_cast<double>(kLarge.voxels());
  std::vector<Values> all{reference({.x = kLarge}, {x, gamma, make_values(kLarge[1], 2)}), Values(x.size()),
                          Values(gamma.size()), Values(gamma.size())};
  for_channels(kLarge, [&](std::size_t c, std::int64_t first) {
    const Moments m = moments_of(x.data() + first, kLarge.voxels(), InstanceNormOptions{}.eps);
    double sum = 0;
    double product = 0;
    for (auto v = static_cast<std::size_t>(first); v < static_cast<std::size_t>(first + kLarge.voxels()); ++v) {
      sum += dy[v];
      product += dy[v] * (x[v] - m.mean) / m.deviation;
    }
    for (auto v = static_cast<std::size_t>(first); v < static_cast<std::size_t>(first + kLarge.voxels()); ++v) {
      const double z = (x[v] - m.mean) / m.deviation;
      all[1][v] = gamma[c] / m.deviation * (dy[v] - sum / count - z * product / count);
    }
    all[2][c] += product;
    all[3][c] += sum;
  });
  return all;
}

std::vector<Device> all_devices() {
  std::vector<Device> devices = kernel_devices();
  devices.push_back(Device::cpu);
  return devices;
}

}  // namespace

TEST_CASE("instance norm and its gradients over several chunks are those of the formulas",
          "[ops][instance_norm][simt]") {
  const Values x = make_distinct(kLarge.count(), 3);
  const Values dy = make_values(kLarge.count(), 4);
  const std::vector<Values> wants = wanted(x, dy);
  for (const Device device : all_devices()) {
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
      const std::vector<Values> got = run(x, dy, dtype, device);
      for (std::size_t k = 0; k < wants.size(); ++k) {
        INFO(name(device) << " " << name(dtype) << ", result " << k << " of y, dx, dgamma, dbeta");
        const DType type = k < 2 ? dtype : accumulator(dtype);
        CHECK(first_mismatch(got[k], wants[k], type, kLarge[0] * kLarge.voxels(), 4) == "");
      }
    }
  }
}

TEST_CASE("instance norm of values about 1000 with deviation 0.01 knows their variance", "[ops][instance_norm][simt]") {
  Values x = make_values(kLarge.count(), 5);
  for (double& v : x) { v = 1000 + v * 0x1p-7; }  // exact in f32
  const Values dy = make_values(kLarge.count(), 6);
  const std::vector<Values> wants = wanted(x, dy);
  for (const Device device : all_devices()) {
    const std::vector<Values> got = run(x, dy, DType::f32, device);
    const Values gamma = make_nonzero(kLarge[1], 1);
    for_channels(kLarge, [&](std::size_t c, std::int64_t first) {
      INFO(name(device) << ", channel " << c);
      const Moments m = moments_of(x.data() + first, kLarge.voxels(), InstanceNormOptions{}.eps);
      double shift = 0;  // the mean is an f32 number near 1000, and moves all values alike
      for (std::int64_t v = first; v < first + kLarge.voxels(); ++v) {
        const auto at = static_cast<std::size_t>(v);
        shift += (got[0][at] - wants[0][at]) / static_cast<double>(kLarge.voxels());
      }
      CHECK(std::abs(shift) <= std::abs(gamma[c]) * 1.01 * 1000 * 0x1p-24 / m.deviation);
      double worst = 0;
      for (std::int64_t v = first; v < first + kLarge.voxels(); ++v) {
        const auto at = static_cast<std::size_t>(v);
        worst = std::max(worst, std::abs(got[0][at] - wants[0][at] - shift));
      }
      CHECK(worst <= 1e-5);  // squares of x would be 0.06 off in f32, and the variance is 0.0001
    });
    CHECK(first_mismatch(got[2], wants[2], DType::f32, 1, 3e4) == "");  // moved as y is
  }
}

TEST_CASE("instance norm has the same bits for any number of threads and order of blocks when there are many chunks",
          "[ops][instance_norm][simt][determinism]") {
  const Values x = make_values(kLarge.count(), 7);
  const Values dy = make_values(kLarge.count(), 8);
  const int threads = cpu_queue().threads;
  const simt::Options before = simt::options();
  cpu_queue().threads = 1;
  const std::vector<Values> on_cpu = run(x, dy, DType::f32, Device::cpu);
  const std::vector<Values> on_simt = run(x, dy, DType::f32, Device::simt);
  simt::options().order = simt::Order::reverse;
  for (const int count : {3, 5}) {
    cpu_queue().threads = count;
    CHECK(on_cpu == run(x, dy, DType::f32, Device::cpu));
    CHECK(on_simt == run(x, dy, DType::f32, Device::simt));
  }
  cpu_queue().threads = threads;
  simt::options() = before;
}

TEST_CASE("instance norm of one case is batch norm of it, and a constant channel becomes beta",
          "[ops][instance_norm]") {
  const Shape one{1, 11, 11, 13, 17};
  const Values x = make_values(one.count(), 9);
  const Tensor in = to_tensor(x, one, Kind::volume, DType::f32);
  const Tensor gamma = to_tensor(make_values(11, 1), {11}, Kind::parameter, DType::f32);
  const Tensor beta = to_tensor(make_values(11, 2), {11}, Kind::parameter, DType::f32);
  const Values got = instance_norm(in, gamma, beta).to_doubles();
  const Tensor y = batch_norm(in, gamma, beta, Tensor::zeros({11}, DType::f32), Tensor::zeros({11}, DType::f32));
  CHECK(first_mismatch(got, y.to_doubles(), DType::f32, 1, 4) == "");
  const Tensor constant = to_tensor(Values(12, 1000.25), {1, 2, 1, 2, 3}, Kind::volume, DType::f32);
  CHECK(instance_norm(constant, {}, {}).to_doubles() == Values(12, 0.0));
}

}  // namespace vox::test

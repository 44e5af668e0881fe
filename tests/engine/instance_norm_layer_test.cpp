// conv3d_instance_norm_relu against the plain operators it is made of.
#include "engine/allocator.h"
#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/simt/memory.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"

namespace vox::test {
namespace {

struct Net {
  Tensor a;
  Tensor b;
  Tensor weight;
  Tensor weight2;
  Tensor bias;
  Tensor gamma;
  Tensor beta;

  [[nodiscard]] std::vector<Tensor> leaves() const { return {a, b, weight, weight2, gamma, beta}; }
};

/// Of 8+5 channels to 11 and on to 11, two cases, normalised values on both sides of 0.
Net net(DType dtype, Device device) {
  const auto leaf = [&](const Shape& s, Kind kind, unsigned seed) {
    return to_tensor(make_nonzero(s.count(), seed), s, kind, dtype).to(device).requires_grad();
  };
  return {.a = leaf({2, 8, 5, 6, 7}, Kind::volume, 1),
          .b = leaf({2, 5, 5, 6, 7}, Kind::volume, 2),
          .weight = leaf({11, 13, 3, 3, 3}, Kind::parameter, 3),
          .weight2 = leaf({11, 11, 3, 3, 3}, Kind::parameter, 4),
          .bias = leaf({11}, Kind::parameter, 5),
          .gamma = leaf({11}, Kind::parameter, 6),
          .beta = leaf({11}, Kind::parameter, 7)};
}

enum class Made : std::uint8_t { fused, plain };

Tensor layer(Made made, const Tensor& a, const Tensor& b, const Tensor& weight, const Net& n,
             const Conv3dInstanceNormReluOptions& o, const DropoutOptions& dropped) {
  if (made == Made::fused) { return conv3d_instance_norm_relu(a, b, weight, n.bias, n.gamma, n.beta, o, dropped); }
  const Tensor y = conv3d(b.defined() ? concat(a, b) : a, weight, n.bias, {.stride = o.stride});
  return dropout(leaky_relu(instance_norm(y, n.gamma, n.beta, {.eps = o.eps}), o.negative_slope), dropped);
}

/// Two layers, the second of stride 2: result, gradients, and bytes between the passes.
struct Pass {
  Values y;
  std::vector<Values> gradients;
  std::size_t kept_bytes = 0;
};
Pass pass(Made made, DType dtype, Device device, double p, double slope) {
  const Net n = net(dtype, device);
  const std::size_t before = memory_report(device).in_use_bytes;
  const DropoutOptions dropped{.p = p, .key = {.seed = 5, .step = 2, .place = 1}};
  Tensor y = layer(made, n.a, n.b, n.weight, n, {.eps = 1e-3, .negative_slope = slope}, dropped);
  y = layer(made, y, {}, n.weight2, n, {.negative_slope = slope, .stride = 2}, {.p = 0});
  Pass result{.y = y.to_doubles(), .gradients = {}, .kept_bytes = memory_report(device).in_use_bytes - before};
  backward(y, to_tensor_like(make_values(y.shape().count(), 9), y));
  for (const Tensor& t : n.leaves()) { result.gradients.push_back(t.grad().to_doubles()); }
  result.gradients.push_back(n.bias.grad().to_doubles());
  return result;
}

void check_alike(const Pass& got, const Pass& wants, double values, double gradients) {
  CHECK(relative_error(got.y, wants.y) < values);
  for (std::size_t i = 0; i + 1 < wants.gradients.size(); ++i) {
    INFO("gradient " << i);
    CHECK(relative_error(got.gradients[i], wants.gradients[i]) < gradients);
  }
}

}  // namespace

TEST_CASE("conv3d_instance_norm_relu is the plain operators one after another, and the bias has no gradient",
          "[ops][instance_norm][fusion][simt]") {
  for (const Device device : {Device::cpu, Device::simt}) {
    for (const double slope : {0.0, 0.01}) {
      for (const double p : {0.0, 0.375}) {
        INFO(name(device) << ", slope " << slope << ", dropout " << p);
        const Pass wants = pass(Made::plain, DType::f64, device, p, slope);
        const Pass got = pass(Made::fused, DType::f64, device, p, slope);
        check_alike(got, wants, 1e-12, 1e-10);
        CHECK(got.gradients.back() == Values(11, 0.0));
        CHECK(got.kept_bytes < wants.kept_bytes);
      }
    }
  }
  check_alike(pass(Made::fused, DType::f32, Device::cpu, 0.375, 0.01),
              pass(Made::plain, DType::f64, Device::cpu, 0.375, 0.01), 1e-5, 1e-4);
}

TEST_CASE("an instance norm layer that is made again changes no bit of a gradient", "[ops][instance_norm][tape]") {
  const Pass made_again = pass(Made::fused, DType::f32, Device::cpu, 0.25, 0.01);
  set_keep_all(true);
  const Pass kept = pass(Made::fused, DType::f32, Device::cpu, 0.25, 0.01);
  set_keep_all(false);
  CHECK(kept.y == made_again.y);
  CHECK(kept.gradients == made_again.gradients);
  CHECK(kept.kept_bytes > made_again.kept_bytes);
}

TEST_CASE("an instance norm layer without gradients normalises in place", "[ops][instance_norm]") {
  const Net n = net(DType::f32, Device::cpu);
  const auto with_b = [&] { return layer(Made::fused, n.a, n.b, n.weight, n, {}, {.p = 0}); };
  const Values wants = with_b().to_doubles();
  const NoGradScope no_grad;
  const auto peak = [](const auto& work) {
    const std::size_t before = memory_report(Device::cpu).in_use_bytes;
    reset_peak(Device::cpu);
    const Tensor y = work();
    return std::pair(memory_report(Device::cpu).peak_bytes - before, static_cast<std::size_t>(y.stored_count()) * 4);
  };
  const auto [convolution, result] = peak([&] { return conv3d_concat(n.a, n.b, n.weight, {}); });
  CHECK(peak(with_b).first < convolution + result * 3 / 4);  // and the moments of its boxes
  CHECK(with_b().to_doubles() == wants);
}

}  // namespace vox::test

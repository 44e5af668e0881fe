#include <vector>

#include "engine/context.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/base/bf16.h"
#include "kernels/conv3d.h"
#include "kernels/simt/options.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"

/// Sums that float cannot hold: the operators' cases add up numbers of few bits, where nothing is left to round.
namespace vox::test {
namespace {

using simt::TensorCore;

/// In [0,1), of 8 bits each, so that what is cut off is never made up for by what is cut off a number below 0.
Values magnitudes(std::int64_t count, unsigned seed) {
  Values v = make_full_mantissa(count, seed, true);
  for (double& x : v) { x = to_float(to_bf16(static_cast<float>(x))); }
  return v;
}

struct Pass {
  Values y;
  Values dx;
  Values dweight;
};

Pass pass(const Shape& shape, std::int64_t out, DType dtype, Device device) {
  const Shape weight_shape{out, shape[1], 3, 3, 3};
  Tensor x = to_tensor(magnitudes(shape.count(), 1), shape, Kind::volume, dtype).to(device);
  Tensor weight = to_tensor(magnitudes(weight_shape.count(), 2), weight_shape, Kind::parameter, dtype).to(device);
  const Tensor bias = to_tensor(Values(static_cast<std::size_t>(out)), {out}, Kind::parameter, dtype).to(device);
  x.requires_grad();
  weight.requires_grad();
  const Tensor y = conv3d(x, weight, bias, {.padding = 1});
  backward(y, to_tensor(magnitudes(y.shape().count(), 3), y.shape(), Kind::volume, dtype).to(device));
  return {y.to_doubles(), x.grad().to_doubles(), weight.grad().to_doubles()};
}

/// What a step of 8 products cuts off is below 8+1 units of 2^-24 of the result so far and, where the sum becomes a
/// float again, 2 more: 11/8 a product. And the sums of several thread blocks are added in float, each rounding once.
double cut(std::int64_t products) { return 0x1p-24 * (11.0 / 8 + 1) * static_cast<double>(products); }

void check(const Values& got, const Values& wants, double allowed) {
  REQUIRE(got.size() == wants.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(got[i] - wants[i]) <= allowed * wants[i])) {
      FAIL("[" << i << "] got " << got[i] << ", wants " << wants[i] << ", allowed " << allowed);
    }
  }
}

}  // namespace

TEST_CASE("sums of tensor cores are within what they cut off, and simt cuts as much", "[conv3d][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Shape shape{1, 24, 3, 7, 19};
  constexpr std::int64_t kOut = 20;
  constexpr double kStore = 0x1p-8;  // of a store as bf16
  const Conv3dGeometry g = conv3d_geometry(shape.volume(), kOut, 3, 1, 1);
  for (const Conv3dPass p : {Conv3dPass::correlate, Conv3dPass::spread, Conv3dPass::grad_weight}) {
    REQUIRE(choose<Bf16>(simt_queue(), p, g) == Conv3dAlgorithm::tensor_core);
  }
  const Pass wants = pass(shape, kOut, DType::f64, Device::cpu);
  const simt::Options before = simt::options();
  std::vector<Values> gradients;
  for (const TensorCore how : {TensorCore::exact, TensorCore::sm_80, TensorCore::sm_90}) {
    simt::options().tensor_core = how;
    const Pass got = pass(shape, kOut, DType::bf16, device);
    check(got.y, wants.y, kStore + cut(27 * shape[1]));
    check(got.dx, wants.dx, kStore + cut(27 * kOut));
    check(got.dweight, wants.dweight, cut(shape.voxels()));
    gradients.push_back(got.dweight);
  }
  simt::options() = before;
  if (device != Device::simt) { return; }
  double lost[3] = {};
  for (std::size_t how = 0; how < 3; ++how) {
    for (std::size_t i = 0; i < wants.dweight.size(); ++i) { lost[how] += wants.dweight[i] - gradients[how][i]; }
  }
  CHECK(lost[1] > lost[2]);  // sm_80 cuts twice as often, and a digit earlier
  CHECK(lost[2] > 4 * std::abs(lost[0]));
}

}  // namespace vox::test

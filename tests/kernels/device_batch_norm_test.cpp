#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/base/bf16.h"
#include "kernels/batch_norm.h"
#include "kernels/cuda/run_grid.h"
#include "kernels/simt/instructions.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

/// So many chunks that a block of threads takes several, the last one fewer, and its last one is ragged.
const Shape kLarge{1, 3, 61, 133, 140};

struct Results {
  Values y;
  Values dx;
  Values dgamma;
  Values dbeta;
  Values running_mean;
  Values running_variance;
};

Results results(Device on, DType dtype) {
  const auto vector = [&](double first) {
    return to_tensor({first, first + 0.25, first - 0.125}, {kLarge[1]}, Kind::parameter, dtype).to(on);
  };
  Values values = make_values(kLarge.count(), 5);
  const auto voxels = static_cast<std::size_t>(kLarge.voxels());
  for (std::size_t i = 0; i < values.size(); ++i) {  // means and deviations that change on the way and between channels
    const auto c = static_cast<double>(i / voxels);
    values[i] = values[i] * (1 + static_cast<double>(i % voxels) / static_cast<double>(voxels)) + 16 * c;
  }
  const Tensor x = to_tensor(values, kLarge, Kind::volume, dtype).to(on).requires_grad();
  const Tensor gamma = vector(0.75).requires_grad();
  const Tensor beta = vector(0.25).requires_grad();
  const Tensor mean = vector(0.5);
  const Tensor variance = vector(2);
  const Tensor y = batch_norm_relu(x, gamma, beta, mean, variance, {},
                                   {.p = 0.25, .key = {.seed = 0x123456789ABCULL, .step = 3, .place = 4}});
  backward(y, to_tensor_like(make_values(kLarge.count(), 9), y));
  return {.y = y.to_doubles(),
          .dx = x.grad().to_doubles(),
          .dgamma = gamma.grad().to_doubles(),
          .dbeta = beta.grad().to_doubles(),
          .running_mean = mean.to_doubles(),
          .running_variance = variance.to_doubles()};
}

}  // namespace

TEST_CASE("batch norm of many chunks is on simt and on a GPU what it is on the cpu", "[batch_norm][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    INFO(name(dtype));
    const Results cpu = results(Device::cpu, dtype);
    const Results other = results(device, dtype);
    CHECK(first_mismatch(other.running_mean, cpu.running_mean, DType::f32, 4) == "");
    CHECK(first_mismatch(other.running_variance, cpu.running_variance, DType::f32, 64) == "");
    CHECK(first_mismatch(other.y, cpu.y, dtype, 16) == "");
    CHECK(first_mismatch(other.dgamma, cpu.dgamma, DType::f32, 1024) == "");
    CHECK(first_mismatch(other.dbeta, cpu.dbeta, DType::f32, 1024) == "");
    CHECK(first_mismatch(other.dx, cpu.dx, dtype, 64) == "");
    std::size_t differently_dropped = 0;
    for (std::size_t i = 0; i < cpu.y.size(); ++i) {
      differently_dropped += static_cast<std::size_t>((cpu.y[i] == 0) != (other.y[i] == 0));
    }
    CHECK(differently_dropped == 0);
  }
}

TEST_CASE("the runs of a GPU cover a volume, and there are no more of them than chunks", "[batch_norm][simt]") {
  for (const VolumeShape& s :
       {VolumeShape{1, 1, 1, 1, 1}, VolumeShape{3, 9, 1, 1, 1025}, VolumeShape{1, 16, 64, 64, 64},
        VolumeShape{2, 24, 33, 77, 131}, VolumeShape{1, 16, 128, 128, 128}, VolumeShape{16, 16, 128, 128, 128},
        VolumeShape{1, 32, 240, 240, 155}}) {
    const gpu::RunGrid grid = gpu::run_grid(s);
    INFO(s.n << " " << s.c << " " << s.d << " " << s.h << " " << s.w);
    CHECK(grid.run % kChunkVoxels == 0);
    CHECK(std::int64_t{grid.run} * grid.per_row >= s.voxels());
    CHECK(std::int64_t{grid.run} * (grid.per_row - 1) < s.voxels());
    CHECK(grid.of_channel == s.n * grid.per_row);
    CHECK(grid.count == s.n * s.blocks() * grid.per_row);
    CHECK(grid.count * 2 * kBlock8 <= batch_norm_partials(s));
  }
  CHECK(gpu::run_grid({1, 16, 128, 128, 128}).count == 1024);
  CHECK(gpu::run_grid({1, 32, 64, 64, 64}).count == 512);
  CHECK(gpu::run_grid({1, 64, 32, 32, 32}).count == 256);
}

TEST_CASE("two floats become bf16 as the cpu rounds them, and every NaN 0x7FFF", "[simt]") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> odd{0.0F,         -0.0F,    1.0F, 1.00390625F, 1.01171875F,
                               -1.00390626F, 3.39e38F, kInf, -kInf,       1e-40F};
  for (const float low : odd) {
    for (const float high : odd) {
      CHECK(gpu::bf16x2_rn(low, high) == (std::uint32_t{to_bf16(high).bits} << 16U | to_bf16(low).bits));
      CHECK(gpu::bf16x2_rn_relu(low, high) == gpu::bf16x2_rn(low > 0 ? low : 0, high > 0 ? high : 0));
    }
  }
  const auto other_nan = std::bit_cast<float>(0xFF812345U);
  CHECK(gpu::bf16x2_rn(other_nan, 1.0F) == 0x3F807FFFU);
  CHECK(gpu::bf16x2_rn(1.0F, other_nan) == 0x7FFF3F80U);
  CHECK(gpu::bf16x2_rn_relu(-1.0F, other_nan) == 0x7FFF0000U);
}

}  // namespace vox::test

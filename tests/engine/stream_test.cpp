#include <cmath>

#include "engine/context.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/cpu/simd/stream.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

// Tensors so large that kernels write them past the caches.

namespace vox::test {
namespace {

const Shape kShape{1, 16, 97, 89, 98};  // in tiles of sixteen voxels, rows end in the middle

/// Exact in bf16, so in whatever a convolution makes of them.
Values small_numbers(std::int64_t count, unsigned seed) {
  Values values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<double>((i * 2654435761U + seed) >> 7U & 0xFFU) - 128;
  }
  return values;
}

std::int64_t far_off(const Values& got, const Values& want, double allowed) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < want.size(); ++i) { count += std::abs(got[i] - want[i]) <= allowed ? 0 : 1; }
  return count;
}

}  // namespace

TEST_CASE("a large convolution and its gradient arrive whole", "[conv3d][stream]") {
  REQUIRE(kShape.count() * 4 >= kStreamedResultBytes);
  Values shifts(16 * 16 * 27, 0);  // channel o of the result is channel 15 - o of x, a voxel further on along W
  for (std::size_t o = 0; o < 16; ++o) { shifts[(o * 16 + 15 - o) * 27 + 14] = 1; }
  const Values x = small_numbers(kShape.count(), 1);
  const Values dy = small_numbers(kShape.count(), 2);
  Values y_wanted(x.size(), 0);
  Values dx_wanted(x.size(), 0);
  const std::int64_t width = kShape[4];
  for (std::int64_t i = 0; i < kShape.count(); ++i) {
    const std::int64_t c = i / kShape.voxels();
    const std::int64_t there = (15 - c) * kShape.voxels() + i % kShape.voxels() + 1;
    if (i % width + 1 == width) { continue; }
    y_wanted[static_cast<std::size_t>(i)] = x[static_cast<std::size_t>(there)];
    dx_wanted[static_cast<std::size_t>(there)] = dy[static_cast<std::size_t>(i)];
  }
  const Tensor weight = to_tensor(shifts, {16, 16, 3, 3, 3}, Kind::parameter, DType::f32);
  const Isa best = cpu_queue().isa;
  for (const Isa isa : runnable_isas()) {
    INFO("instruction set " << name(isa));
    cpu_queue().isa = isa;
    Tensor in = to_tensor(x, kShape, Kind::volume, DType::f32).requires_grad();
    const Tensor y = conv3d(in, weight, {});
    backward(y, to_tensor(dy, kShape, Kind::volume, DType::f32));
    // Winograd's algorithm errs by a few 1e-6 of the largest; AMX not at all, the others neither
    CHECK(far_off(y.to_doubles(), y_wanted, 1e-5 * 128) == 0);
    CHECK(far_off(in.grad().to_doubles(), dx_wanted, 1e-5 * 128) == 0);
  }
  cpu_queue().isa = best;
}

TEST_CASE("a large batch norm arrives whole", "[batch_norm][stream]") {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Shape shape{1, 11, 67, 61, 65};  // lines of the second block begin in the middle of one of memory's
    REQUIRE(16 * shape.voxels() * 2 >= kStreamedBytes);
    const Values x = small_numbers(shape.count(), 3);
    const DType type = accumulator(dtype);
    const auto parameter = [&](double value) {
      return cast(to_tensor(Values(11, value), {11}, Kind::parameter, DType::f64), type);
    };
    const Isa best = cpu_queue().isa;
    for (const Isa isa : runnable_isas()) {
      INFO(name(dtype) << ", instruction set " << name(isa));
      cpu_queue().isa = isa;
      const Tensor y = batch_norm(to_tensor(x, shape, Kind::volume, dtype), parameter(2), parameter(3), parameter(8),
                                  parameter(64), {.mode = BatchNormMode::inference, .eps = 1e-9});
      Values wanted(x.size());
      for (std::size_t i = 0; i < x.size(); ++i) { wanted[i] = (x[i] - 8) * 0.25 + 3; }
      CHECK(far_off(y.to_doubles(), wanted, dtype == DType::bf16 ? 64 * 0x1p-8 : 64 * 0x1p-22) == 0);
    }
    cpu_queue().isa = best;
  }
}

}  // namespace vox::test

#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/ops/case_sums.h"
#include "kernels/conv_transpose3d.h"
#include "kernels/plan/gpu.h"
#include "kernels/plan/tiled.h"
#include "kernels/simt/options.h"
#include "tests/engine/op_case.h"
#include "tests/kernels/winograd_error.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

constexpr std::array<Conv3dPass, 3> kPasses = {Conv3dPass::correlate, Conv3dPass::spread, Conv3dPass::grad_weight};
constexpr std::array<Conv3dAlgorithm, 6> kAlgorithms = {Conv3dAlgorithm::amx,   Conv3dAlgorithm::tensor_core,
                                                        Conv3dAlgorithm::gemm,  Conv3dAlgorithm::winograd,
                                                        Conv3dAlgorithm::tiled, Conv3dAlgorithm::direct};
static_assert(kAlgorithms.size() == static_cast<std::size_t>(Conv3dAlgorithm::count_));

const char* name(Conv3dPass pass) {
  return pass == Conv3dPass::correlate ? "correlate" : pass == Conv3dPass::spread ? "spread" : "grad_weight";
}

std::string describe(const Conv3dGeometry& g) {
  return fmt::format("{}x{}x{}x{}x{} to {}, kernel {}, stride {}, padding {}, split {}", g.x.n, g.x.c, g.x.d, g.x.h,
                     g.x.w, g.y.c, g.kernel, g.stride, g.padding, g.split);
}

/// Ragged channels, rows longer and shorter than a register tile, blocks cut along D and H, several parts of a weight
/// gradient, taps that never meet the volume, and transposed geometries no conv3d of ours has.
std::vector<Conv3dGeometry> geometries() {
  const auto conv = [](const Shape& x, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                       std::int64_t padding = -1) {
    return conv3d_geometry(x.volume(), out, kernel, stride, padding < 0 ? kernel / 2 : padding);
  };
  const auto transposed = [](const Shape& x, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                             std::int64_t padding, std::int64_t output_padding) {
    return conv_transpose3d_geometry(x.volume(), out, kernel, stride, padding, output_padding);
  };
  const auto split = [](Conv3dGeometry g, std::int64_t channels) {
    g.split = channels;
    return g;
  };
  return {split(conv({2, 11, 3, 5, 6}, 9, 3), 8),  // a group of 16 channels that is half in each tensor
          split(conv({2, 21, 5, 9, 18}, 16, 3), 16),
          split(conv({1, 32, 9, 7, 5}, 40, 3), 16),   // a group of 32 that is half in each
          split(conv({1, 48, 3, 4, 20}, 12, 3), 40),  // an odd number of blocks in the first
          split(conv({2, 16, 4, 5, 6}, 5, 1), 8),
          split(conv({2, 24, 5, 6, 7}, 9, 3, 2), 8),
          split(conv({1, 9, 3, 4, 5}, 3, 9), 8),
          split(transposed({2, 5, 3, 4, 5}, 20, 2, 2, 0, 0), 8),  // no operator splits these
          conv({0, 3, 4, 4, 4}, 5, 3),                            // no case at all
          conv({1, 1, 1, 1, 1}, 1, 3),
          conv({2, 3, 5, 6, 7}, 4, 3),
          conv({1, 4, 9, 10, 31}, 16, 3),
          conv({1, 16, 11, 13, 29}, 16, 3),
          conv({1, 24, 5, 6, 64}, 12, 3),
          conv({1, 12, 4, 5, 8}, 33, 3),
          conv({2, 40, 4, 4, 4}, 32, 3),
          conv({1, 8, 3, 7, 2}, 64, 3),
          conv({1, 5, 40, 33, 3}, 3, 3),
          conv({2, 16, 9, 9, 33}, 24, 3),   // a GPU's tiles of 16x16: a voxel more than two, and half of one
          conv({1, 33, 5, 17, 16}, 16, 3),  // an odd number of channel blocks, and a row more than a tile
          conv({1, 72, 4, 6, 18}, 8, 3),    // more weights than a GPU keeps in shared memory
          conv({540, 3, 2, 1, 2}, 5, 3),    // more columns of tiles than a GPU has splits of a weight gradient
          conv({1, 16, 6, 7, 9}, 4, 1),
          conv({1, 300, 3, 2, 4}, 8, 1),
          conv({2, 4, 3, 5, 31}, 48, 1),
          conv({1, 3, 6, 5, 7}, 8, 5),
          conv({1, 2, 3, 4, 5}, 2, 7),
          conv({1, 2, 3, 4, 5}, 2, 9),  // more taps than the tiled algorithm takes
          conv({2, 9, 7, 8, 9}, 17, 3, 2),
          conv({2, 12, 6, 9, 7}, 16, 3, 2),    // phases, an odd number of blocks in one, tiles of 8x8
          conv({1, 16, 5, 36, 21}, 32, 3, 2),  // and of 16x16, whole steps of a phase
          split(conv({1, 24, 4, 3, 34}, 12, 3, 2), 8),
          conv({1, 8, 8, 9, 10}, 16, 1, 2),
          conv({1, 3, 9, 8, 7}, 5, 5, 2, 0),
          conv({1, 3, 4, 5, 6}, 5, 3, 1, 4),
          transposed({1, 20, 5, 4, 16}, 12, 2, 2, 0, 0),
          transposed({2, 8, 3, 4, 5}, 33, 2, 2, 0, 0),
          transposed({2, 24, 5, 9, 13}, 48, 2, 2, 0, 0),  // odd chunks, and more voxels than a thread block has
          transposed({1, 5, 3, 4, 5}, 7, 3, 2, 1, 1),
          transposed({1, 16, 3, 4, 5}, 7, 3, 2, 1, 1),  // phases, with a bias
          transposed({1, 5, 3, 4, 2}, 7, 4, 3, 2, 2),
          transposed({1, 3, 2, 3, 4}, 9, 1, 3, 0, 2),
          transposed({1, 3, 2, 3, 4}, 2, 2, 5, 1, 0)};  // a stride the tiled algorithm does not take
}

/// The x of a geometry: one tensor, or two where that is split.
struct Parts {
  Tensor first;
  Tensor second;
};
Parts fresh_parts(const Conv3dGeometry& g, DType dtype, Device device) {
  const auto part = [&](std::int64_t c) { return Tensor::volume({g.x.n, c, g.x.d, g.x.h, g.x.w}, dtype, device); };
  if (g.split == 0) { return {part(g.x.c), {}}; }
  return {part(g.split), part(g.x.c - g.split)};
}
Parts parts_of(const Conv3dGeometry& g, const Tensor& whole) {
  if (g.split == 0) { return {whole, {}}; }
  const Values all = whole.to_doubles();
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t voxels = g.x.voxels();
    Values v;
    for (std::int64_t n = 0; n < g.x.n; ++n) {
      v.insert(v.end(), all.begin() + (n * g.x.c + begin) * voxels, all.begin() + (n * g.x.c + end) * voxels);
    }
    return to_tensor(v, {g.x.n, end - begin, g.x.d, g.x.h, g.x.w}, Kind::volume, whole.dtype()).to(whole.device());
  };
  return {part(0, g.split), part(g.split, g.x.c)};
}
template <class T> std::span<const T> values_or_none(const Tensor& t) {
  return t.defined() ? t.values<T>() : std::span<const T>{};
}
Conv3dGeometry unsplit(Conv3dGeometry g) {
  g.split = 0;
  return g;
}

Shape shape_of(const VolumeShape& s) { return {s.n, s.c, s.d, s.h, s.w}; }
Shape weight_of(const Conv3dGeometry& g) { return {g.y.c, g.x.c, g.kernel, g.kernel, g.kernel}; }

/// One pass of one algorithm on values that are the same, and exact, in every dtype; `first` is that of x and of y.
Tensor run(Conv3dPass pass, Conv3dAlgorithm algorithm, const Conv3dGeometry& g, DType dtype,
           Device device = Device::cpu, double first = 0.5) {
  const bool spread = pass == Conv3dPass::spread;
  const DType acc = accumulator(dtype);
  const auto values = [](const Shape& s, unsigned seed) { return make_values(s.count(), seed); };
  const auto input = [&](const Shape& s, unsigned seed) {
    Values v = values(s, seed);
    if (!v.empty()) { v[0] = first; }
    return v;
  };
  const Parts x = parts_of(g, to_tensor(input(shape_of(g.x), 1), shape_of(g.x), Kind::volume, dtype).to(device));
  const Tensor y = to_tensor(input(shape_of(g.y), 2), shape_of(g.y), Kind::volume, dtype).to(device);
  const Tensor weight = to_tensor(values(weight_of(g), 3), weight_of(g), Kind::parameter, dtype).to(device);
  const Shape bias_shape{spread ? g.x.c : g.y.c};
  const Tensor bias = to_tensor(values(bias_shape, 4), bias_shape, Kind::parameter, dtype).to(device);
  set_fresh_memory(FreshMemory::nan);
  Tensor result = pass == Conv3dPass::grad_weight ? Tensor(weight_of(g), acc, device) : Tensor::like(y);
  Parts spread_out = fresh_parts(g, dtype, device);
  dispatch(device, dtype, [&]<class T>(auto& q, TypeTag<T>) {
    const auto scratch_for = [&](std::int64_t elements) { return Tensor({elements}, acc, device); };
    if (pass == Conv3dPass::correlate) {
      Tensor scratch = scratch_for(conv3d_forward_scratch(q, g, algorithm));
      conv3d_forward(q, Conv3dArgs<T>{.geometry = g,
                                      .algorithm = algorithm,
                                      .x = x.first.values<T>(),
                                      .x2 = values_or_none<T>(x.second),
                                      .weight = weight.values<Acc<T>>(),
                                      .bias = bias.values<Acc<T>>(),
                                      .y = result.mutable_values<T>(),
                                      .scratch = scratch.mutable_values<Acc<T>>()});
    } else if (spread) {
      Tensor scratch = scratch_for(conv_transpose3d_scratch(q, g, algorithm));
      conv_transpose3d_forward(
          q, ConvTranspose3dArgs<T>{.geometry = g,
                                    .algorithm = algorithm,
                                    .x = y.values<T>(),
                                    .weight = weight.values<Acc<T>>(),
                                    .bias = bias.values<Acc<T>>(),
                                    .y = spread_out.first.mutable_values<T>(),
                                    .y2 = g.split != 0 ? spread_out.second.mutable_values<T>() : std::span<T>(),
                                    .scratch = scratch.mutable_values<Acc<T>>()});
    } else {
      Tensor scratch = scratch_for(conv3d_grad_weight_scratch(q, g, algorithm));
      CaseSums of_cases(result.shape(), result.dtype(), result.device(), g.x.n);
      conv3d_grad_weight(q, Conv3dGradWeightArgs<T>{.geometry = g,
                                                    .algorithm = algorithm,
                                                    .x = x.first.values<T>(),
                                                    .x2 = values_or_none<T>(x.second),
                                                    .dy = y.values<T>(),
                                                    .dweight = of_cases.rows<Acc<T>>(),
                                                    .scratch = scratch.mutable_values<Acc<T>>()});
      result = of_cases.sum();
    }
  });
  set_fresh_memory(FreshMemory::as_found);
  if (!spread) { return result; }
  if (g.split == 0) { return spread_out.first; }
  CHECK(nonzero_padding(spread_out.second) == "");
  return concat(spread_out.first, spread_out.second);
}

/// Of a processor without AMX: tests/kernels/conv3d_amx_test.cpp has what is chosen with it.
Conv3dAlgorithm chosen(const Conv3dGeometry& g) {
  return choose<float>(CpuQueue{.threads = 2, .isa = Isa::avx2}, Conv3dPass::correlate, g);
}

std::int64_t terms(Conv3dPass pass, const Conv3dGeometry& g) {
  const std::int64_t taps = g.kernel * g.kernel * g.kernel;
  return pass == Conv3dPass::correlate ? g.x.c * taps
         : pass == Conv3dPass::spread  ? g.y.c * taps
                                       : g.y.n * g.y.voxels();
}

}  // namespace

TEST_CASE("every conv3d algorithm that fits gives the direct one's result in every dtype on every instruction set",
          "[conv3d]") {
  const CpuQueue before = cpu_queue();
  for (const Conv3dGeometry& g : geometries()) {
    for (const Conv3dPass pass : kPasses) {
      cpu_queue() = {.threads = 1, .isa = Isa::baseline};
      const Values wants = run(pass, Conv3dAlgorithm::direct, unsplit(g), DType::f64).to_doubles();
      for (const Isa isa : runnable_isas()) {
        cpu_queue() = {.threads = 2, .isa = isa};
        for (const Conv3dAlgorithm algorithm : kAlgorithms) {
          for (const DType dtype : dtypes_on(isa)) {
            bool takes = false;
            dispatch_type(dtype, [&]<class T>(TypeTag<T>) { takes = fits<T>(cpu_queue(), algorithm, pass, g); });
            if (!takes) { continue; }
            INFO(describe(g) << ", " << name(pass) << ", algorithm " << static_cast<int>(algorithm) << ", "
                             << vox::name(dtype) << ", " << vox::name(isa));
            const Tensor got = run(pass, algorithm, g, dtype);
            const double conditioning =
                algorithm == Conv3dAlgorithm::winograd ? winograd_amplification(g, pass) / std::sqrt(27.0) : 1;
            CHECK(first_mismatch(got.to_doubles(), wants, got.dtype(), terms(pass, g), conditioning) == "");
            CHECK(nonzero_padding(got) == "");
          }
        }
      }
    }
  }
  cpu_queue() = before;
}

namespace {
/// Cases of their own, which run beside one another: under AddressSanitizer each takes minutes.
void check_on_devices(Conv3dAlgorithm algorithm) {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const Conv3dGeometry& g : few_under_asan(geometries())) {
    for (const Conv3dPass pass : kPasses) {
      const Values wants = run(pass, Conv3dAlgorithm::direct, unsplit(g), DType::f64).to_doubles();
      for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
        bool takes = false;
        dispatch_type(dtype, [&]<class T>(TypeTag<T>) { takes = fits<T>(simt_queue(), algorithm, pass, g); });
        if (!takes) { continue; }
        INFO(describe(g) << ", " << name(pass) << ", " << vox::name(dtype));
        const Tensor got = run(pass, algorithm, g, dtype, device);
        CHECK(first_mismatch(got.to_doubles(), wants, got.dtype(), terms(pass, g)) == "");
        CHECK(nonzero_padding(got) == "");
      }
    }
  }
}
}  // namespace

TEST_CASE("conv3d by its definition on simt and on a GPU gives the cpu's result", "[conv3d][simt][cuda]") {
  check_on_devices(Conv3dAlgorithm::direct);
}
TEST_CASE("conv3d by a march on simt and on a GPU gives the cpu's result", "[conv3d][simt][cuda]") {
  check_on_devices(Conv3dAlgorithm::tiled);
}
TEST_CASE("conv3d by tensor cores on simt and on a GPU gives the cpu's result", "[conv3d][simt][cuda]") {
  check_on_devices(Conv3dAlgorithm::tensor_core);
}
TEST_CASE("conv3d as a product of matrices on simt and on a GPU gives the cpu's result", "[conv3d][simt][cuda]") {
  check_on_devices(Conv3dAlgorithm::gemm);
}

/// In the small geometries above few thread blocks cover the volume, and its channels are always split.
TEST_CASE("where thread blocks are many, a march takes all input channels itself", "[conv3d][march][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const std::int64_t channels : {24, 32, 72}) {
    const Conv3dGeometry g = conv3d_geometry(Shape{100, channels, 1, 2, 9}.volume(), 20, 3, 1, 1);
    for (const Conv3dPass pass : {Conv3dPass::correlate, Conv3dPass::spread}) {
      const Values wants = run(pass, Conv3dAlgorithm::direct, g, DType::f64).to_doubles();
      for (const auto& [algorithm, dtype] :
           {std::pair{Conv3dAlgorithm::tiled, DType::f32}, std::pair{Conv3dAlgorithm::tensor_core, DType::bf16}}) {
        INFO(describe(g) << ", " << name(pass) << ", " << vox::name(dtype));
        CHECK(conv3d_march(g, pass, kBlock8).shares == 1);
        const Tensor got = run(pass, algorithm, g, dtype, device);
        CHECK(first_mismatch(got.to_doubles(), wants, got.dtype(), terms(pass, g)) == "");
        CHECK(nonzero_padding(got) == "");
      }
    }
  }
}

TEST_CASE("conv3d on the simt device gives the same bits in any order of blocks and threads",
          "[conv3d][simt][determinism]") {
  const simt::Options before = simt::options();
  const auto conv = [](const Shape& x, std::int64_t out, std::int64_t kernel) {
    return conv3d_geometry(x.volume(), out, kernel, 1, kernel / 2);
  };
  Conv3dGeometry split = conv({1, 24, 4, 5, 9}, 20, 3);
  split.split = 8;
  for (const Conv3dGeometry& g :
       {split, conv({2, 16, 5, 9, 18}, 24, 3), conv({1, 20, 9, 7, 8}, 33, 3), conv({1, 24, 3, 5, 33}, 4, 1),
        conv_transpose3d_geometry(Shape{1, 24, 3, 4, 5}.volume(), 12, 2, 2, 0, 0)}) {
    for (const Conv3dPass pass : kPasses) {
      for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
        for (const Conv3dAlgorithm algorithm : kAlgorithms) {
          bool takes = false;
          dispatch_type(dtype, [&]<class T>(TypeTag<T>) { takes = fits<T>(simt_queue(), algorithm, pass, g); });
          if (!takes) { continue; }
          INFO(describe(g) << ", " << name(pass) << ", " << vox::name(dtype) << ", algorithm "
                           << static_cast<int>(algorithm));
          simt::options().order = simt::Order::forward;
          const Values forward = run(pass, algorithm, g, dtype, Device::simt).to_doubles();
          simt::options().order = simt::Order::reverse;
          CHECK(forward == run(pass, algorithm, g, dtype, Device::simt).to_doubles());
          simt::options().order = simt::Order::random;
          simt::options().seed = 7;
          CHECK(forward == run(pass, algorithm, g, dtype, Device::simt).to_doubles());
        }
      }
    }
  }
  simt::options() = before;
}

TEST_CASE("padding channels stay zero on the simt device where an input is infinite", "[conv3d][simt]") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Conv3dGeometry g = conv3d_geometry(Shape{1, 3, 3, 4, 5}.volume(), 12, 3, 1, 1);
  const Conv3dGeometry up = conv_transpose3d_geometry(Shape{1, 3, 2, 2, 3}.volume(), 5, 2, 2, 0, 0);
  for (const Conv3dAlgorithm algorithm : kAlgorithms) {
    for (const Conv3dPass pass : {Conv3dPass::correlate, Conv3dPass::spread}) {
      for (const DType dtype : {DType::f32, DType::bf16}) {
        for (const Conv3dGeometry& geometry : {g, up}) {
          bool takes = false;
          dispatch_type(dtype, [&]<class T>(TypeTag<T>) { takes = fits<T>(simt_queue(), algorithm, pass, geometry); });
          if (!takes) { continue; }
          INFO(describe(geometry) << ", " << name(pass) << ", " << vox::name(dtype) << ", algorithm "
                                  << static_cast<int>(algorithm));
          CHECK(nonzero_padding(run(pass, algorithm, geometry, dtype, Device::simt, kInfinity)) == "");
        }
      }
    }
  }
}

TEST_CASE("convolutions give the same bits for any number of threads", "[conv3d][determinism]") {
  const CpuQueue before = cpu_queue();
  for (const Conv3dGeometry& g : geometries()) {
    for (const Conv3dPass pass : kPasses) {
      for (const Conv3dAlgorithm algorithm :
           {Conv3dAlgorithm::amx, Conv3dAlgorithm::gemm, Conv3dAlgorithm::winograd, Conv3dAlgorithm::tiled}) {
        if (!fits<float>(cpu_queue(), algorithm, pass, g)) { continue; }
        INFO(describe(g) << ", " << name(pass) << ", algorithm " << static_cast<int>(algorithm));
        cpu_queue().threads = 1;
        const Values one = run(pass, algorithm, g, DType::f32).to_doubles();
        cpu_queue().threads = 3;
        CHECK(one == run(pass, algorithm, g, DType::f32).to_doubles());
        cpu_queue().threads = 50;
        CHECK(one == run(pass, algorithm, g, DType::f32).to_doubles());
      }
    }
  }
  cpu_queue() = before;
}

TEST_CASE("choose takes the first algorithm that fits, and the direct one fits everything", "[conv3d]") {
  const VolumeShape x{.n = 1, .c = 16, .d = 64, .h = 64, .w = 64};
  CHECK(chosen(conv3d_geometry(x, 16, 3, 1, 1)) == Conv3dAlgorithm::winograd);
  CHECK(chosen(conv3d_geometry(x, 4, 3, 1, 1)) == Conv3dAlgorithm::tiled);
  CHECK(chosen(conv3d_geometry(x, 4, 1, 1, 0)) == Conv3dAlgorithm::gemm);
  CHECK(chosen(conv3d_geometry(x, 16, 9, 1, 4)) == Conv3dAlgorithm::direct);
  CHECK(chosen(conv3d_geometry(x, 16, 5, 5, 0)) == Conv3dAlgorithm::direct);
  CHECK(chosen(conv3d_geometry({.n = 1, .c = 1, .d = 1, .h = 1, .w = 5000}, 1, 3, 1, 1)) == Conv3dAlgorithm::direct);
  for (const Conv3dGeometry& g : geometries()) {
    CHECK(fits<float>(cpu_queue(), Conv3dAlgorithm::direct, Conv3dPass::correlate, g));
  }
}

TEST_CASE("the blocks of a tiling cover the lattice and its classes cover the taps", "[conv3d]") {
  for (const Conv3dGeometry& g : geometries()) {
    if (!fits<float>(cpu_queue(), Conv3dAlgorithm::tiled, Conv3dPass::correlate, g)) { continue; }
    for (const Conv3dPass pass : kPasses) {
      INFO(describe(g) << ", " << name(pass));
      const Conv3dTiling t = conv3d_tiling(g, pass, 1);
      CHECK((t.blocks_d - 1) * t.block_d < t.lattice_d);
      CHECK(t.blocks_d * t.block_d >= t.lattice_d);
      CHECK(t.blocks_h * t.block_h >= t.lattice_h);
      CHECK(t.groups * t.group >= t.out.c);
      const Conv3dTaps taps = conv3d_taps(g, t);
      std::vector<int> seen(static_cast<std::size_t>(t.taps), 0);
      for (std::size_t k = 0; k < seen.size(); ++k) { ++seen[static_cast<std::size_t>(taps.tap[k])]; }
      CHECK(seen == std::vector<int>(seen.size(), 1));
      CHECK(taps.classes[static_cast<std::size_t>(taps.class_count - 1)].end == t.taps);
    }
  }
}

}  // namespace vox::test

#include "benchmarks/workloads/cost.h"

#include <nlohmann/json.hpp>
#include <string>

#include "benchmarks/workloads/kernel_case.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "engine/allocator.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"

// What the bench reckons before it measures: operations on voxels, and memory.

namespace vox::test {
namespace {

using bench::KernelCase;
using bench::KernelSpec;
using bench::Pass;

KernelSpec spec_of(Op op, Pass pass, const std::string& shape, std::int64_t batch = 1) {
  return {.op = op, .pass = pass, .shape = bench::parse_shape(shape), .batch = batch};
}
bench::Cost cost_at(Op op, Pass pass, const std::string& shape, std::int64_t batch = 1) {
  return KernelCase(spec_of(op, pass, shape, batch), Device::cpu).cost();
}

/// Pairs of an output and a tap that meet a voxel, counted one by one; extents stay as they are.
double counted(const std::array<std::int64_t, 3>& extent, std::int64_t kernel) {
  const auto inside = [&](std::int64_t at, std::size_t axis) { return at >= 0 && at < extent[axis]; };
  double pairs = 0;
  for (std::int64_t d = 0; d < extent[0]; ++d) {
    for (std::int64_t h = 0; h < extent[1]; ++h) {
      for (std::int64_t w = 0; w < extent[2]; ++w) {
        for (std::int64_t tap = 0; tap < kernel * kernel * kernel; ++tap) {
          const std::int64_t half = kernel / 2;
          pairs += inside(d - half + tap / (kernel * kernel), 0) && inside(h - half + tap / kernel % kernel, 1) &&
                           inside(w - half + tap % kernel, 2)
                       ? 1
                       : 0;
        }
      }
    }
  }
  return pairs;
}

}  // namespace

TEST_CASE("taps on voxels along an axis are those that one counts", "[bench][cost]") {
  for (const std::int64_t x : {1, 2, 3, 7, 56}) {
    for (const std::int64_t kernel : {1, 2, 3, 5, 9}) {
      for (const std::int64_t stride : {1, 2, 3}) {
        for (const std::int64_t padding : {0, 1, 2, 4}) {
          const std::int64_t outputs = x + 2 * padding < kernel ? 0 : (x + 2 * padding - kernel) / stride + 1;
          double wants = 0;
          for (std::int64_t o = 0; o < outputs; ++o) {
            for (std::int64_t k = 0; k < kernel; ++k) {
              const std::int64_t at = o * stride - padding + k;
              wants += at >= 0 && at < x ? 1 : 0;
            }
          }
          INFO(x << " voxels, kernel " << kernel << ", stride " << stride << ", padding " << padding);
          CHECK(bench::taps_on_voxels(x, outputs, kernel, stride, padding) == wants);
        }
      }
    }
  }
}

TEST_CASE("operations of a convolution on voxels are those that one counts, in every pass", "[bench][cost]") {
  for (const char* const extents :
       {"1x56x56", "1x1x1", "3x5x7", "2x9x4", "6^3", "3x5x7k1", "1x56x56k1", "3x5x7k5", "2x1x4k7"}) {
    const bench::KernelShape shape = bench::parse_shape("1@" + std::string(extents));
    const std::int64_t kernel = shape.kernel == 0 ? 3 : shape.kernel;
    const double all =
        static_cast<double>(kernel * kernel * kernel * shape.extent[0] * shape.extent[1] * shape.extent[2]);
    const double wants = counted(shape.extent, kernel);
    for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
      INFO(extents << " " << bench::name(pass));
      const bench::Cost conv = cost_at(Op::conv3d, pass, "3-9@" + std::string(extents), 2);
      CHECK(conv.flops == 2 * 2 * 3 * 9 * all);
      CHECK(conv.flops_on_voxels == 2 * 2 * 3 * 9 * wants);
      const bench::Cost both = cost_at(Op::conv3d_concat, pass, "8+3-5@" + std::string(extents));
      CHECK(both.flops_on_voxels == 2 * 11 * 5 * wants);
      if (pass == Pass::grad_weight) { continue; }
      const double times = pass == Pass::forward ? 1 : 2;  // the gradients of a layer are all of one pass
      const bench::Cost layer = cost_at(Op::conv3d_batch_norm_relu, pass, "3-9@" + std::string(extents), 2);
      CHECK(layer.flops == times * 2 * 2 * 3 * 9 * all);
      CHECK(layer.flops_on_voxels == times * 2 * 2 * 3 * 9 * wants);
    }
  }
  // Of stride 2: along 4, 5 and 1 voxels windows of 3 begin at -1, 1; -1, 1, 3; -1. They hold 2 + 3, 2 + 3 + 2 and 1.
  CHECK(cost_at(Op::conv3d, Pass::forward, "3-9@4x5x1s2").flops_on_voxels == 2 * 3 * 9 * (5 * 7 * 1));
  CHECK(cost_at(Op::conv3d, Pass::grad_weight, "3-9@1x1x1s2").flops_on_voxels == 2 * 3 * 9);
  const bench::Cost up = cost_at(Op::conv_transpose3d, Pass::forward, "8-4@1x5x3");
  CHECK(up.flops == 2 * 8 * 8 * 4 * 15);
  CHECK(up.flops_on_voxels == up.flops);
  CHECK(cost_at(Op::conv3d, Pass::forward, "3-9@3x5x7k1").flops_on_voxels == 2 * 3 * 9 * 105);
  CHECK(cost_at(Op::relu, Pass::forward, "3@3x5x7").flops_on_voxels == 0);
}

TEST_CASE("bench kernel says what share of its operations lies on voxels", "[bench][cost]") {
  const TempFolder folder;
  const std::string json = (folder / "k.json").string();
  const std::string common = "bench kernel --pass forward --rounds 1 --least-seconds 0.0001 --json " + json + " --op ";
  const Ended flat = voxgrad(common + "conv3d --shape 8-16@1x8x8,8-8@1x8x8");
  CHECK(flat.code == 0);
  CHECK_THAT(flat.output,
             ContainsSubstring("- GFLOP/s counts all taps of the direct form; on voxels and not on padding, "
                               "as benchdnn counts, are 28.0 % at 1x8x8\n"));
  const auto row = nlohmann::json::parse(read_bytes(json))["rows"][0];
  CHECK(row["flops"].get<double>() == 2 * 8 * 16 * 64 * 27);
  CHECK(row["flops_on_voxels"].get<double>() == 2 * 8 * 16 * 22 * 22);
  const Ended none = voxgrad(common + "conv3d,conv_transpose3d --shape 8-8@4^3k1");
  CHECK(none.output.find("benchdnn") == std::string::npos);
}

TEST_CASE("no operator is refused for more memory than it takes", "[bench][cost]") {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Op::count_); ++i) {
    const auto op = static_cast<Op>(i);
    const bool out = bench::has_pass(op, Pass::grad_weight) || op == Op::conv3d_batch_norm_relu ||
                     op == Op::conv3d_instance_norm_relu;
    const bool equal = op == Op::add || op == Op::mul;
    const bool few = op == Op::dice_bce_loss;  // a channel is a region, of 8 at most
    const bool two = op == Op::conv3d_concat || op == Op::concat;
    for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
      if (!bench::has_pass(op, pass)) { continue; }
      for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        KernelSpec spec = spec_of(op, pass,
                                  std::string(equal ? "11+11"
                                              : two ? "16+8"
                                              : few ? "8"
                                                    : "11") +
                                      (out ? "-5" : "") + "@6x4x10",
                                  2);
        spec.dtype = dtype;
        INFO(name(op) << " " << bench::name(pass) << " " << name(dtype));
        const std::size_t before = memory_report(Device::cpu).in_use_bytes;
        reset_peak(Device::cpu);
        static_cast<void>(KernelCase(spec, Device::cpu).run(1, bench::Cache::warm));
        const auto took = static_cast<double>(memory_report(Device::cpu).peak_bytes - before);
        const double least = bench::least_bytes(spec, Device::cuda);  // without what is drawn beside the tensors
        CHECK(least <= took);
        CHECK(least >= 2 * (few ? 8 : 11) * 240 * static_cast<double>(size_of(dtype)));
      }
    }
  }
}

TEST_CASE("work that is beyond any memory is a line that says what it takes and what there is", "[bench][cost]") {
  CHECK_THROWS_AS(bench::operands_of(spec_of(Op::relu, Pass::forward, "8@1000000^3"), Device::cpu), MemoryError);
  CHECK_THROWS_WITH(bench::operands_of(spec_of(Op::conv3d, Pass::grad_input, "8-8@1000000^3"), Device::cpu),
                    ContainsSubstring("conv3d grad-input 8-8@1000000^3, batch 1, f32: takes at least ") &&
                        ContainsSubstring(" GiB; there is "));
  for (const char* const shape :
       {"1000000-1000000@1^3", "8-8@4^3k999999", "1-1@1000000x1000000x1", "999999-8@1000000^3"}) {
    INFO(shape);
    CHECK_THROWS_AS(bench::operands_of(spec_of(Op::conv3d, Pass::forward, shape), Device::cpu), MemoryError);
  }
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS_AS(bench::operands_of(spec_of(Op::relu, Pass::forward, "8@4^3", most), Device::cpu), MemoryError);
  CHECK_THROWS_AS(bench::operands_of(spec_of(Op::conv_transpose3d, Pass::forward, "1-1000000@10000^3"), Device::cpu),
                  MemoryError);

  for (const char* const arguments :
       {"step --size 1600000", "predict --size 16000000000000", "step --size 16 --batch 9000000000000000000",
        "step --size 16 --widths 65536,65536,65536,65536,65536", "predict --size 16 --widths 8,8,8,65536,65536",
        "step --profile --size 1600000"}) {
    INFO(arguments);
    const Ended e = voxgrad("bench " + std::string(arguments) + " --rounds 1");
    CHECK(e.code == 2);
    CHECK_THAT(e.output, ContainsSubstring("takes at least ") && ContainsSubstring("; there is "));
    CHECK(e.output.find("std::") == std::string::npos);
  }
  const Ended kernel = voxgrad("bench kernel --op conv3d,relu --shape 8-8@1000000^3 --rounds 1");
  CHECK(kernel.code == 2);
  CHECK_THAT(kernel.output,
             ContainsSubstring("| conv3d ") && ContainsSubstring("takes at least ") && ContainsSubstring("| relu "));
  const Ended seed = voxgrad("bench kernel --op relu --size 9000000000000000000 --rounds 1");
  CHECK(seed.code == 2);
  CHECK_THAT(seed.output, ContainsSubstring("takes at least "));
}

}  // namespace vox::test

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/context.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/plan/amx.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

// AMX multiplies f32 as two bf16 halves each: 16 bits of mantissa, products exact, sums in f32.

namespace vox::test {
namespace {

struct Layer {
  Shape x;
  std::int64_t split;  ///< channels of x in a first tensor; 0: one tensor
  std::int64_t out;
  std::int64_t padding;
};

/// Three taps in a tile, rows of two in a tile, ragged rows and channels, inputs in two tensors, more weights than are
/// packed for all workers at once, a single plane, and planes that go through a ring.
const std::vector<Layer>& layers() {
  static const std::vector<Layer> all = {
      {{2, 40, 5, 6, 18}, 16, 24, 1},  {{1, 4, 9, 10, 31}, 0, 16, 1},   {{1, 7, 3, 5, 6}, 0, 5, 1},
      {{1, 16, 11, 13, 64}, 0, 16, 1}, {{2, 16, 4, 4, 8}, 0, 40, 1},    {{1, 64, 6, 7, 20}, 0, 33, 1},
      {{1, 33, 5, 17, 16}, 0, 48, 0},  {{1, 3, 4, 5, 6}, 0, 5, 2},      {{2, 128, 3, 3, 4}, 0, 144, 1},
      {{1, 16, 1, 6, 9}, 0, 16, 1},    {{1, 16, 24, 24, 40}, 0, 16, 1}, {{1, 32, 24, 12, 18}, 0, 20, 1}};
  return all;
}

Conv3dGeometry geometry(const Layer& l) {
  Conv3dGeometry g = conv3d_geometry(l.x.volume(), l.out, 3, 1, l.padding);
  g.split = l.split;
  return g;
}

/// y, the gradient of x (of both parts, one after the other) and that of the weight.
std::array<Values, 3> run(const Layer& l, DType dtype, bool magnitudes) {
  const Conv3dGeometry g = geometry(l);
  const auto volume = [&](const Shape& s, unsigned seed) {
    return cast(Tensor::volume_of<double>(s, make_full_mantissa(s.count(), seed, magnitudes)), dtype);
  };
  const auto part = [&](std::int64_t c) { return Shape{l.x[0], c, l.x[2], l.x[3], l.x[4]}; };
  const Shape kernel{l.out, l.x[1], 3, 3, 3};
  Tensor w = cast(Tensor::of<double>(kernel, make_full_mantissa(kernel.count(), 3, magnitudes)), dtype).requires_grad();
  Tensor a = volume(l.split == 0 ? l.x : part(l.split), 1).requires_grad();
  const Conv3dOptions options{.stride = 1, .padding = l.padding};
  Tensor b = l.split == 0 ? Tensor() : volume(part(l.x[1] - l.split), 2).requires_grad();
  const Tensor y = l.split == 0 ? conv3d(a, w, {}, options) : conv3d_concat(a, b, w, {}, options);
  backward(y, volume({g.y.n, g.y.c, g.y.d, g.y.h, g.y.w}, 4));
  Values dx = a.grad().to_doubles();
  if (b.defined()) {
    const Values more = b.grad().to_doubles();
    dx.insert(dx.end(), more.begin(), more.end());
  }
  return {y.to_doubles(), dx, w.grad().to_doubles()};
}

}  // namespace

TEST_CASE("AMX convolutions of f32 are as exact as two halves of 16 bits", "[conv3d][amx]") {
  if (best_isa() != Isa::amx) {
    WARN("skipped: this processor has no AMX");
    return;
  }
  const CpuQueue before = cpu_queue();
  fmt::print("# largest error / largest |result|, uniformly distributed inputs: y, dx, dW\n");
  for (const Layer& l : layers()) {
    const Conv3dGeometry g = geometry(l);
    std::array<double, 3> errors{};
    cpu_queue() = {.threads = 2, .isa = Isa::amx, .conv = ConvChoice::amx};
    const std::array<Values, 3> truth = run(l, DType::f64, false);
    const std::array<Values, 3> size = run(l, DType::f64, true);  // the sums of |x| |w|
    const std::array<Values, 3> got = run(l, DType::f32, false);
    const std::array<std::int64_t, 3> terms = {g.x.c * 27, g.y.c * 27, g.y.n * g.y.voxels()};
    for (std::size_t k = 0; k < got.size(); ++k) {
      INFO(l.x.str() << " to " << l.out << ", pass " << k);
      REQUIRE(choose<float>(cpu_queue(), static_cast<Conv3dPass>(k), g) == Conv3dAlgorithm::amx);
      // Each factor keeps 2^-17 of its value or better, low*low may be missing (2^-18), and each of the three sums of n
      // terms in f32 adds at most n * 2^-24 of the same size.
      const double allowed = 2 * 0x1p-17 + 0x1p-18 + 3 * static_cast<double>(terms[k]) * 0x1p-24;
      double worst = 0;
      double largest = 0;
      for (std::size_t i = 0; i < truth[k].size(); ++i) {
        const double error = std::abs(got[k][i] - truth[k][i]);
        if (!(std::isfinite(truth[k][i]) && error <= allowed * size[k][i])) {
          FAIL("element " << i << ": got " << got[k][i] << ", wants " << truth[k][i] << " of " << size[k][i]);
        }
        worst = std::max(worst, error);
        largest = std::max(largest, std::abs(truth[k][i]));
      }
      CHECK(worst > 0);  // nothing else would be sixteen bits
      errors[k] = worst / largest;
    }
    fmt::print("{:<24}\t{:8.1e}\t{:8.1e}\t{:8.1e}\n", fmt::format("{} to {}", l.x.str(), l.out), errors[0], errors[1],
               errors[2]);
    for (const int threads : {1, 3, 16}) {
      cpu_queue().threads = threads;
      CHECK(got == run(l, DType::f32, false));
    }
  }
  cpu_queue() = before;
}

TEST_CASE("AMX is chosen where it is faster, and can be forced and refused", "[conv3d][amx]") {
  const auto cube = [](std::int64_t in, std::int64_t out, std::int64_t edge) {
    return conv3d_geometry({.n = 1, .c = in, .d = edge, .h = edge, .w = edge}, out, 3, 1, 1);
  };
  using enum Conv3dPass;
  CpuQueue q{.threads = 2, .isa = Isa::amx};
  const auto is_amx = [&]<class T>(const Conv3dGeometry& g, Conv3dPass pass, T) {
    return choose<T>(q, pass, g) == Conv3dAlgorithm::amx;
  };
  CHECK(is_amx(cube(64, 32, 64), correlate, 0.0F));
  CHECK(is_amx(cube(128, 64, 32), spread, 0.0F));
  CHECK(is_amx(cube(256, 256, 8), grad_weight, 0.0F));
  CHECK(is_amx(cube(64, 64, 32), grad_weight, 0.0F));
  CHECK_FALSE(is_amx(cube(8, 64, 32), grad_weight, 0.0F));
  CHECK(is_amx(cube(16, 16, 128), correlate, 0.0F));
  CHECK_FALSE(is_amx(cube(8, 8, 128), correlate, 0.0F));
  CHECK(is_amx(cube(16, 16, 128), correlate, Bf16{}));
  CHECK(is_amx(cube(256, 256, 4), correlate, 0.0F));
  CHECK_FALSE(is_amx(cube(256, 256, 3), correlate, 0.0F));
  CHECK_FALSE(is_amx(cube(64, 64, 32), correlate, 0.0));
  q.conv = ConvChoice::amx;
  CHECK(is_amx(cube(16, 16, 128), correlate, 0.0F));
  CHECK_FALSE(is_amx(cube(64, 64, 32), correlate, 0.0));
  q.conv = ConvChoice::direct;
  CHECK_FALSE(is_amx(cube(64, 32, 64), correlate, 0.0F));
  q = {.threads = 2, .isa = Isa::avx512, .conv = ConvChoice::amx};
  CHECK(choose<float>(q, correlate, cube(64, 64, 32)) == Conv3dAlgorithm::tiled);
}

TEST_CASE("the boxes of an AMX convolution cover its output", "[conv3d][amx]") {
  bool goes_round = false;
  for (const Layer& l : layers()) {
    const Conv3dGeometry g = geometry(l);
    INFO(l.x.str());
    for (const Conv3dPass pass : {Conv3dPass::correlate, Conv3dPass::spread}) {
      const AmxConv c = amx_conv(g, pass, true, 2);
      CHECK(c.boxes.depth * c.boxes.along_d >= c.out.d);
      CHECK((c.boxes.along_d - 1) * c.boxes.depth < c.out.d);
      CHECK(c.boxes.height * c.boxes.along_h >= c.out.h);
      CHECK((c.boxes.along_h - 1) * c.boxes.height < c.out.h);
      CHECK(c.columns * kAmxColumns >= c.out.c);
      CHECK(c.groups * c.channels >= c.in.c);
      CHECK(c.shares() * c.columns_per_task >= c.columns);
      CHECK(c.box_count() == amx_conv(g, pass, false, 2).box_count());  // an epilogue knows no type
      CHECK(c.packs_alone() == (l.out == 144));
      CHECK(amx_scratch(g, pass, 2) >= c.shared_floats() + c.worker_floats());
    }
    const AmxGradWeight w = amx_grad_weight(g, true, 2);
    CHECK(w.length >= w.boxes.height * w.pitch);
    CHECK(w.length % kAmxRows == 0);
    CHECK(w.stretch >= w.length + 2 * w.pitch + 2);
    CHECK(w.sums <= w.box_count());
    CHECK(w.x_staged_planes >= std::min(2 * w.together, AmxGradWeight::pairs(w.boxes.depth)) + 2);
    goes_round = goes_round || w.x_staged_planes < AmxGradWeight::pairs(w.boxes.depth) + 2;
  }
  CHECK(goes_round);
}

}  // namespace vox::test

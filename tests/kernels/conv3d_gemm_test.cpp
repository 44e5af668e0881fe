#include <cmath>

#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/case_sums.h"
#include "engine/tape.h"
#include "kernels/conv_transpose3d.h"
#include "kernels/plan/amx_gemm.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"

// Convolutions whose windows lie side by side: 2x2x2 at stride 2, transposed, and 1x1x1.

namespace vox::test {
namespace {

struct Layer {
  Shape coarse;
  std::int64_t fine;  ///< channels
  std::int64_t kernel;
};

/// Ragged channels on both sides, rows that share a tile, chunks that end early, and outputs large enough to be
/// written past the caches.
const std::vector<Layer>& layers() {
  static const std::vector<Layer> all = {
      {{2, 40, 3, 5, 7}, 24, 2}, {{1, 16, 2, 3, 18}, 33, 2}, {{3, 5, 1, 2, 3}, 3, 2},   {{1, 8, 3, 4, 5}, 50, 1},
      {{2, 33, 1, 5, 6}, 9, 1},  {{1, 1, 1, 1, 1}, 1, 2},    {{1, 8, 8, 32, 64}, 8, 2}, {{1, 24, 9, 40, 128}, 16, 1}};
  return all;
}

Conv3dGeometry geometry(const Layer& l) {
  return conv_transpose3d_geometry(l.coarse.volume(), l.fine, l.kernel, l.kernel, 0, 0);
}
Shape shape_of(const VolumeShape& s) { return {s.n, s.c, s.d, s.h, s.w}; }

/// The transposed convolution of a layer, and its three gradients.
std::array<Values, 4> run(const Layer& l, DType dtype, bool magnitudes) {
  const Conv3dGeometry g = geometry(l);
  const auto volume = [&](const Shape& s, unsigned seed) {
    return cast(Tensor::volume_of<double>(s, make_full_mantissa(s.count(), seed, magnitudes)), dtype);
  };
  const Shape kernel{g.y.c, g.x.c, l.kernel, l.kernel, l.kernel};
  Tensor x = volume(l.coarse, 1).requires_grad();
  Tensor w = cast(Tensor::of<double>(kernel, make_full_mantissa(kernel.count(), 2, magnitudes)), dtype).requires_grad();
  Tensor bias = cast(Tensor::of<double>({g.x.c}, make_full_mantissa(g.x.c, 3, magnitudes)), dtype).requires_grad();
  const Tensor y = conv_transpose3d(x, w, bias, {.stride = l.kernel});
  backward(y, volume(shape_of(g.x), 4));
  return {y.to_doubles(), x.grad().to_doubles(), w.grad().to_doubles(), bias.grad().to_doubles()};
}

/// Sums of the channels of both sides, as a weight gradient leaves them: of x, then of y.
Values sums_of_gradient(const Conv3dGeometry& g, Conv3dAlgorithm algorithm, const Tensor& x, const Tensor& y) {
  Values all;
  dispatch(Device::cpu, x.dtype(), [&]<class T>(auto& q, TypeTag<T>) {
    REQUIRE(conv3d_grad_weight_sums(q, g, algorithm));
    const auto fresh = [&](const Shape& s) { return Tensor(s, accumulator(x.dtype())); };
    const auto rows = [&](const Shape& s) { return CaseSums(s, accumulator(x.dtype()), Device::cpu, g.x.n); };
    CaseSums dweight = rows({g.y.c, g.x.c, g.kernel, g.kernel, g.kernel});
    CaseSums x_sums = rows({g.x.c});
    CaseSums y_sums = rows({g.y.c});
    Tensor scratch = fresh({conv3d_grad_weight_scratch(q, g, algorithm)});
    conv3d_grad_weight(q, Conv3dGradWeightArgs<T>{.geometry = g,
                                                  .algorithm = algorithm,
                                                  .x = x.values<T>(),
                                                  .dy = y.values<T>(),
                                                  .dweight = dweight.template rows<Acc<T>>(),
                                                  .x_sums = x_sums.template rows<Acc<T>>(),
                                                  .dy_sums = y_sums.template rows<Acc<T>>(),
                                                  .scratch = scratch.template mutable_values<Acc<T>>()});
    all = x_sums.sum().to_doubles();
    const Values more = y_sums.sum().to_doubles();
    all.insert(all.end(), more.begin(), more.end());
  });
  return all;
}

/// The same by the formula.
Values channel_sums(const Tensor& t) {
  const Values v = t.to_doubles();
  const Shape& s = t.shape();
  Values sums(static_cast<std::size_t>(s[1]));
  for (std::size_t i = 0; i < v.size(); ++i) { sums[i / static_cast<std::size_t>(s.voxels()) % sums.size()] += v[i]; }
  return sums;
}

}  // namespace

TEST_CASE("AMX products of windows side by side are as exact as two halves of 16 bits", "[conv3d][amx]") {
  if (best_isa() != Isa::amx) {
    WARN("skipped: this processor has no AMX");
    return;
  }
  const CpuQueue before = cpu_queue();
  for (const Layer& l : layers()) {
    const Conv3dGeometry g = geometry(l);
    cpu_queue() = {.threads = 2, .isa = Isa::amx, .conv = ConvChoice::amx};
    const std::array<Values, 4> truth = run(l, DType::f64, false);
    const std::array<Values, 4> size = run(l, DType::f64, true);  // the sums of |x| |w|
    const std::array<Values, 4> got = run(l, DType::f32, false);
    const std::int64_t taps = l.kernel * l.kernel * l.kernel;
    const std::int64_t windows = g.y.n * g.y.voxels();
    const std::array<std::int64_t, 4> terms = {g.y.c + 1, g.x.c * taps, windows, windows * taps};
    for (std::size_t k = 0; k < got.size(); ++k) {
      INFO(l.coarse.str() << " to " << l.fine << ", kernel " << l.kernel << ", result " << k);
      REQUIRE(choose<float>(cpu_queue(), static_cast<Conv3dPass>(k % 3), g) == Conv3dAlgorithm::amx);
      // As of 3x3x3: each factor keeps 2^-17 of its value, low*low is missing, three sums of n terms in f32.
      const double allowed = 2 * 0x1p-17 + 0x1p-18 + 3 * static_cast<double>(terms[k]) * 0x1p-24;
      for (std::size_t i = 0; i < truth[k].size(); ++i) {
        if (!(std::abs(got[k][i] - truth[k][i]) <= allowed * size[k][i])) {
          FAIL("element " << i << ": got " << got[k][i] << ", wants " << truth[k][i] << " of " << size[k][i]);
        }
      }
    }
    cpu_queue().threads = 3;
    CHECK(got == run(l, DType::f32, false));
  }
  cpu_queue() = before;
}

TEST_CASE("a weight gradient of windows side by side adds up the channels of both sides", "[conv3d]") {
  const CpuQueue before = cpu_queue();
  for (const Layer& l : layers()) {
    const Conv3dGeometry g = geometry(l);
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
      const auto volume = [&](const VolumeShape& s, unsigned seed) {
        return to_tensor(make_values(s.count(), seed), shape_of(s), Kind::volume, dtype);
      };
      const Tensor x = volume(g.x, 1);
      const Tensor y = volume(g.y, 2);
      Values wants = channel_sums(x);
      const Values more = channel_sums(y);
      wants.insert(wants.end(), more.begin(), more.end());
      for (const Isa isa : runnable_isas()) {
        cpu_queue() = {.threads = 2, .isa = isa};
        for (const Conv3dAlgorithm algorithm : {Conv3dAlgorithm::gemm, Conv3dAlgorithm::amx}) {
          bool takes = false;
          dispatch_type(
              dtype, [&]<class T>(TypeTag<T>) { takes = fits<T>(cpu_queue(), algorithm, Conv3dPass::grad_weight, g); });
          if (!takes) { continue; }
          INFO(l.coarse.str() << " to " << l.fine << ", kernel " << l.kernel << ", " << name(dtype) << ", " << name(isa)
                              << ", algorithm " << static_cast<int>(algorithm));
          CHECK(first_mismatch(sums_of_gradient(g, algorithm, x, y), wants, accumulator(dtype), g.x.n * g.x.voxels()) ==
                "");
        }
      }
    }
  }
  cpu_queue() = before;
}

TEST_CASE("the tiles of side by side windows cover both sides", "[conv3d][amx]") {
  for (const Layer& l : layers()) {
    const Conv3dGeometry g = geometry(l);
    INFO(l.coarse.str() << " to " << l.fine << ", kernel " << l.kernel);
    for (const Conv3dPass pass : {Conv3dPass::correlate, Conv3dPass::spread, Conv3dPass::grad_weight}) {
      const AmxGemm a = amx_gemm(g, pass, true, 2);
      CHECK(a.fine_tiles() * 16 >= a.gemm.fine_columns());
      CHECK(a.coarse_tiles() * 16 >= a.gemm.coarse_columns());
      CHECK(a.shares() * a.columns_per_task >= a.columns);
      CHECK((a.shares() - 1) * a.columns_per_task < a.columns);
      CHECK((a.columns_per_task % 2 == 0 || a.shares() == 1));
      CHECK(a.chunks() * a.chunk >= g.y.n * g.y.voxels());
      CHECK((a.sums >= 1 && a.sums <= a.chunks()));
      CHECK(amx_scratch(g, pass, 2) >= a.shared_floats() + a.worker_floats());
    }
  }
}

}  // namespace vox::test

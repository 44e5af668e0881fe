#include "kernels/dice_bce_loss.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "kernels/base/parallel.h"
#include "kernels/cpu/loss_cases.h"
#include "kernels/cpu/simd/exp.h"
#include "kernels/cpu/simd/lanes.h"

namespace vox {
namespace {

constexpr std::int64_t kShort = 256;  // voxels summed in the accumulator type before double takes over
constexpr std::int64_t kDoubles = kDiceBceRows * kBlock8;

/// 1 in the lanes of the regions that a class is in, 0 elsewhere; by class.
template <class A> using RegionLanes = std::array<Lanes<A>, kMostRegionClasses>;

template <class A> RegionLanes<A> region_lanes(const RegionsOfClasses& regions_of) {
  RegionLanes<A> lanes{};
  for (std::size_t c = 0; c < lanes.size(); ++c) {
    for (unsigned r = 0; r < kBlock8; ++r) { lanes[c][r] = static_cast<A>((regions_of[c] >> r) & 1U); }
  }
  return lanes;
}

template <class V> [[gnu::always_inline]] inline void absolute(const V& v, V& out) { out = v < V{} ? -v : v; }

/// p = 1 / (1 + exp(-x)) without overflow; e = exp(-|x|).
template <class V> [[gnu::always_inline]] inline void sigmoid(const V& x, V& e, V& p) {
  absolute(x, e);
  e = -e;
  exp_nonpositive(e);
  const V of_positive = LaneOf<V>{1} / (e + LaneOf<V>{1});
  p = x < V{} ? e * of_positive : of_positive;
}

/// The sums of n voxels, kDoubles of them.
template <class T>
void add_voxels(const T* x, const std::uint8_t* labels, std::int64_t n, const RegionLanes<Acc<T>>& in, double* rows) {
  using A = Acc<T>;
  Lanes<A> sums[kDiceBceRows]{};
  for (std::int64_t v = 0; v < n; ++v) {
    Lanes<A> logit;
    Lanes<A> e;
    Lanes<A> p;
    load_lanes(x + v * kBlock8, logit);
    sigmoid(logit, e, p);
    const Lanes<A>& y = in[labels[v]];
    log1p_of_fraction(e);
    const Lanes<A> wrong = y > Lanes<A>{} ? -logit : logit;
    sums[0] += p;
    sums[1] += p * y;
    sums[2] += y;
    sums[3] += e + (wrong < Lanes<A>{} ? Lanes<A>{} : wrong);
  }
  for (std::int64_t k = 0; k < kDiceBceRows; ++k) {
    for (std::int64_t r = 0; r < kBlock8; ++r) { rows[k * kBlock8 + r] += static_cast<double>(sums[k][r]); }
  }
}

}  // namespace

template <class T> void dice_bce_case_sums(IsaQueue& q, const DiceBceSumsArgs<T>& a) {
  const VoxelChunks chunks = chunks_of_cases(a.shape);
  assert(std::ssize(a.partials) == dice_bce_partials(a.shape));
  const RegionLanes<Acc<T>> in = region_lanes<Acc<T>>(a.regions_of);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    double* const rows = a.partials.data() + i * kDoubles;
    std::fill_n(rows, kDoubles, 0.0);
    const std::int64_t n = chunks.row(i);
    for (std::int64_t v = 0; v < chunks.size(i); v += kShort) {
      const std::int64_t at = chunks.first(i) + v;
      add_voxels(a.x.data() + a.shape.offset(n, 0, at), a.labels.data() + n * a.shape.voxels() + at,
                 std::min(kShort, chunks.size(i) - v), in, rows);
    }
  });
  std::fill(a.case_sums.begin(), a.case_sums.end(), 0.0);
  for (std::int64_t i = 0; i < chunks.count(); ++i) {
    double* const to = a.case_sums.data() + chunks.row(i) * kDoubles;
    for (std::int64_t k = 0; k < kDoubles; ++k) { to[k] += a.partials[static_cast<std::size_t>(i * kDoubles + k)]; }
  }
}

template <class T> void dice_bce_loss_forward(IsaQueue&, const DiceBceLossArgs<T>& a) {
  add_cases(a.case_sums, a.sums);
  double loss = 0;
  for (std::int64_t i = 0; i < a.terms.groups * a.terms.regions; ++i) {
    loss += dice_bce_loss_of(a.terms, a.sums.data() + i / a.terms.regions * kDoubles, i % a.terms.regions);
  }
  a.loss[0] = static_cast<Acc<T>>(loss);
}

template <class T> void dice_bce_loss_backward(IsaQueue& q, const DiceBceLossGradArgs<T>& a) {
  using A = Acc<T>;
  const VoxelChunks chunks = chunks_of_cases(a.shape);
  const RegionLanes<A> in = region_lanes<A>(a.regions_of);
  const auto dy = static_cast<double>(a.dy[0]);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i);
    const double* const rows = a.sums.data() + (a.terms.groups == 1 ? 0 : n) * kDoubles;
    Lanes<A> miss{};
    Lanes<A> more{};
    Lanes<A> bce{};  // 0 in padding lanes, as the others
    for (std::int64_t r = 0; r < a.terms.regions; ++r) {
      const RegionGradient g = region_gradient(a.terms, rows, r, dy);
      miss[r] = static_cast<A>(g.miss);
      more[r] = static_cast<A>(g.more);
      bce[r] = static_cast<A>(dy * a.terms.bce);
    }
    const T* const x = a.x.data() + a.shape.offset(n, 0, chunks.first(i));
    T* const dx = a.dx.data() + a.shape.offset(n, 0, chunks.first(i));
    const std::uint8_t* const labels = a.labels.data() + n * a.shape.voxels() + chunks.first(i);
    for (std::int64_t v = 0; v < chunks.size(i); ++v) {
      Lanes<A> logit;
      Lanes<A> e;
      Lanes<A> p;
      load_lanes(x + v * kBlock8, logit);
      sigmoid(logit, e, p);
      const Lanes<A>& y = in[labels[v]];
      store_lanes<T>(dx + v * kBlock8, p * (A{1} - p) * (miss + more * y) + bce * (p - y));
    }
  });
}

VOX_INSTANTIATE(IsaQueue, dice_bce_case_sums, DiceBceSumsArgs);
VOX_INSTANTIATE(IsaQueue, dice_bce_loss_forward, DiceBceLossArgs);
VOX_INSTANTIATE(IsaQueue, dice_bce_loss_backward, DiceBceLossGradArgs);

}  // namespace vox

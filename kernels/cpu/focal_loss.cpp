#include "kernels/focal_loss.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/parallel.h"

namespace vox {
namespace {

constexpr double kUsualGamma = 2;  // of the paper; a multiplication instead of std::pow

/// The focal term of one voxel and its derivative, in the accumulator type.
template <class A> struct Focal {
  A gamma;
  A lowest;
  A highest;

  [[nodiscard]] A value(A p) const {
    const A clipped = std::clamp(p, lowest, highest);
    return -power(1 - clipped, gamma) * std::log(clipped);
  }
  [[nodiscard]] A slope(A p) const {
    if (p < lowest || p > highest) { return 0; }
    return gamma * power(1 - p, gamma - 1) * std::log(p) - power(1 - p, gamma) / p;
  }

 private:
  [[nodiscard]] static A power(A base, A exponent) {
    if (exponent == static_cast<A>(kUsualGamma)) { return base * base; }
    if (exponent == static_cast<A>(kUsualGamma - 1)) { return base; }
    return std::pow(base, exponent);
  }
};

template <class T, class Args> Focal<Acc<T>> focal_of(const Args& a) {
  using A = Acc<T>;
  return {static_cast<A>(a.gamma), static_cast<A>(a.clip), static_cast<A>(1 - a.clip)};
}

}  // namespace

template <class T> void focal_loss_forward(IsaQueue& q, const FocalLossArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VoxelChunks chunks = chunks_of_cases(s);
  assert(std::ssize(a.partials) == focal_partials(s));
  const auto focal = focal_of<T>(a);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i);
    const std::int64_t first = chunks.first(i);
    const std::int64_t end = first + chunks.size(i);
    const std::uint8_t* const labels = a.labels.data() + n * s.voxels();
    double sum = 0;
    for (std::int64_t v = first; v < end; ++v) {
      const double factor = a.factors[labels[v]];
      if (factor == 0) { continue; }
      sum += factor * static_cast<double>(focal.value(load(a.p.data()[s.at(n, labels[v], v)])));
    }
    a.partials[static_cast<std::size_t>(i)] = sum;
  });
  double loss = 0;
  for (const double partial : a.partials) { loss += partial; }
  a.loss[0] = static_cast<Acc<T>>(loss);
}

template <class T> void focal_loss_backward(IsaQueue& q, const FocalLossGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VoxelChunks chunks = chunks_of_cases(s);
  const auto focal = focal_of<T>(a);
  const auto dy = static_cast<double>(a.dy[0]);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i);
    const std::int64_t first = chunks.first(i);
    const std::int64_t end = first + chunks.size(i);
    for (std::int64_t block = 0; block < s.blocks(); ++block) {
      std::fill_n(a.dp.data() + s.offset(n, block, first), (end - first) * kBlock8, T{});
    }
    const std::uint8_t* const labels = a.labels.data() + n * s.voxels();
    for (std::int64_t v = first; v < end; ++v) {
      const double factor = a.factors[labels[v]];
      if (factor == 0) { continue; }
      const std::int64_t at = s.at(n, labels[v], v);
      a.dp.data()[at] = store<T>(static_cast<Acc<T>>(dy * factor) * focal.slope(load(a.p.data()[at])));
    }
  });
}

VOX_INSTANTIATE(IsaQueue, focal_loss_forward, FocalLossArgs);
VOX_INSTANTIATE(IsaQueue, focal_loss_backward, FocalLossGradArgs);

}  // namespace vox

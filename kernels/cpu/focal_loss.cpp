#include "kernels/focal_loss.h"

#include <algorithm>
#include <cassert>

#include "kernels/base/parallel.h"
#include "kernels/cpu/focal.h"

namespace vox {

template <class T> void focal_loss_forward(IsaQueue& q, const FocalLossArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VoxelChunks chunks = chunks_of_cases(s);
  assert(std::ssize(a.partials) == focal_partials(s));
  const auto focal = focal_of<Acc<T>>(a.gamma, a.clip);
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
  const auto focal = focal_of<Acc<T>>(a.gamma, a.clip);
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

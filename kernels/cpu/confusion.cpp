#include "kernels/confusion.h"

#include <cassert>

#include "kernels/base/parallel.h"

namespace vox {

template <class T> void confusion(IsaQueue& q, const ConfusionArgs<T>& a) {
  const std::int64_t cells = a.classes * a.classes;
  const std::int64_t voxels = std::ssize(a.truth);
  const std::int64_t chunks = (voxels + kConfusionChunk - 1) / kConfusionChunk;
  assert(a.classes <= kConfusionClasses && std::ssize(a.partials) == chunks * cells);
  parallel_for(q, chunks, [&](std::int64_t i) {
    const T* const truth = a.truth.data();
    const T* const predicted = a.predicted.data();
    std::int64_t counts[kConfusionClasses * kConfusionClasses]{};
    const std::int64_t end = voxels < (i + 1) * kConfusionChunk ? voxels : (i + 1) * kConfusionChunk;
    for (std::int64_t v = i * kConfusionChunk; v < end; ++v) { ++counts[truth[v] * a.classes + predicted[v]]; }
    for (std::int64_t c = 0; c < cells; ++c) { a.partials.data()[i * cells + c] = static_cast<double>(counts[c]); }
  });
  for (std::int64_t c = 0; c < cells; ++c) {
    double sum = 0;
    for (std::int64_t i = 0; i < chunks; ++i) { sum += a.partials.data()[i * cells + c]; }
    a.counts.data()[c] = sum;
  }
}

template void confusion(IsaQueue&, const ConfusionArgs<std::uint8_t>&);

}  // namespace vox

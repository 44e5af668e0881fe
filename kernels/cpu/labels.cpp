#include "kernels/labels.h"

#include <algorithm>

#include "kernels/base/parallel.h"

namespace vox {

template <class T> void largest_label(IsaQueue& q, const LargestLabelArgs<T>& a) {
  parallel_for(q, std::ssize(a.largest), [&](std::int64_t i) {
    const T* const labels = a.labels.data();
    const std::int64_t end = std::min(std::ssize(a.labels), (i + 1) * kLabelChunk);
    T found{};
    for (std::int64_t v = i * kLabelChunk; v < end; ++v) { found = std::max(found, labels[v]); }
    a.largest[static_cast<std::size_t>(i)] = found;
  });
}

template void largest_label(IsaQueue&, const LargestLabelArgs<std::uint8_t>&);

}  // namespace vox

#include "kernels/fill.h"

#include <algorithm>

#include "kernels/cpu/simd/elementwise.h"

namespace vox {

template <class T> void fill_forward(IsaQueue& q, const FillArgs<T>& args) {
  const T value = store<T>(args.value);
  parallel_chunks(q, std::ssize(args.y), [&](std::int64_t begin, std::int64_t end) {
    std::fill(args.y.begin() + begin, args.y.begin() + end, value);
  });
}

VOX_INSTANTIATE(IsaQueue, fill_forward, FillArgs);

}  // namespace vox

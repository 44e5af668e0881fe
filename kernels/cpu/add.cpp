#include "kernels/add.h"

#include <cassert>

#include "kernels/cpu/simd/elementwise.h"

namespace vox {

template <class T> void add_forward(IsaQueue& q, const AddArgs<T>& args) {
  assert(args.a.size() == args.y.size() && args.b.size() == args.y.size());
  const T* const a = args.a.data();
  const T* const b = args.b.data();
  T* const y = args.y.data();
  parallel_chunks(q, std::ssize(args.y), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) { y[i] = store<T>(load(a[i]) + load(b[i])); }
  });
}

VOX_INSTANTIATE(IsaQueue, add_forward, AddArgs);

}  // namespace vox

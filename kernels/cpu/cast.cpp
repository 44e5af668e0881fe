#include "kernels/cast.h"

#include <cassert>

#include "kernels/cpu/simd/elementwise.h"

namespace vox {

template <class T> void cast_forward(IsaQueue& q, const CastArgs<T>& args) {
  std::visit(
      [&]<class To>(std::span<To> to) {
        assert(to.size() == args.x.size());
        const T* const x = args.x.data();
        To* const y = to.data();
        parallel_chunks(q, std::ssize(to), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) { y[i] = store<To>(static_cast<Acc<To>>(load(x[i]))); }
        });
      },
      args.y);
}

VOX_INSTANTIATE(IsaQueue, cast_forward, CastArgs);

}  // namespace vox

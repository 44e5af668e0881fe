#include "kernels/sum_rows.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr std::int64_t kPiece = 512;  // elements of a task: the stack stays in L1 and L2

}  // namespace

template <class T> void sum_rows(IsaQueue& q, const SumRowsArgs<T>& a) {
  const std::int64_t count = std::ssize(a.y);
  assert(std::ssize(a.x) == a.rows * count && std::ssize(a.merges) == a.rows && a.rows <= kMostRows);
  parallel_for(q, (count + kPiece - 1) / kPiece, [&](std::int64_t i) {
    const std::int64_t first = i * kPiece;
    const std::int64_t size = std::min(kPiece, count - first);
    std::array<std::array<Acc<T>, kPiece>, kMostPending> pending;  // NOLINT: written before it is read
    std::size_t depth = 0;
    for (std::int64_t r = 0; r < a.rows; ++r) {
      const T* const row = a.x.data() + r * count + first;
      auto& top = pending[depth];
      for (std::int64_t e = 0; e < size; ++e) { top[static_cast<std::size_t>(e)] = load(row[e]); }
      ++depth;
      for (std::uint8_t m = 0; m < a.merges[static_cast<std::size_t>(r)]; ++m) {
        --depth;
        const Acc<T>* const upper = pending[depth].data();
        Acc<T>* const lower = pending[depth - 1].data();
        for (std::int64_t e = 0; e < size; ++e) { lower[e] += upper[e]; }
      }
    }
    T* const y = a.y.data() + first;
    for (std::int64_t e = 0; e < size; ++e) { y[e] = store<T>(pending[0][static_cast<std::size_t>(e)]); }
  });
}

VOX_INSTANTIATE(IsaQueue, sum_rows, SumRowsArgs);

}  // namespace vox

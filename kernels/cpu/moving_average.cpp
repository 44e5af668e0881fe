#include "kernels/moving_average.h"

#include <cassert>
#include <cmath>

#include "kernels/cpu/simd/elementwise.h"

namespace vox {

template <class T> void moving_average(IsaQueue& q, const MovingAverageArgs<T>& args) {
  using A = Acc<T>;
  double total = 0;
  for (const double sum : args.squares) { total += sum; }
  if (!std::isfinite(total)) { return; }
  const auto take = static_cast<A>(args.take);
  for (const MovingAverageTensor<T>& tensor : args.tensors) {
    assert(tensor.average.size() == tensor.values.size());
    T* const average = tensor.average.data();
    const T* const values = tensor.values.data();
    parallel_chunks(q, std::ssize(tensor.average), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const A a = load(average[i]);
        average[i] = store<T>(a + take * (load(values[i]) - a));
      }
    });
  }
}

VOX_INSTANTIATE(IsaQueue, moving_average, MovingAverageArgs);

}  // namespace vox

#include "kernels/add.h"

#include "kernels/cuda/elementwise.cuh"

namespace vox {
namespace gpu {

template <class T> struct Add {
  __device__ Acc<T> operator()(Acc<T> a, Acc<T> b) const { return a + b; }
};

}  // namespace gpu

template <class T> void add_forward(GpuQueue& q, const AddArgs<T>& a) { gpu::map(q, a.a, a.b, a.y, gpu::Add<T>{}); }

VOX_INSTANTIATE(GpuQueue, add_forward, AddArgs);

}  // namespace vox

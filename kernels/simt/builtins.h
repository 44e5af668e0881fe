#pragma once

/// CUDA's keywords, types and built-in variables for a compiler that is not nvcc.

// NOLINTBEGIN: the names are CUDA's
#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __constant__ __attribute__((section("vox_simt_constants")))
// It would silently become a local variable of each thread, so it does not compile.
#define __shared__ static_assert(false, "spelled VOX_SHARED or VOX_DYNAMIC_SHARED in this tree");

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  [[nodiscard]] constexpr unsigned long long count() const { return 1ULL * x * y * z; }
};

namespace vox::simt {

/// Who is running: what threadIdx and its like read.
struct ThreadContext {
  uint3 index{};
  unsigned linear = 0;  ///< index, counted x first
  unsigned lane = 0;
  unsigned warp = 0;
};

struct BlockContext {
  uint3 index{};
  dim3 threads;
  dim3 grid;
};

extern constinit thread_local ThreadContext* this_thread;  ///< null outside kernels
extern constinit thread_local BlockContext this_block;

}  // namespace vox::simt

#define threadIdx (::vox::simt::this_thread->index)
#define blockIdx (::vox::simt::this_block.index)
#define blockDim (::vox::simt::this_block.threads)
#define gridDim (::vox::simt::this_block.grid)
#define warpSize 32
// NOLINTEND

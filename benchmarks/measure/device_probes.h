#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

/// Small kernels of the bench's own, compiled like those of kernels/cuda: for the GPU and for the simt device.
namespace vox::bench {

/// y[e] = a value in [-1,1) from a hash of e and the seed: never zeros, which some units multiply faster. Channels
/// beyond shape.c of a block stay zero; a shape without channels means that all are values.
template <class T> struct FillArgs {
  VolumeShape shape;
  std::uint32_t seed = 1;
  std::span<T> y;
};
template <class T> void fill(CudaQueue&, const FillArgs<T>&);
template <class T> void fill(SimtQueue&, const FillArgs<T>&);

/// The ceilings: a copy of 16 bytes per thread; multiply-adds on registers; bf16 products of mma.sync on registers.
struct Chains {
  int blocks = 0;  ///< of 256 threads
  int steps = 0;
  std::span<float> sums;  ///< [blocks*256], overwritten: somebody must want the results
};
void copy(CudaQueue&, std::span<const float> from, std::span<float> to);
void copy(SimtQueue&, std::span<const float> from, std::span<float> to);
/// Reads all of `from`; writes to `to` (one value) only what random data never add up to.
void read(CudaQueue&, std::span<const float> from, std::span<float> to);
void read(SimtQueue&, std::span<const float> from, std::span<float> to);
/// A kernel that does nothing: what a launch costs.
void nothing(CudaQueue&);
void nothing(SimtQueue&);
void multiply_add(CudaQueue&, const Chains&);
void multiply_add(SimtQueue&, const Chains&);
void multiply_tensor_cores(CudaQueue&, const Chains&);
void multiply_tensor_cores(SimtQueue&, const Chains&);

inline constexpr int kChainThreads = 256;
inline constexpr int kChainsPerThread = 8;
inline constexpr int kTensorCoreChains = 8;  ///< per warp
/// Multiplies and adds that each makes.
[[nodiscard]] inline double multiply_add_flops(const Chains& c) {
  return 2.0 * kChainsPerThread * kChainThreads * c.blocks * static_cast<double>(c.steps);
}
[[nodiscard]] inline double tensor_core_flops(const Chains& c) {
  constexpr double kProducts = 16 * 8 * 16;
  return 2 * kProducts * kTensorCoreChains * (kChainThreads / 32) * c.blocks * static_cast<double>(c.steps);
}

}  // namespace vox::bench

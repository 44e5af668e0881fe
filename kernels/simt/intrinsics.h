#pragma once

#include <bit>
#include <cmath>

#include "kernels/simt/builtins.h"
#include "kernels/simt/calls.h"

/// CUDA's functions under their own names. Atomics on floating-point numbers are left out on purpose: their sums
/// depend on the order of the threads.

// NOLINTBEGIN: the names are CUDA's
using vox::simt::Site;

inline void __syncthreads(Site at = Site::here()) { vox::simt::sync_threads(at); }
inline int __syncthreads_count(int p, Site at = Site::here()) {
  return vox::simt::sync_threads_vote(vox::simt::Vote::count, p != 0, at);
}
inline int __syncthreads_and(int p, Site at = Site::here()) {
  return vox::simt::sync_threads_vote(vox::simt::Vote::all, p != 0, at);
}
inline int __syncthreads_or(int p, Site at = Site::here()) {
  return vox::simt::sync_threads_vote(vox::simt::Vote::any, p != 0, at);
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFU, Site at = Site::here()) { vox::simt::sync_warp(mask, at); }
inline unsigned __ballot_sync(unsigned mask, int p, Site at = Site::here()) {
  return vox::simt::ballot(mask, p != 0, at);
}
inline int __any_sync(unsigned mask, int p, Site at = Site::here()) { return vox::simt::ballot(mask, p != 0, at) != 0; }
inline int __all_sync(unsigned mask, int p, Site at = Site::here()) { return vox::simt::ballot(mask, p == 0, at) == 0; }

namespace vox::simt {
template <class T> T shuffled(unsigned mask, T value, unsigned source, const char* name, Site at) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "a shuffle moves 2, 4 or 8 bytes");
  T out;
  shuffle(mask, &value, &out, sizeof(T), source, name, at);
  return out;
}
}  // namespace vox::simt

template <class T> T __shfl_sync(unsigned mask, T value, int source, int width = 32, Site at = Site::here()) {
  const unsigned lane = vox::simt::this_thread->lane;
  const auto inside = static_cast<unsigned>(width) - 1;
  return vox::simt::shuffled(mask, value, (lane & ~inside) | (static_cast<unsigned>(source) & inside), "__shfl_sync",
                             at);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, Site at = Site::here()) {
  const unsigned lane = vox::simt::this_thread->lane;
  const unsigned source = lane ^ static_cast<unsigned>(bits);
  const unsigned last = lane | (static_cast<unsigned>(width) - 1);
  return vox::simt::shuffled(mask, value, source > last ? lane : source, "__shfl_xor_sync", at);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, Site at = Site::here()) {
  const unsigned lane = vox::simt::this_thread->lane;
  const unsigned last = lane | (static_cast<unsigned>(width) - 1);
  return vox::simt::shuffled(mask, value, lane + by > last ? lane : lane + by, "__shfl_down_sync", at);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, Site at = Site::here()) {
  const unsigned lane = vox::simt::this_thread->lane;
  const unsigned first = lane & ~(static_cast<unsigned>(width) - 1);
  return vox::simt::shuffled(mask, value, lane < first + by ? lane : lane - by, "__shfl_up_sync", at);
}

inline unsigned atomicAdd(unsigned* p, unsigned v, Site at = Site::here()) { return vox::simt::atomic_add(p, v, at); }
inline void __threadfence() { vox::simt::fence(); }

inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline int __popc(unsigned x) { return std::popcount(x); }
template <class T> constexpr T min(T a, T b) { return b < a ? b : a; }
template <class T> constexpr T max(T a, T b) { return a < b ? b : a; }
// NOLINTEND

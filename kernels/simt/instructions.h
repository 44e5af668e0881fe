#pragma once

#include <bit>
#include <cstdint>

#include "kernels/base/bf16.h"
#include "kernels/simt/calls.h"

/// The host side of kernels/cuda/ptx.h: the same names, executed.
namespace vox::gpu {

using simt::Site;

template <int Bytes> void cp_async(void* shared, const void* global, Site at = Site::here()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  simt::copy_async(shared, global, Bytes, Bytes, at);
}
template <int Bytes> void cp_async_zfill(void* shared, const void* global, int source_bytes, Site at = Site::here()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  simt::copy_async(shared, global, Bytes, source_bytes, at);
}
inline void cp_async_commit() { simt::commit_copies(); }
template <int Groups> void cp_async_wait() { simt::wait_copies(Groups); }

/// Launches follow one another here.
inline void wait_for_launches_before() {}

inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row, Site at = Site::here()) {
  simt::load_matrices(4, false, r, row, at);
}
inline void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row, Site at = Site::here()) {
  simt::load_matrices(4, true, r, row, at);
}

inline void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                              const float (&c)[4], Site at = Site::here()) {
  simt::multiply(simt::Mma::bf16_m16n8k16, d, a, b, c, at);
}
inline void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                             const float (&c)[4], Site at = Site::here()) {
  simt::multiply(simt::Mma::tf32_m16n8k8, d, a, b, c, at);
}
/// cvt.rna.tf32.f32: to nearest, ties away from zero, the low 13 bits cleared
inline std::uint32_t f32_to_tf32(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  return (u & 0x7F800000U) == 0x7F800000U ? u : (u + 0x1000U) & ~0x1FFFU;
}

/// cvt.rn.bf16x2.f32: `low` in the low half; every NaN becomes the same
inline std::uint32_t bf16x2_rn(float low, float high) {
  const auto half = [](float v) { return v != v ? 0x7FFFU : std::uint32_t{to_bf16(v).bits}; };
  return half(high) << 16U | half(low);
}

/// cvt.rn.relu.bf16x2.f32: the same of max(low, 0) and max(high, 0); a NaN stays one
inline std::uint32_t bf16x2_rn_relu(float low, float high) {
  return bf16x2_rn(low <= 0 ? 0 : low, high <= 0 ? 0 : high);
}

inline void store_global_16(void* p, const std::uint32_t (&v)[4]) {
  struct alignas(16) Words {
    std::uint32_t v[4];
  };
  *static_cast<Words*>(p) = {{v[0], v[1], v[2], v[3]}};
}

inline void store_global_8(void* p, const std::uint32_t (&v)[2]) {
  struct alignas(8) Words {
    std::uint32_t v[2];
  };
  *static_cast<Words*>(p) = {{v[0], v[1]}};
}

using mbar_t = std::uint64_t;
inline void mbar_init(mbar_t* m, unsigned count, Site at = Site::here()) { simt::barrier_init(m, count, at); }
inline void mbar_fence_init() {}
inline void mbar_arrive(mbar_t* m, Site at = Site::here()) { simt::barrier_arrive(m, 0, at); }
inline void mbar_arrive_expect_tx(mbar_t* m, unsigned bytes, Site at = Site::here()) {
  simt::barrier_arrive(m, bytes, at);
}
inline void mbar_wait(mbar_t* m, unsigned parity, Site at = Site::here()) { simt::barrier_wait(m, parity, at); }
inline void bulk_g2s(void* shared, const void* global, unsigned bytes, mbar_t* m, Site at = Site::here()) {
  simt::copy_bulk(shared, global, bytes, m, at);
}

}  // namespace vox::gpu

#pragma once

#ifdef VOX_X86
#include <immintrin.h>
#endif

#include <cstdint>

#include "kernels/base/philox.h"

namespace vox {
namespace {

#if defined(__AVX512F__)
#define VOX_PHILOX_LANES 8
#elif defined(__AVX2__)
#define VOX_PHILOX_LANES 4
#else
#define VOX_PHILOX_LANES 2
#endif
constexpr int kPhiloxLanes = VOX_PHILOX_LANES;

/// One 32-bit word of a group per 64-bit lane; the upper half of a lane may hold anything.
typedef std::uint64_t PhiloxWords __attribute__((vector_size(kPhiloxLanes * 8)));  // NOLINT: using cannot carry it

/// product = low half of a * factor, 64 bits: one instruction that compilers do not find by themselves.
[[gnu::always_inline]] inline void multiply_low(const PhiloxWords& a, std::uint32_t factor, PhiloxWords& product) {
#if defined(__AVX512F__)
  // the masked form with every lane on: GCC 12 warns of the undefined operand in its plain one
  product = (PhiloxWords)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, _mm512_set1_epi64(factor));
#elif defined(__AVX2__)
  product = (PhiloxWords)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(factor));
#elif defined(VOX_X86)
  product = (PhiloxWords)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(factor));
#else
  product = (a & 0xFFFFFFFFU) * factor;
#endif
}

constexpr int kPhiloxSets = 4;  // vectors in flight: they hide the multiplier's latency
constexpr int kPhiloxGroups = kPhiloxSets * kPhiloxLanes;
constexpr int kPhiloxNumbers = 4 * kPhiloxGroups;  // random numbers of one block

/// random4() for kPhiloxGroups consecutive groups: out[4 * i + k] is number k of group first_group + i.
[[gnu::always_inline]] inline void philox_block(const RandomKey& key, std::uint64_t first_group,
                                                std::uint32_t (&out)[kPhiloxNumbers]) {
  first_group += key.before;
  PhiloxWords a[kPhiloxSets];
  PhiloxWords b[kPhiloxSets];
  PhiloxWords c[kPhiloxSets];
  PhiloxWords d[kPhiloxSets];
  for (int s = 0; s < kPhiloxSets; ++s) {
    std::uint64_t groups[kPhiloxLanes];
    for (int i = 0; i < kPhiloxLanes; ++i) { groups[i] = first_group + static_cast<unsigned>(s * kPhiloxLanes + i); }
    __builtin_memcpy(&a[s], groups, sizeof groups);
    b[s] = a[s] >> 32U;
    c[s] = PhiloxWords{} + key.step;
    d[s] = PhiloxWords{} + key.place;
  }
  auto key0 = static_cast<std::uint32_t>(key.seed);
  auto key1 = static_cast<std::uint32_t>(key.seed >> 32U);
  for (int round = 0; round < 10; ++round) {
    for (int s = 0; s < kPhiloxSets; ++s) {
      PhiloxWords left;
      PhiloxWords right;
      multiply_low(a[s], 0xD2511F53U, left);
      multiply_low(c[s], 0xCD9E8D57U, right);
      a[s] = (right >> 32U) ^ b[s] ^ key0;
      c[s] = (left >> 32U) ^ d[s] ^ key1;
      b[s] = right;
      d[s] = left;
    }
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  for (int s = 0; s < kPhiloxSets; ++s) {  // a little-endian word: the first number is the low half
    const PhiloxWords first = (a[s] & 0xFFFFFFFFU) | (b[s] << 32U);
    const PhiloxWords second = (c[s] & 0xFFFFFFFFU) | (d[s] << 32U);
    // group by group: first[0], second[0], first[1], second[1], ...
#if VOX_PHILOX_LANES == 8
    const PhiloxWords low = __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11);
    const PhiloxWords high = __builtin_shufflevector(first, second, 4, 12, 5, 13, 6, 14, 7, 15);
#elif VOX_PHILOX_LANES == 4
    const PhiloxWords low = __builtin_shufflevector(first, second, 0, 4, 1, 5);
    const PhiloxWords high = __builtin_shufflevector(first, second, 2, 6, 3, 7);
#else
    const PhiloxWords low = __builtin_shufflevector(first, second, 0, 2);
    const PhiloxWords high = __builtin_shufflevector(first, second, 1, 3);
#endif
    std::uint32_t* const to = out + s * kPhiloxLanes * 4;
    __builtin_memcpy(to, &low, sizeof low);
    __builtin_memcpy(to + kPhiloxLanes * 2, &high, sizeof high);
  }
}

}  // namespace
}  // namespace vox

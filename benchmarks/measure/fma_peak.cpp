#include "benchmarks/measure/fma_peak.h"

#include "kernels/base/parallel.h"

namespace vox::bench {
namespace {

constexpr long kSteps = 1'000'000;  // a few milliseconds
constexpr int kChains = 12;         // independent sums: more than latency times units of any machine we met

// One function per instruction set. The sums go through an empty asm, first so that the compiler cannot see that all
// are the same, and last so that somebody reads them.
#define VOX_FMA_LOOP(function, attributes, bytes)                           \
  attributes void function() {                                              \
    typedef float V __attribute__((vector_size(bytes)));                    \
    V sum[kChains] = {};                                                    \
    V factor = V{} + 0.5F;                                                  \
    V term = V{} + 0.25F;                                                   \
    __asm__ volatile("" : "+x"(factor), "+x"(term));                        \
    for (V & s : sum) { __asm__ volatile("" : "+x"(s)); }                   \
    for (long i = 0; i < kSteps; ++i) {                                     \
      _Pragma("GCC unroll 12") for (V & s : sum) { s = s * factor + term; } \
    }                                                                       \
    for (V & s : sum) { __asm__ volatile("" : "+x"(s)); }                   \
  }

#ifdef VOX_X86
VOX_FMA_LOOP(fmas_avx512, __attribute__((target("avx512f,avx512vl,fma"))), 64)
VOX_FMA_LOOP(fmas_avx2, __attribute__((target("avx2,fma"))), 32)
#endif
VOX_FMA_LOOP(fmas_baseline, , 16)
#undef VOX_FMA_LOOP

struct Loop {
  void (*run)();
  int lanes;
};
Loop loop_of(Isa isa) {
#ifdef VOX_X86
  if (isa >= Isa::avx512) { return {fmas_avx512, 16}; }
  if (isa == Isa::avx2) { return {fmas_avx2, 8}; }
#endif
  static_cast<void>(isa);
  return {fmas_baseline, 4};
}

}  // namespace

double run_fmas(const CpuQueue& q) {
  const Loop loop = loop_of(q.isa);
  parallel_for(q, q.threads, [&](std::int64_t) { loop.run(); });
  return 2.0 * static_cast<double>(loop.lanes) * kChains * static_cast<double>(kSteps) * q.threads;
}

}  // namespace vox::bench

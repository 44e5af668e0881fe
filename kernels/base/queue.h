#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/base/denormals.h"

struct CUstream_st;  // cudaStream_t without the CUDA header, so that engine/ never needs it

namespace vox {

/// Instruction sets a CPU kernel is compiled for, slowest first: the same source, three times. amx is avx512 with a
/// matrix unit, which convolutions use (kernels/cpu/amx).
enum class Isa : std::uint8_t { baseline, avx2, avx512, amx };

/// The last of them that this build has: a build for tests may stop at what its machine runs.
#ifdef VOX_LAST_ISA
inline constexpr Isa kLastIsa = Isa::VOX_LAST_ISA;
#elif defined(VOX_X86)
inline constexpr Isa kLastIsa = Isa::amx;
#else
inline constexpr Isa kLastIsa = Isa::baseline;
#endif

/// How convolutions are computed.
enum class ConvChoice : std::uint8_t {
  automatic,  ///< the fastest: AMX, Winograd's algorithm or directly, tensor cores; f64 directly, as truth should be
  direct,     ///< directly, everywhere: neither Winograd's algorithm nor AMX nor tensor cores
  winograd,   ///< by Winograd's algorithm wherever it can run, in f64 too; on a GPU as automatic
  amx,        ///< by AMX where it can run, else directly; on a GPU as automatic
  definition  ///< loop by loop, which all others are checked against; hundreds of times slower
};

/// Where work is submitted. Kernels are overloaded on the queue: its type picks the backend.
struct CpuQueue {
  int threads = 1;          ///< workers a kernel may use; results must not depend on it
  Isa isa = Isa::baseline;  ///< which build of each kernel runs
  ConvChoice conv = ConvChoice::automatic;
  bool dry = false;  ///< kernels return at once: for a run that only asks for memory (engine/dry_run.h)
};

/// A CpuQueue whose instruction set is known at compile time: what a CPU kernel is written against.
template <Isa I> struct CpuIsaQueue { int threads = 1; };

/// What the CUDA kernel sources are submitted to: decides the algorithm and the scratch of both kinds.
struct DeviceQueue {
  ConvChoice conv = ConvChoice::automatic;
};

/// A GPU, through the CUDA runtime.
struct CudaQueue : DeviceQueue {
  CUstream_st* stream = nullptr;  ///< borrowed; engine/context owns it
};

/// The same kernel sources, compiled for the CPU and executed with checks (kernels/simt).
struct SimtQueue : DeviceQueue {};

/// Either of the two in a dry run: chooses and asks for scratch as they do, and computes nothing.
struct DryQueue : DeviceQueue {};

#ifdef VOX_ISA
using IsaQueue = CpuIsaQueue<Isa::VOX_ISA>;  ///< the instruction set this file is being compiled for
#endif

/// Calls body with the CpuIsaQueue of the queue's instruction set; in a dry run it does nothing. Every CPU kernel is
/// called through here, so here denormal numbers are switched off, and back on for the caller when the kernel returns.
/// f64 is for truth, not for speed: its kernels are compiled for the baseline alone.
template <class T, class Body> void on_isa(const CpuQueue& q, const Body& body) {
  if (q.dry) { return; }
  const FlushDenormals flush;
  if constexpr (kLastIsa >= Isa::avx512 && !std::is_same_v<T, double>) {
    if (q.isa >= Isa::avx512) {
      CpuIsaQueue<Isa::avx512> isa{q.threads};
      return body(isa);
    }
  }
  if constexpr (kLastIsa >= Isa::avx2 && !std::is_same_v<T, double>) {
    if (q.isa == Isa::avx2) {
      CpuIsaQueue<Isa::avx2> isa{q.threads};
      return body(isa);
    }
  }
  CpuIsaQueue<Isa::baseline> isa{q.threads};
  body(isa);
}

/// Declares a kernel for every backend, once, in the operator's contract header.
#define VOX_KERNEL(kernel, Args)                                               \
  template <class T> void kernel(CpuIsaQueue<Isa::baseline>&, const Args<T>&); \
  template <class T> void kernel(CpuIsaQueue<Isa::avx2>&, const Args<T>&);     \
  template <class T> void kernel(CpuIsaQueue<Isa::avx512>&, const Args<T>&);   \
  template <class T> void kernel(CudaQueue&, const Args<T>&);                  \
  template <class T> void kernel(SimtQueue&, const Args<T>&);                  \
  template <class T> void kernel(DryQueue&, const Args<T>&) {}                 \
  template <class T> void kernel(CpuQueue& q, const Args<T>& a) {              \
    on_isa<T>(q, [&](auto& isa) { kernel(isa, a); });                          \
  }                                                                            \
  static_assert(true)

/// What is said of f64: dropped where a file is compiled for an instruction set beyond the baseline.
#if defined(VOX_ISA) && !defined(VOX_F64)
#define VOX_OF_F64(...)
#else
#define VOX_OF_F64(...) __VA_ARGS__
#endif

/// One explicit instantiation per storage type: the list of types a kernel exists for lives here.
#define VOX_INSTANTIATE(Queue, kernel, Args)                     \
  template void kernel(Queue&, const Args<float>&);              \
  VOX_OF_F64(template void kernel(Queue&, const Args<double>&);) \
  template void kernel(Queue&, const Args<Bf16>&)

}  // namespace vox

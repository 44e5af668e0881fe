#include "kernels/base/denormals.h"

#ifdef VOX_X86
#include <xmmintrin.h>
#endif

// Functions of a file of their own, not inline: a compiler may move arithmetic past the instruction that changes the
// mode, but not past a call of something it does not see.

namespace vox {
namespace {

#ifdef VOX_X86
constexpr FloatMode kHappened = 0x3F;  // of MXCSR: exceptions so far
constexpr FloatMode kFlush = 0x8000;   // results that are denormal become zero
constexpr FloatMode kTake = 0x0040;    // operands that are denormal count as zero
#elif defined(__aarch64__)
// FZ of FPCR: both. A result is denormal before rounding here, so that one that would round up to the smallest normal
// number becomes zero.
constexpr FloatMode kFlush = 1U << 24U;
#endif

}  // namespace

#ifdef VOX_X86
FloatMode float_mode() { return _mm_getcsr() & ~kHappened; }
void set_float_mode(FloatMode mode) {
  const FloatMode now = _mm_getcsr();
  const FloatMode wanted = (now & kHappened) | mode;
  if (now != wanted) { _mm_setcsr(wanted); }
}
bool flushes_denormals() { return true; }

FlushDenormals::FlushDenormals() : before_(float_mode()) { set_float_mode(before_ | kFlush | kTake); }
#elif defined(__aarch64__)
FloatMode float_mode() {
  std::uint64_t mode = 0;  // FPCR; what has happened is in FPSR
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return static_cast<FloatMode>(mode);
}
void set_float_mode(FloatMode mode) {
  if (mode != float_mode()) { asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{mode})); }
}
bool flushes_denormals() { return true; }

FlushDenormals::FlushDenormals() : before_(float_mode()) { set_float_mode(before_ | kFlush); }
#else
FloatMode float_mode() { return 0; }
void set_float_mode(FloatMode) {}
bool flushes_denormals() { return false; }

FlushDenormals::FlushDenormals() : before_(float_mode()) {}
#endif

FlushDenormals::~FlushDenormals() { set_float_mode(before_); }

}  // namespace vox

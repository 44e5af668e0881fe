#pragma once

#include <cstdint>

namespace vox {

/// How this thread computes with floating-point numbers: rounding, traps, what becomes of denormal numbers. Not what
/// has happened so far (inexact, overflow, …).
using FloatMode = std::uint32_t;
[[nodiscard]] FloatMode float_mode();
void set_float_mode(FloatMode);

/// While one lives, this thread, and whoever does its parallel tasks, takes denormal numbers for zero and gives none:
/// processors that handle them in microcode take ten and more times as long. Infinity and NaN are what they always are.
/// x86: FTZ and DAZ of MXCSR; aarch64: FZ of FPCR; on other processors it changes nothing.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
  FlushDenormals(FlushDenormals&&) = delete;
  FlushDenormals& operator=(FlushDenormals&&) = delete;

 private:
  FloatMode before_;
};

/// Whether it changes anything here.
[[nodiscard]] bool flushes_denormals();

}  // namespace vox

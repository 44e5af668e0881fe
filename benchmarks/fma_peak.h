#pragma once

namespace vox::bench {

/// GFLOP/s of fused multiply-adds on registers, on so many threads at once: what a kernel could reach at best here and
/// now, in f32 and the instruction set of the queue of the calling thread. Two operations each.
[[nodiscard]] double fma_peak_gflops(int threads);

}  // namespace vox::bench

#pragma once

#include <string>

#include "kernels/simt/launch.h"

namespace vox::simt {

enum class Fault : std::uint8_t {
  deadlock,
  divergent_barrier,
  exit_at_barrier,
  bad_mask,
  bad_lane,
  warp_divergence,
  shared_bounds,
  global_bounds,
  wild_address,
  uninitialised_shared,
  uninitialised_global,
  shared_race,
  global_race,
  async_hazard,
  pending_async,
  misaligned,
  limit,
  tf32_operand,
};

[[nodiscard]] const char* name(Fault);

/// Remembers a fault of the launch that is running; a second one of the same kind at the same place is dropped.
void report(Fault, const Site&, const std::string& text);
/// Throws what has been reported since the last call, if anything.
void throw_faults(const Launch&);

[[nodiscard]] std::string text_of(const Site&);            ///< "file.cu:12"; an address is looked up with addr2line
[[nodiscard]] std::string place_of(const ThreadContext&);  ///< "block (0,0,1) thread (31,0,0)"

}  // namespace vox::simt

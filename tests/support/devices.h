#pragma once

#include <span>
#include <vector>

#include "engine/types.h"
#include "kernels/base/queue.h"

namespace vox::test {

/// Where the CUDA kernels run here: simt, and cuda in a program built for it that finds a GPU.
/// VOXGRAD_TEST_DEVICE=cuda (or simt) asks for that one alone, and fails where it is missing.
[[nodiscard]] const std::vector<Device>& kernel_devices();

/// The types that an instruction set has kernels of its own for: f64 is the baseline's everywhere
/// (kernels/base/queue.h).
[[nodiscard]] std::span<const DType> dtypes_on(Isa);

}  // namespace vox::test

/// Runs the rest of the test case once on each of them; `-c SECTION` still picks sections.
#define VOX_EACH_KERNEL_DEVICE(device)                                                                      \
  static_cast<void>(::vox::test::kernel_devices()); /* Catch2 2 does not survive a throw within GENERATE */ \
  const ::vox::Device device = GENERATE(from_range(vox::test::kernel_devices()));                           \
  INFO("on " << ::vox::name(device))

#pragma once

#include <span>
#include <vector>

#include "engine/types.h"
#include "kernels/base/queue.h"
#include "kernels/base/sanitizer.h"

namespace vox::test {

/// Where the CUDA kernels run here: simt, and cuda in a program built for it that finds a GPU.
/// VOXGRAD_TEST_DEVICE=cuda (or simt) asks for that one alone, and fails where it is missing.
[[nodiscard]] const std::vector<Device>& kernel_devices();

/// The types that an instruction set has kernels of its own for: f64 is the baseline's everywhere
/// (kernels/base/queue.h).
[[nodiscard]] std::span<const DType> dtypes_on(Isa);

/// Under AddressSanitizer every third of them, otherwise all. For what executes CUDA kernels on the simt device and
/// takes minutes there: other builds run all of it with every access checked.
template <class T> [[nodiscard]] std::vector<T> few_under_asan(const std::vector<T>& all) {
  if (!kAddressSanitizer) { return all; }
  std::vector<T> few;
  for (std::size_t i = 0; i < all.size(); i += 3) { few.push_back(all[i]); }
  return few;
}

}  // namespace vox::test

/// Runs the rest of the test case once on each of them; `-c SECTION` still picks sections.
#define VOX_EACH_KERNEL_DEVICE(device)                                                                      \
  static_cast<void>(::vox::test::kernel_devices()); /* Catch2 2 does not survive a throw within GENERATE */ \
  const ::vox::Device device = GENERATE(from_range(vox::test::kernel_devices()));                           \
  INFO("on " << ::vox::name(device))

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace vox::bench {

/// Extents of one operator's work, as on the command line and in the tables: channels in, "-" channels out, "@"
/// extents.
///   16-32@128^3     a convolution of 16 to 32 channels on 128x128x128 voxels     16-4@128^3k1   with a kernel of 1
///   16+16-16@64^3   one that reads two tensors of 16 channels                    16-32@64^3s2   of stride 2
///   16@155x240x240  anything else
struct KernelShape {
  std::vector<std::int64_t> in;  ///< channels of each input volume, one or two
  std::int64_t out = 0;          ///< channels of the result; 0: as the operator makes them
  std::array<std::int64_t, 3> extent{};
  std::int64_t kernel = 0;  ///< 0: the operator's own, 3 for a convolution and 2 for a transposed one

  std::int64_t stride = 0;  ///< 0: the operator's own, 1 for a convolution and 2 for a transposed one

  friend bool operator==(const KernelShape&, const KernelShape&) = default;
};
[[nodiscard]] KernelShape parse_shape(const std::string&);  ///< throws Error naming what is wrong
[[nodiscard]] std::string text_of(const KernelShape&);
[[nodiscard]] std::string extents_of(const KernelShape&);  ///< what stands behind the "@"

}  // namespace vox::bench

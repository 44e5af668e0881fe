#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/loading/loader.h"

namespace vox {

/// Makes the samples of a loader, for one thread: what one sample takes in memory is used again for the next.
class SampleMaker {
 public:
  /// shape: C,D,H,W of every sample. The options must live as long.
  SampleMaker(const LoaderOptions& options, const std::array<std::int64_t, 4>& shape)
      : options_(options), shape_(shape) {}

  /// Reads, cuts and augments a case; returns its id. image [C,D,H,W], label [D,H,W]. Throws DataError naming the file.
  [[nodiscard]] std::string make(const std::filesystem::path&, const SampleKey&, std::int64_t place_in_batch,
                                 std::span<float> image, std::span<std::uint8_t> label);

 private:
  const LoaderOptions& options_;
  std::array<std::int64_t, 4> shape_;
  std::vector<float> image_;         ///< as it was prepared: a patch, or a case that is not f32
  std::vector<std::uint8_t> label_;  ///< of a patch
};

/// Bytes that the makers of all threads hold, given the type of prepared images.
[[nodiscard]] std::size_t sample_maker_bytes(const LoaderOptions&, const std::array<std::int64_t, 4>& shape,
                                             FileDType image_type);

/// C,D,H,W of a prepared case.
[[nodiscard]] std::array<std::int64_t, 4> shape_of(const PreparedInfo&);

}  // namespace vox

#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/loading/loader.h"
#include "data/loading/nnunet_augment.h"

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
  /// By nnU-Net's steps. box: the patch.
  void make_nnunet(const PreparedFile&, const Box& box, const NnunetAugmentation&, std::span<float> image,
                   std::span<std::uint8_t> label);
  /// A part of a case as it was prepared, in image_ and label_.
  void read(const PreparedFile&, const Box&);

  const LoaderOptions& options_;
  std::array<std::int64_t, 4> shape_;
  std::vector<float> image_;         ///< as it was prepared: a patch, what one is made of, or a case that is not f32
  std::vector<std::uint8_t> label_;  ///< of what is no whole case
  std::vector<float> scratch_;       ///< of one channel, for nnU-Net's steps
};

/// Bytes that the makers of all threads hold at most, given the type of prepared images and the extents of the cases,
/// which count where nnU-Net's steps make patches of them. Reads no file.
[[nodiscard]] std::size_t sample_maker_bytes(const LoaderOptions&, const std::array<std::int64_t, 4>& shape,
                                             FileDType image_type, std::span<const Extent3> cases);

/// C,D,H,W of a prepared case.
[[nodiscard]] std::array<std::int64_t, 4> shape_of(const PreparedInfo&);

}  // namespace vox

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/cases/label_convention.h"
#include "data/cases/recipe.h"
#include "data/image.h"
#include "data/prepare/foreground.h"
#include "data/prepare/resample.h"
#include "engine/safetensors.h"

namespace vox {

struct NiftiHeader;  // data/nifti/header.h

/// Between the network's grid and the patient's: the canonical grid is cut to `box`, and the box resized to `size`.
struct GridMapping {
  Geometry source;  ///< of the case, canonical order
  Box box;          ///< in voxels of source
  Extent3 size{};   ///< of the network's grid
  friend bool operator==(const GridMapping&, const GridMapping&) = default;
};

/// What is known of a prepared case without its voxels.
struct PreparedInfo {
  std::string id;
  Recipe recipe;
  GridMapping mapping;
  bool labelled = false;
  LabelConvention convention = LabelConvention::brats2020;  ///< of the label file; meaningful where labelled
  std::vector<std::string> sources;                         ///< file names, in channel order, labels, mask
  std::string source_hash;                                  ///< xxh3-128 of the sources' bytes, in hex; may be empty
  FileDType image_type = FileDType::f32;                    ///< what the file holds the image in: f32 or bf16
  bool has_positions = true;                                ///< not in files of format 1
};

struct PreparedCase {
  PreparedInfo info;
  LargeVector<float> image;                   ///< [C,D,H,W]
  LargeVector<std::uint8_t> label;            ///< [D,H,W], classes 0..3; empty where not labelled
  std::shared_ptr<const NiftiHeader> header;  ///< of the first image's file: for a result on the case's own grid
  double read_seconds = 0;                    ///< what reading and decompressing took
  double prepare_seconds = 0;                 ///< and the recipe
};

/// One safetensors file: tensors `image` F32 or BF16 (each value rounded to nearest, ties to even) [C,D,H,W] and, where
/// labelled, `label` U8 [D,H,W] and `foreground.1`, `.2`, `.3`, `.wt`, `.tc` I64 (foreground_positions()); everything
/// of PreparedInfo as metadata.
void write_prepared_case(const std::filesystem::path&, const PreparedCase&);

/// A prepared case on disk, mapped. Throws DataError when the file is no prepared case, has a format that this version
/// does not know, or its tensors are not what its metadata says. Format 1, of versions that kept no positions, is read.
class PreparedFile {
 public:
  explicit PreparedFile(const std::filesystem::path&);

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const PreparedInfo& info() const { return info_; }
  [[nodiscard]] std::span<const std::uint8_t> label() const;  ///< [D,H,W], throws DataError where not labelled
  /// [C,D,H,W]: a view into the file where that is f32, else into `converted`, which must live as long.
  [[nodiscard]] std::span<const float> image(std::vector<float>& converted) const;
  /// The part of image and label that lies in a box, of which the rest, outside the case, is 0. Of the file no other
  /// pages are read. image [C,d,h,w], label [d,h,w] of box.size. Throws DataError where not labelled.
  void read(const Box&, std::span<float> image, std::span<std::uint8_t> label) const;
  /// foreground_positions(). Throws DataError where the file has none.
  [[nodiscard]] std::span<const std::int64_t> positions(Foreground) const;

 private:
  std::string file_;
  SafetensorsFile tensors_;
  PreparedInfo info_;
};

/// Prepared cases below a folder, sorted by id; throws DataError when there is none.
[[nodiscard]] std::vector<std::filesystem::path> find_prepared_cases(const std::filesystem::path& cache);
/// Throws DataError naming the file unless it was prepared with this recipe: kind, modalities, size and spacing.
void check_recipe(const PreparedInfo&, const Recipe& wanted, const std::string& file);

}  // namespace vox

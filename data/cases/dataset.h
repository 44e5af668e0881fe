#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/label_names.h"
#include "data/cases/names.h"
#include "data/nifti/nifti.h"

namespace vox {

/// A file that cannot be told apart from one that a case has already.
struct Clash {
  std::filesystem::path file;
  std::filesystem::path other;  ///< the one that the case keeps
  bool two_folders = false;     ///< the case itself is there twice, in two folders
};

/// A label file and the case that it belongs to.
struct LabelFile {
  std::string id;
  std::filesystem::path file;
  bool hyphenated = false;
  std::optional<StatedLabels> stated;  ///< what a file beside it says of its numbers
};

/// The files of one patient. An empty path is a file that is not there.
struct CaseFiles {
  std::string id;
  std::filesystem::path folder;
  std::array<std::filesystem::path, 4> images;  ///< indexed by Modality
  std::filesystem::path labels;
  std::filesystem::path mask;  ///< of the brain, where one was asked for
  bool hyphenated = false;     ///< named as BraTS names files since 2023: "ID-t2f"
  std::string note;            ///< what was unusual about the names: "labels found as 'W39_1998.09.19_Segm.nii'"
  std::vector<Clash> clashes;  ///< none in a sound case
  std::string mask_suffix;     ///< what was asked for
  std::int64_t volumes = 0;    ///< of its image files, where those are 4-D; 0: each is one volume
  std::array<std::int64_t, 4> volume{};  ///< of a 4-D file: which of its volumes an image is, indexed by Modality
  std::optional<StatedLabels> stated;    ///< what dataset.json or dseg.tsv says of the labels' numbers

  [[nodiscard]] const std::filesystem::path& image(Modality m) const { return images[static_cast<std::size_t>(m)]; }
  /// The image's file as messages name it, and no other image's: "BRATS_001.nii.gz[2]" of a 4-D file.
  [[nodiscard]] std::filesystem::path image_name(Modality) const;
  [[nodiscard]] LabelFile label_file() const { return {id, labels, hyphenated, stated}; }
};
/// One image of a case, of whichever file; throws NiftiError as read_nifti().
[[nodiscard]] NiftiImage read_image(const CaseFiles&, Modality);

/// Cases below a folder, or the one case that the folder is, or of a list of paths, sorted by id: in whichever layout
/// of data/cases/layout.h. mask_suffix: "mask" finds ID_mask.nii.gz or ID-mask.nii.gz. Throws DataError as
/// find_dataset().
[[nodiscard]] std::vector<CaseFiles> find_cases(const std::filesystem::path&, std::string_view mask_suffix = {});

/// Label files of a folder, sorted by id: those of find_cases(), and files called ID.nii.gz in a folder without images.
/// Where the folder itself holds none, those of its layout, or those below it. A dataset.json there, or above a folder
/// labelsTr, says what their numbers stand for. Throws DataError when the folder cannot be read or holds two for
/// one case; finds nothing without a word.
[[nodiscard]] std::vector<LabelFile> find_label_files(const std::filesystem::path&);
/// The same for a file that was named by hand.
[[nodiscard]] LabelFile label_file(const std::filesystem::path&);

}  // namespace vox

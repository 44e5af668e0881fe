#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "data/cases/recipe.h"
#include "data/loading/loader.h"
#include "data/loading/splits.h"
#include "tools/run/train_options.h"

namespace vox {

class Communicator;  // engine/ranks/communicator.h

/// Prepared files that a run trains and validates on, and the folds they come from.
struct TrainingCases {
  std::vector<Split> folds;
  std::vector<std::filesystem::path> train;
  std::vector<std::filesystem::path> val;
};

/// Side by side as --fold says, of the folds in a splits file; where that is empty, of folds made from the cases of the
/// cache. A case is called by the name of its prepared file as JSON can hold it: the splits, the log and a resumed run
/// must agree, whatever bytes the name has. Of several ranks each looks into its cache, which must have the same cases,
/// and rank 0 reads or makes the folds: collective.
[[nodiscard]] TrainingCases training_cases(const std::filesystem::path& cache, const std::filesystem::path& splits_file,
                                           const TrainOptions&, Communicator* = nullptr);

/// The recipe that all of them were prepared with, once it suits the options: as many modalities as the preset wants,
/// the size that --size names, and a patch, which native cases want, that is no larger than a cube. Throws DataError or
/// Error saying which does not.
[[nodiscard]] Recipe common_recipe(const TrainingCases&, const std::filesystem::path& cache, const TrainOptions&);

/// What a patch of the run is; nothing where it takes whole cases.
[[nodiscard]] std::optional<PatchOptions> patch_options(const TrainOptions&);

/// Does the device augment what the loader reads, instead of the loader's threads?
[[nodiscard]] bool device_augments(const TrainOptions&, Device);

/// The loader of a run's training cases, which may live in memory of the caller's choice. `voxgrad preview` shows what
/// it loads.
[[nodiscard]] LoaderOptions loader_options(const TrainOptions&, std::vector<std::filesystem::path> files, Device);

}  // namespace vox

#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/check/check.h"

namespace vox {

struct SynthOptions {
  std::filesystem::path output;  ///< made if it is not there; files of the same names are replaced
  std::int64_t cases = 1;        ///< sound ones
  std::uint64_t seed = 0;
  std::array<std::int64_t, 3> size{155, 240, 240};  ///< voxels along D, H, W, 16 to 512
  bool plant_faults = false;
  int threads = 1;                                            ///< cases at a time, about 250 MB each for BraTS' size
  std::function<void(std::int64_t, std::int64_t)> on_case{};  ///< done, total; as cases end, one at a time
};

/// Writes make_phantom()s as BraTS files: OUTPUT/Synth_001/Synth_001_{t1,t1ce,t2,flair,seg}.nii.gz, images as int16,
/// labels as uint8. The files depend on seed, size and the case's number, on nothing else. With plant_faults also one
/// case Synth_BT-xxx for every finding of `check` (at full size where the finding needs it), and faults.json, which is
/// what is returned: case id -> the codes that check finds in it, none for a sound case. Every sound case then has an
/// enhancing tumour in the middle, so that nothing else is found.
std::map<std::string, std::vector<std::string>> write_synthetic_cases(const SynthOptions&);

}  // namespace vox

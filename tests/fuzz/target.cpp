#include "tests/fuzz/target.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernels/base/check.h"

namespace vox::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::array kTargets{
    Target{"nifti", fuzz_nifti},
    Target{"nifti_gz", fuzz_nifti, gunzipped, gzipped},
    Target{"nifti_pair", fuzz_nifti_pair},
    Target{"nifti_labels", fuzz_nifti_labels},
    Target{"safetensors", fuzz_safetensors, header_of, with_header},
    Target{"checkpoint", fuzz_checkpoint, header_of, with_header},
    Target{"prepared_case", fuzz_prepared_case, header_of, with_header},
    Target{"json", fuzz_json},
    Target{"splits", fuzz_splits},
    Target{"dataset_json", fuzz_dataset_json},
    Target{"case_list_csv", fuzz_case_list_csv},
    Target{"case_list_json", fuzz_case_list_json},
    Target{"postprocess", fuzz_postprocess},
    Target{"config", fuzz_config},
    Target{"run_log", fuzz_run_log},
    Target{"event_file", fuzz_event_file},
    Target{"keras", fuzz_keras},
    Target{"nnunet_plans", fuzz_nnunet_plans},
    Target{"kernel_shape", fuzz_kernel_shape},
};

/// Removed when the program ends.
struct Folder {
  fs::path path;
  Folder() {
    std::error_code error;
    const fs::path memory = fs::is_directory("/dev/shm", error) ? fs::path("/dev/shm") : fs::temp_directory_path();
    path = memory / ("voxgrad-fuzz-" + std::to_string(getpid()));
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  Folder(Folder&&) = delete;
  Folder& operator=(Folder&&) = delete;
};

}  // namespace

std::span<const Target> targets() { return kTargets; }

const Target* target_named(std::string_view name) {
  const auto* const found = std::ranges::find(kTargets, name, &Target::name);
  return found == kTargets.end() ? nullptr : found;
}

void require(bool fine, const char* what) {
  if (fine) { return; }
  std::fprintf(stderr, "a reader took what it should have refused: %s\n", what);
  std::abort();
}

std::string file_with(const std::string& name, std::string_view bytes) {
  static const Folder folder;
  const fs::path path = folder.path / name;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), std::ssize(bytes));
  out.close();
  require(out.good(), "the test's own file could not be written");
  return path.string();
}

}  // namespace vox::fuzz

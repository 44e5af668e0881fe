#include "tests/fuzz/target.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "kernels/base/check.h"

namespace vox::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::array kTargets{
    Target{"nifti", fuzz_nifti, 2048},
    Target{"nifti_gz", fuzz_nifti, 4096, gunzipped, gzipped},
    Target{"nifti_pair", fuzz_nifti_pair, 2048},
    Target{"nifti_labels", fuzz_nifti_labels, 2048},
    Target{"nifti_volumes", fuzz_nifti_volumes, 2048},
    Target{"folder", fuzz_folder, 1024},
    Target{"bids_labels", fuzz_bids_labels, 1024},
    Target{"case", fuzz_case, 2048},
    Target{"case_volumes", fuzz_case_volumes, 2048},
    Target{"editions", fuzz_editions, 2048},
    Target{"masks", fuzz_masks, 2048},
    Target{"safetensors", fuzz_safetensors, 2048, header_of, with_header},
    Target{"checkpoint", fuzz_checkpoint, 24576, header_of, with_header},
    Target{"prepared_case", fuzz_prepared_case, 16384, header_of, with_header},
    Target{"weights", fuzz_weights, 16384, header_of, with_header},
    Target{"json", fuzz_json, 2048},
    Target{"splits", fuzz_splits, 1024},
    Target{"dataset_json", fuzz_dataset_json, 2048},
    Target{"case_list_csv", fuzz_case_list_csv, 1024},
    Target{"case_list_json", fuzz_case_list_json, 1024},
    Target{"postprocess", fuzz_postprocess, 1024},
    Target{"config", fuzz_config, 1024},
    Target{"run_log", fuzz_run_log, 4096},
    Target{"event_file", fuzz_event_file, 1024},
    Target{"keras", fuzz_keras, 131072},
    Target{"keras_bytes", fuzz_keras_bytes, 4096},
    Target{"nnunet_plans", fuzz_nnunet_plans, 4096},
    Target{"report", fuzz_report, 4096},
    Target{"two_runs", fuzz_two_runs, 8192},
    Target{"fabric", fuzz_fabric, 1024},
    Target{"kernel_shape", fuzz_kernel_shape, 64},
    Target{"ptx", fuzz_ptx, 4096},
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

const fs::path& own_folder() {
  static const Folder folder;
  return folder.path;
}

}  // namespace

std::span<const Target> targets() { return kTargets; }

const Target* target_named(std::string_view name) {
  const auto* const found = std::ranges::find(kTargets, name, &Target::name);
  return found == kTargets.end() ? nullptr : found;
}

void require(bool fine, const char* what) {
  if (fine) { return; }
  static_cast<void>(std::fprintf(stderr, "a reader took what it should have refused: %s\n", what));
  std::abort();
}

bool same_values(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(a, b, [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

std::string file_with(const std::string& name, std::string_view bytes) {
  const fs::path path = own_folder() / name;
  put_file(path, bytes);
  return path.string();
}

fs::path emptied_folder(const std::string& name) {
  fs::path path = own_folder() / name;
  fs::remove_all(path);
  fs::create_directory(path);
  return path;
}

void put_file(const fs::path& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = file >= 0 && write(file, bytes.data(), bytes.size()) == std::ssize(bytes);
  close(file);
  require(written, "the test's own file could not be written");
}

std::array<std::string_view, 2> two_parts(std::string_view bytes) {
  std::uint16_t length = 0;
  const std::size_t start = std::min(bytes.size(), sizeof length);
  std::memcpy(&length, bytes.data(), start);
  const std::string_view first = bytes.substr(start, length);
  return {first, bytes.substr(start + first.size())};
}

std::vector<std::string_view> texts(std::string_view bytes, std::size_t count) {
  std::vector<std::string_view> all;
  while (all.size() < count) {
    const std::size_t length = all.size() + 1 < count ? std::min(bytes.find('\x1E'), bytes.size()) : bytes.size();
    all.push_back(bytes.substr(0, length));
    bytes.remove_prefix(std::min(length + 1, bytes.size()));
  }
  return all;
}

}  // namespace vox::fuzz

#include "tools/verbs/doctor_probe.h"

#include <cairo.h>
#include <fmt/core.h>
#include <toml++/toml.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/context.h"
#include "engine/json_text.h"
#include "engine/ops.h"
#include "tools/ui/command_line.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) { return line.substr(colon + 2); }
  }
  return {};
}

std::vector<std::pair<std::string, std::int64_t>> caches() {
  std::vector<std::pair<std::string, std::int64_t>> found;
  for (int i = 0; i < 8; ++i) {
    const fs::path folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}", i);
    const std::string size = first_line(folder / "size");  // "48K"
    std::string type = first_line(folder / "type");
    if (size.empty() || type == "Instruction") { continue; }
    std::transform(type.begin(), type.end(), type.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::int64_t unit = size.back() == 'K' ? 1024 : size.back() == 'M' ? 1024 * 1024 : 1;
    found.emplace_back(fmt::format("L{} {}", first_line(folder / "level"), type),
                       std::strtoll(size.c_str(), nullptr, 10) * unit);
  }
  return found;
}

/// How many voxels of a 3x3x3 window around a voxel lie in the volume.
double neighbours(const std::array<std::int64_t, 3>& size, const std::array<std::int64_t, 3>& at) {
  std::int64_t count = 1;
  for (std::size_t k = 0; k < 3; ++k) {
    count *= std::min(at[k] + 1, size[k] - 1) - std::max<std::int64_t>(at[k] - 1, 0) + 1;
  }
  return static_cast<double>(count);
}

template <class T> T whole(std::int64_t n) { return static_cast<T>(n); }

/// Input channel i holds i + 1 and output channel o has the weights o + 1: small whole numbers, so exact.
double convolution_error() {
  constexpr std::array<std::int64_t, 3> kSize{4, 5, 7};
  constexpr std::int64_t kIn = 3;
  constexpr std::int64_t kOut = 9;
  constexpr std::int64_t kVoxels = kSize[0] * kSize[1] * kSize[2];
  std::vector<float> x;
  for (std::int64_t i = 0; i < kIn * kVoxels; ++i) { x.push_back(whole<float>(i / kVoxels + 1)); }
  std::vector<float> weight;
  for (std::int64_t i = 0; i < kOut * kIn * 27; ++i) { weight.push_back(whole<float>(i / (kIn * 27) + 1)); }
  const Tensor y = conv3d(Tensor::volume_of<float>({1, kIn, kSize[0], kSize[1], kSize[2]}, x),
                          Tensor::of<float>({kOut, kIn, 3, 3, 3}, weight), Tensor());
  const std::vector<double> got = y.to_doubles();
  double worst = 0;
  for (std::int64_t i = 0; i < kOut * kVoxels; ++i) {
    const std::int64_t v = i % kVoxels;
    const double wants = neighbours(kSize, {v / (kSize[1] * kSize[2]), v / kSize[2] % kSize[1], v % kSize[2]}) *
                         (1 + 2 + 3) * whole<double>(i / kVoxels + 1);
    const double error = std::abs(got[static_cast<std::size_t>(i)] - wants);
    if (!(error <= worst)) { worst = error; }  // NaN is kept
  }
  return worst;
}

}  // namespace

Machine probe_machine() {
  Machine m;
  m.cpu = cpu_name();
  m.threads = hardware_threads();
  for (const Isa isa : runnable_isas()) { m.isas.emplace_back(name(isa)); }
  m.isa = name(cpu_queue().isa);
  const std::int64_t page = sysconf(_SC_PAGESIZE);
  m.memory_bytes = sysconf(_SC_PHYS_PAGES) * page;
  m.memory_free_bytes = sysconf(_SC_AVPHYS_PAGES) * page;
  m.caches = caches();
  return m;
}

std::vector<std::pair<std::string, std::string>> library_versions() {
  return {{"zlib", zlibVersion()},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"CLI11", cli11_version()},
          {"toml++", fmt::format("{}.{}.{}", TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH)},
          {"nlohmann-json", json_library_version()},
          {"nifti_clib", "nifti2 (its headers name no version)"},
          {"xxhash", fmt::format("{}.{}.{}", XXH_VERSION_MAJOR, XXH_VERSION_MINOR, XXH_VERSION_RELEASE)},
          {"Cairo", cairo_version_string()}};
}

std::string program_path(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path file = fs::path(folder) / name;
    if (!folder.empty() && access(file.c_str(), X_OK) == 0 && fs::is_regular_file(file)) { return file.string(); }
  }
  return {};
}

std::string host_name() {
  std::array<char, 256> text{};
  return gethostname(text.data(), text.size() - 1) == 0 ? text.data() : "unknown host";
}

std::vector<SelfTest> self_test() {
  std::vector<SelfTest> results;
  const Isa before = cpu_queue().isa;
  for (const Isa isa : runnable_isas()) {
    cpu_queue().isa = isa;
    const double error = convolution_error();
    results.push_back({.isa = name(isa), .error = error, .passed = error == 0});
  }
  cpu_queue().isa = before;
  return results;
}

}  // namespace vox

#include "engine/memory_limits.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <utility>

#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

std::optional<std::size_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::size_t bytes = 0;
  if (in >> bytes) { return bytes; }
  return std::nullopt;  // not there, or "max"
}

/// The number behind a key of a file of lines "key number" or "key: number kB", in its own unit.
std::optional<std::size_t> number_of(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word;
    std::size_t value = 0;
    if (words >> word >> value && word == key) { return value; }
  }
  return std::nullopt;
}

std::size_t left(std::size_t limit, std::size_t used) { return limit > used ? limit - used : 0; }

/// The folder of a control group and all above it, in which a limit may stand.
void consider_groups(MemoryLimit& least, const fs::path& root, const std::string& group, const char* limit,
                     const char* usage, const char* cache) {
  fs::path folder = root;
  folder += group;
  for (;;) {
    if (const auto most = number_in(folder / limit)) {
      // Cached files count as used and give way.
      const std::size_t used = number_in(folder / usage).value_or(0);
      const std::size_t files = number_of(folder / "memory.stat", cache).value_or(0);
      const std::size_t bytes = left(*most, left(used, files));
      if (bytes < least.bytes) { least = {bytes, fmt::format("{} of the control group", limit)}; }
    }
    if (folder == root || !folder.has_relative_path() || folder.native().size() <= root.native().size()) { return; }
    folder = folder.parent_path();
  }
}

void consider_control_groups(MemoryLimit& least) {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {  // "0::/path", or "9:memory:/path" in version 1
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) { continue; }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      consider_groups(least, "/sys/fs/cgroup", group, "memory.max", "memory.current", "inactive_file");
    } else if (controllers.find("memory") != std::string::npos) {
      consider_groups(least, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes",
                      "total_inactive_file");
    }
  }
}

void consider_address_space(MemoryLimit& least) {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) { return; }
  const std::size_t pages = number_in("/proc/self/statm").value_or(0);
  const std::size_t used = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t bytes = left(static_cast<std::size_t>(limit.rlim_cur), used);
  if (bytes < least.bytes) { least = {bytes, "ulimit -v"}; }
}

}  // namespace

MemoryLimit shared_by_ranks(MemoryLimit machine) {
  if (const int ranks = local_ranks(); ranks > 1) {
    if (machine.bytes != kUnlimited) { machine.bytes /= static_cast<std::size_t>(ranks); }
    machine.source += fmt::format(", shared by {} ranks", ranks);
  }
  return machine;
}

MemoryLimit available_memory(Device device) {
  if (device == Device::cuda) { return {cuda::free_bytes(), "free on the GPU"}; }
  MemoryLimit least{kUnlimited, "no limit known"};
  if (const auto kib = number_of("/proc/meminfo", "MemAvailable:")) { least = {*kib << 10U, "MemAvailable"}; }
  consider_control_groups(least);
  least = shared_by_ranks(std::move(least));
  consider_address_space(least);
  return least;
}

std::size_t bytes_named(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 14> kUnits{{{"", 1},
                                                                        {"B", 1},
                                                                        {"K", 0x1p10},
                                                                        {"KiB", 0x1p10},
                                                                        {"kB", 1e3},
                                                                        {"KB", 1e3},
                                                                        {"M", 0x1p20},
                                                                        {"MiB", 0x1p20},
                                                                        {"MB", 1e6},
                                                                        {"G", 0x1p30},
                                                                        {"GiB", 0x1p30},
                                                                        {"GB", 1e9},
                                                                        {"TiB", 0x1p40},
                                                                        {"TB", 1e12}}};
  std::istringstream in{std::string(text)};
  in.imbue(std::locale::classic());
  double number = 0;
  std::string unit;
  const bool numeric = static_cast<bool>(in >> number);
  in >> unit;
  std::string rest;
  const bool ended = !(in >> rest);
  const auto* const found = std::ranges::find_if(kUnits, [&](const auto& u) { return u.first == unit; });
  VOX_CHECK(numeric && ended && found != kUnits.end() && number > 0 && number * found->second < 0x1p63,
            "memory '{}' is no size; wants a number with B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, such as 8GiB", text);
  return static_cast<std::size_t>(number * found->second);
}

std::string bytes_text(std::size_t bytes) {
  const auto b = static_cast<double>(bytes);
  if (b >= 0x1p30) { return fmt::format("{:.2f} GiB", b / 0x1p30); }
  if (b >= 0x1p20) { return fmt::format("{:.1f} MiB", b / 0x1p20); }
  if (b >= 0x1p10) { return fmt::format("{:.1f} KiB", b / 0x1p10); }
  return fmt::format("{} bytes", bytes);
}

}  // namespace vox

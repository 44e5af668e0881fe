#include "tools/ui/process_clock.h"

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace vox {
namespace {

/// For a system without /proc: counts from when the program's own code began.
const auto kBegan = std::chrono::steady_clock::now();

}  // namespace

double seconds_since_process_start() {
  std::ifstream file("/proc/self/stat");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  timespec now{};
  if (const std::size_t name_end = line.rfind(')'); name_end != std::string::npos) {
    std::istringstream words(line.substr(name_end + 1));
    std::string word;
    constexpr int kStartTime = 20;  // field 22 of proc(5), the first two being the number and the name
    for (int i = 0; i < kStartTime; ++i) { words >> word; }
#ifdef CLOCK_BOOTTIME
    if (words && clock_gettime(CLOCK_BOOTTIME, &now) == 0) {
      const double started = std::stod(word) / static_cast<double>(sysconf(_SC_CLK_TCK));
      return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 - started;
    }
#endif
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - kBegan).count();
}

}  // namespace vox

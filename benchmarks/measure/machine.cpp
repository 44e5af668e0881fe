#include "benchmarks/measure/machine.h"

#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>

#include "engine/build.h"
#include "engine/context.h"
#include "kernels/cuda/runtime.h"

namespace vox::bench {
namespace {

/// What stands behind "name: " or "name\t: " in a file of lines.
std::string entry(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (!line.starts_with(name) || colon == std::string::npos) { continue; }
    const std::size_t first = line.find_first_not_of(" \t", colon + 1);
    return first == std::string::npos ? "" : line.substr(first);
  }
  return {};
}

std::string first_word(const char* file) {
  std::ifstream in(file);
  std::string word;
  in >> word;
  return word;
}

std::string utc() {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min);
}

}  // namespace

Json machine_facts(Device device) {
  Json facts;
  const std::string mhz = entry("/proc/cpuinfo", "cpu MHz");
  facts["machine"] =
      fmt::format("{}, {} cores, {:.1f} GiB", entry("/proc/cpuinfo", "model name"), hardware_threads(),
                  static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 0x1p30);
  if (!mhz.empty()) { facts["clock at start"] = mhz.substr(0, mhz.find('.')) + " MHz"; }
  facts["instruction set"] = name(cpu_queue().isa);
  facts["threads"] = cpu_queue().threads;
  if (device != Device::cpu) { facts["device"] = describe(device) + ", CUDA " + cuda::versions(); }
  facts["build"] = fmt::format("{}, {}, commit {}", compiler(), build_type(), commit());
  facts["start"] = fmt::format("{}, load {}", utc(), first_word("/proc/loadavg"));
  return facts;
}

std::size_t level2_cache_bytes() {
  std::ifstream in("/sys/devices/system/cpu/cpu0/cache/index2/size");
  std::size_t kib = 0;
  in >> kib;
  return kib * 1024 * static_cast<std::size_t>(hardware_threads());
}

std::size_t peak_resident_bytes() {
  return static_cast<std::size_t>(std::strtoull(entry("/proc/self/status", "VmHWM").c_str(), nullptr, 10)) * 1024;
}

bool reset_peak_resident() {
  std::ofstream out("/proc/self/clear_refs");
  out << "5";
  return out.flush().good();
}

}  // namespace vox::bench

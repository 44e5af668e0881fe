#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/json.h"

namespace vox {

/// What doctor finds on this machine. Unknown text is empty, unknown sizes are 0.
struct Machine {
  std::string cpu;
  int threads = 0;                ///< cores this process may use
  std::vector<std::string> isas;  ///< kernels this CPU can run, slowest first
  std::string isa;                ///< the one that is used
  std::int64_t memory_bytes = 0;
  std::int64_t memory_free_bytes = 0;
  std::vector<std::pair<std::string, std::int64_t>> caches;  ///< "L1 data", bytes
};
[[nodiscard]] Machine probe_machine();

[[nodiscard]] std::vector<std::pair<std::string, std::string>> library_versions();
/// Of the program in PATH; empty where there is none.
[[nodiscard]] std::string program_path(const std::string& name);

/// What `doctor --json` says but for the self-test, and a run's env.json: version, build, CPU, memory, GPUs, libraries.
[[nodiscard]] Json environment_report();

[[nodiscard]] std::string host_name();

struct SelfTest {
  std::string isa;
  double error = 0;  ///< largest difference from the known numbers
  bool passed = false;
};
/// conv3d of a ragged volume of ones against the counted neighbours, on every instruction set this CPU runs.
[[nodiscard]] std::vector<SelfTest> self_test();

}  // namespace vox

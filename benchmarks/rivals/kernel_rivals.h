#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/rivals/child.h"
#include "benchmarks/rivals/rivals.h"
#include "benchmarks/workloads/kernel_case.h"

namespace vox::bench {

/// One rival at one line of the table: ready to run, or why not.
struct RivalLane {
  std::string column;
  std::function<Times(std::int64_t calls)> run;
  std::string way;    ///< the implementation it chose, in its own words
  std::string error;  ///< where run is empty
};

/// The others at the table of kernels: programs that stay loaded (oneDNN, cuDNN, cuBLAS, another build of voxgrad).
class KernelRivals {
 public:
  /// Starts what a word of --against names. Throws Error saying what is missing.
  void add(const std::string& word, const Programs&, Device);
  [[nodiscard]] const std::string& description(const std::string& word) const { return descriptions_.at(word); }

  /// Those that have something to do at this line. Memory they took for the line before is free again.
  /// device: as on the command line.
  [[nodiscard]] std::vector<RivalLane> lanes(const KernelSpec&, Cache, const std::string& device);

 private:
  std::map<std::string, std::unique_ptr<Child>> programs_;
  std::map<std::string, std::string> descriptions_;
};

/// Which line it is, for files and for programs.
[[nodiscard]] Json record_of(const KernelSpec&);
/// What a program is asked to prepare for a line.
[[nodiscard]] Json question_of(const KernelSpec&, Cache, const std::string& device);
/// And back. Throws Error for what is none.
[[nodiscard]] KernelSpec spec_of(const Json& question);
[[nodiscard]] Cache cache_of(const Json& question);

}  // namespace vox::bench

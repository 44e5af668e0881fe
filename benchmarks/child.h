#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "benchmarks/report.h"

namespace vox::bench {

/// Another program that answers one line of JSON for each line of JSON it is asked: PyTorch's script, oneDNN's program,
/// another build of voxgrad. The questions are in README.md. Lines that are no JSON object are passed over.
class Child {
 public:
  /// Starts it; throws Error where it cannot be run.
  Child(const std::vector<std::string>& command, const std::vector<std::string>& environment = {});
  ~Child();  ///< ends it
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&&) = delete;
  Child& operator=(Child&&) = delete;

  /// Throws Error with its own words where it answers {"error": …}, with the last line of its stderr where it ended,
  /// and where nothing comes for so long.
  Json ask(const Json& question, double limit_s = 3600);

 private:
  [[nodiscard]] std::string last_words();
  [[nodiscard]] std::string read_line(double limit_s);
  void end() noexcept;

  std::string name_;
  pid_t process_ = -1;
  int socket_ = -1;
  int messages_ = -1;  ///< a file that takes its stderr
  std::string unread_;
};

/// Runs a program to its end, its output dropped. The exit code, or -1 where it cannot be run.
[[nodiscard]] int run_program(const std::vector<std::string>& command);

}  // namespace vox::bench

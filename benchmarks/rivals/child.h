#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "benchmarks/output/report.h"

namespace vox::bench {

/// An hour: torch.compile and the first step of a large network take minutes on a small machine.
inline constexpr double kLongAnswer_s = 3600;

/// Another program that answers one line of JSON for each line of JSON it is asked: PyTorch's script, oneDNN's program,
/// another build of voxgrad. The questions are in README.md. Lines that are no JSON object are passed over, within
/// reason.
class Child {
 public:
  /// Starts it; throws Error where it cannot be run.
  Child(const std::vector<std::string>& command, const std::vector<std::string>& environment = {});
  ~Child();  ///< ends it
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&&) = delete;
  Child& operator=(Child&&) = delete;

  /// The answer has what README.md says, of the right types. Throws Error with the program's own words where it answers
  /// {"error": …}. Where it ends, says something else, or has not answered after so long all in all or within a
  /// mebibyte of chatter, Error says that; the program is then stopped, and asked again gives the same Error.
  Json ask(const Json& question, double limit_s = kLongAnswer_s);

 private:
  struct Wait {
    double limit_s;
    double until;
    std::size_t said = 0;  ///< bytes since the question
  };
  [[nodiscard]] std::string last_words();
  void send_line(const Json& question);
  [[nodiscard]] std::string read_line(Wait&);
  [[nodiscard]] Json read_answer(double limit_s);
  void end() noexcept;

  std::string name_;
  pid_t process_ = -1;
  int socket_ = -1;
  int messages_ = -1;  ///< a file that takes its stderr
  std::string unread_;
  std::string gone_;  ///< why it answers no more; empty while it does
};

/// Runs a program to its end, its output dropped. The exit code, or -1 where it cannot be run.
[[nodiscard]] int run_program(const std::vector<std::string>& command);

}  // namespace vox::bench

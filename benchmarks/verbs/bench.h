#pragma once

#include <string>
#include <vector>

#include "benchmarks/measure/clocks.h"
#include "benchmarks/rivals/rivals.h"
#include "tools/ui/command_line.h"

namespace vox::bench {

/// Adds kernel, step, predict, … to `voxgrad bench`, or to the program vox_bench where there is no voxgrad.
void add_bench_verbs(Command bench);

/// What every verb that is compared with others takes.
struct Common {
  std::string device = "cpu";
  int threads = 0;  ///< 0: every core
  int rounds = 5;
  std::vector<std::string> against;
  std::vector<std::string> torch_variants{"contiguous eager", "channels_last eager", "contiguous compile",
                                          "channels_last compile"};
  Programs programs;
  std::vector<std::string> conv{"auto"};  ///< where a verb has use for several, several
  std::vector<std::string> isa;           ///< the same; none: the best
  double seconds = 0;                     ///< start no line after so long; 0: no limit
  std::string json;
  std::string csv;
  std::string page;
};
void add_common_options(Command verb, Common&, const char* rivals);
/// Makes threads, instruction set and way to convolve those of the calling thread's queues.
void apply(const Common&);

/// When no further line is to be begun.
class Deadline {
 public:
  explicit Deadline(double seconds) : seconds_(seconds), start_(now()) {}
  [[nodiscard]] bool passed() const { return seconds_ > 0 && (now() - start_).wall_s > seconds_; }

 private:
  double seconds_;
  Times start_;
};

void add_kernel_verb(Command bench);
void add_step_verb(Command bench);  ///< and predict
void add_startup_verb(Command bench);
void add_loader_verb(Command bench);  ///< in builds with the data library
void add_scores_verb(Command bench);  ///< in builds with the data library
void add_serve_verb(Command bench);   ///< not in --help: the other side of --against

}  // namespace vox::bench

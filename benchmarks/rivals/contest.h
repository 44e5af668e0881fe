#pragma once

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/rivals/child.h"
#include "benchmarks/rivals/rivals.h"

namespace vox::bench {

/// One program with one piece of work, and what it has taken so far.
class Entrant {
 public:
  /// Starts the program and has it prepare. Throws Error where it cannot.
  Entrant(const Rival&, Json question);

  void warm_up();    ///< twice: the first finds no memory, no code and no clock frequency as the others do
  void take_turn();  ///< once
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& description() const { return description_; }  ///< by itself: name and version
  [[nodiscard]] const std::vector<double>& wall_s() const { return wall_s_; }
  [[nodiscard]] const std::vector<double>& processor_s() const { return processor_s_; }
  [[nodiscard]] const std::map<std::string, std::vector<double>>& phases_s() const { return phases_s_; }
  [[nodiscard]] double peak_resident_bytes() const { return peak_resident_bytes_; }
  [[nodiscard]] double peak_tensor_bytes() const { return peak_tensor_bytes_; }
  [[nodiscard]] double loss() const { return loss_; }  ///< of the last step; NaN where the program does not tell

 private:
  Child child_;
  std::string name_;
  std::string description_;
  std::vector<double> wall_s_;
  std::vector<double> processor_s_;
  std::map<std::string, std::vector<double>> phases_s_;
  double peak_resident_bytes_ = 0;
  double peak_tensor_bytes_ = 0;
  double loss_ = std::numeric_limits<double>::quiet_NaN();
};

/// Theirs / ours of each round.
struct Turns {
  std::vector<double> wall;
  std::vector<double> processor;
};
/// So many rounds of both, the order swapped from round to round.
[[nodiscard]] Turns take_turns(Entrant& ours, Entrant& theirs, int rounds);

}  // namespace vox::bench

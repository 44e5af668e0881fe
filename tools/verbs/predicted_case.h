#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/cases/layout.h"
#include "data/postprocess/postprocess.h"
#include "data/prepare/prepare.h"
#include "tools/run/ensemble.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/window_options.h"

namespace vox {

// What `predict` does with one case.

struct PredictArgs {
  std::filesystem::path input;
  std::filesystem::path output;
  std::vector<std::string> models;
  bool save_probabilities = false;
  bool save_logits = false;
  bool mirror = false;
  WindowArgs windows;
  std::string device = "cpu";
  std::string fusion = "on";
  std::string conv = "auto";
  int threads = 0;
  std::string memory;
  bool verbose = false;
  std::string layout = "auto";
  std::string labels = "auto";
  std::vector<std::string> allow;
  std::string mask_suffix;
  std::filesystem::path postprocess;
  PostprocessRules rules;  ///< of that file

  /// The numbers to write for a case: those that a file of its name is read as again.
  [[nodiscard]] LabelConvention written(const CaseFiles&) const;
};

/// What became of the time of a case, in seconds.
struct Times {
  double waited = 0;  ///< until it was read and prepared; less than those two where they ran beside the case before
  double forward = 0;
  double restore = 0;
  double write = 0;
};

/// As --verbose says it, a line.
[[nodiscard]] std::string times_text(const CaseFiles&, const PreparedCase&, const Times&);

/// A case that was read, and what was unusual about it.
struct ReadCase {
  PreparedCase prepared;
  std::vector<std::string> notes;
};

[[nodiscard]] ReadCase read_case(CaseFiles, const Recipe&, const CheckRules&, int threads);

/// Computes a case and writes its files. Says nothing of Times::waited.
[[nodiscard]] Times predict_case(const CaseFiles&, const PreparedCase&, const Ensemble&, const PredictArgs&,
                                 int threads);

/// Notes of all cases: each kind once, with the first case and how many have it.
class Notes {
 public:
  void add(const std::string& id, const std::vector<std::string>& notes);
  void print() const;

 private:
  std::map<std::string, std::pair<std::string, std::int64_t>> kinds_;
};

}  // namespace vox

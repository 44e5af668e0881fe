#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/cases/layout.h"
#include "data/check/check.h"
#include "data/prepare/prepared_case.h"

namespace vox {

class Communicator;

/// Reads a case and applies the recipe. Labels are taken where there are any; the mask, where the case was searched
/// with a suffix, is the brain of zscore and native. Throws DataError with code and words of check for what check calls
/// an error in the files that the recipe reads, unless `rules` allow it; for a volume that the recipe's crop does not
/// fit; for zscore and native where nothing is background (BT-026); and for native where the spacing makes a grid too
/// large. `notes` receives what is unusual but usable, one sentence each.
[[nodiscard]] PreparedCase prepare_case(const CaseFiles&, const Recipe&, int threads = 1,
                                        std::vector<std::string>* notes = nullptr, const CheckRules& rules = {});

/// Voxels of the prepared label that are not background, of all; 0 where there is no label.
[[nodiscard]] double tumour_fraction(const PreparedCase&);

/// xxh3-128 over role, length and bytes of every file that is read, in hex.
[[nodiscard]] std::string hash_sources(const CaseFiles&, const Recipe&);

enum class Outcome : std::uint8_t { prepared, up_to_date, left_out, failed };
[[nodiscard]] std::string_view name(Outcome);

struct CaseReport {
  std::string id;
  Outcome outcome = Outcome::failed;
  std::string message;  ///< why left out or failed; the label mapping and notes of a prepared case
  double seconds = 0;
};

struct PrepareReport {
  CaseLayout layout = CaseLayout::brats;  ///< of the input
  std::string found;                      ///< describe() of the data set
  std::vector<CaseReport> cases;
  std::string unlocked;             ///< why nothing keeps a second program from writing there; usually empty
  std::vector<std::string> strays;  ///< prepared files of cases that are not below input; removed where asked for
  std::exception_ptr strays_fault;  ///< why they could not be: to be thrown when the cases have been told
};

struct PrepareOptions {
  std::filesystem::path input;
  std::filesystem::path output;
  Recipe recipe;
  FileDType image_type = FileDType::f32;       ///< what a prepared file holds images in: f32 or bf16
  int threads = 1;                             ///< cases at a time; each holds its volumes in memory
  std::optional<LabelConvention> labels = {};  ///< of all label files; found case by case where it is not given
  std::vector<Check> allowed = {};             ///< findings that stop no case
  std::string mask_suffix = {};                ///< see find_cases()
  std::optional<CaseLayout> layout = {};       ///< see find_dataset()
  bool prune = false;                          ///< remove prepared cases that are not below input
  /// Ranks that share the cases, all of which call prepare_cases(); nullptr: nobody does.
  Communicator* ranks = nullptr;
  /// As cases of this rank end, never from two threads at once; `done` counts from 1 to the `total` of this rank.
  std::function<void(const CaseReport&, std::size_t done, std::size_t total)> on_report = {};
};

/// Every case below input to `output/<ID>.safetensors`. A file whose recipe, type and source hash are right is kept as
/// it is; a case that fails or is left out leaves no file behind, and the others go on. Reports are sorted by id.
/// Throws DataError when there is no case, OutputError when the output cannot be written, Error when another process is
/// preparing there. On several ranks each has the whole report, but for the strays, which only the first looks for.
[[nodiscard]] PrepareReport prepare_cases(const PrepareOptions&);

}  // namespace vox

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/dataset.h"
#include "data/cases/label_convention.h"

namespace vox {

class Communicator;

// Which edition of BraTS a label file is of, from its name and its labels together. A 4 is enhancing tumour until 2021,
// a resection cavity in GLI since 2024 and MET since 2025, oedema in PED since 2024; a 3 is enhancing since 2023, but
// non-enhancing until 2016 and a cyst in PED. Where neither names nor labels settle it, nothing is guessed: the caller
// stops until --labels says it. docs/editions.md has the table.

/// What the name of a case says about the numbers in its label file.
enum class NameFamily : std::uint8_t {
  other,       ///< nothing
  brats2016,   ///< VSD.Brain..., brats_2013_pat..., brats_tcia_pat...
  brats2020,   ///< Brats17, Brats18, BraTS19, BraTS20, BraTS2021, FeTS2022, UCSF-PDGM, UPENN-GBM
  hyphenated,  ///< BraTS-GLI, -SSA, -MEN, -MET, -GoAT and every other ID-seg: 3 enhancing, and 4 is not settled
  ped,         ///< BraTS-PED: 2023 and 2024 give 1, 2 and 3 different meanings
  gtv,         ///< BraTS-MEN-RT: 1 is the gross tumour volume
  msd          ///< BRATS_001
};
[[nodiscard]] NameFamily family_of(std::string_view id, bool hyphenated);

/// How label files are to be read.
struct LabelRules {
  std::optional<LabelConvention> asked;  ///< --labels; decides alone
  /// Some file with a name of family `other` holds both 3 and 4: then one with only one of them is not settled either.
  bool mixed = false;
};
/// asked, and what the labels of all files together show. Reads the files whose names settle nothing, `threads` at a
/// time; those that cannot be read say nothing. Of several ranks, which all call it, each reads its share.
[[nodiscard]] LabelRules label_rules(std::optional<LabelConvention> asked, std::span<const LabelFile> files,
                                     int threads, Communicator* ranks = nullptr);
[[nodiscard]] LabelRules label_rules(std::optional<LabelConvention> asked, std::span<const CaseFiles> cases,
                                     int threads, Communicator* ranks = nullptr);

struct LabelDecision {
  std::optional<LabelConvention> convention;
  std::string reason;    ///< why that one; where there is none, why not, and what to say
  bool unknown = false;  ///< there is none because a number is no label in any, or not in the one that was asked for
};
[[nodiscard]] LabelDecision decide_labels(NameFamily, std::string_view id, const LabelCounts&, const LabelRules&);
/// The same of a file: what is stated beside it decides where --labels does not.
[[nodiscard]] LabelDecision decide_labels(const LabelFile&, const LabelCounts&, const LabelRules&);

/// The numbers to write for a case, from its name alone: what a file of that name is read as again.
[[nodiscard]] LabelConvention convention_for_output(NameFamily);

/// "auto" or the name of a convention; throws Error for anything else.
[[nodiscard]] std::optional<LabelConvention> labels_option(const std::string& text);

}  // namespace vox

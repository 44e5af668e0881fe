#include "data/cases/edition.h"

#include <algorithm>
#include <cctype>

#include "data/nifti/nifti.h"
#include "engine/ranks/deal.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

bool starts(std::string_view id, std::string_view prefix) {
  return id.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), id.begin(), [](char p, char c) {
           return p == static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
         });
}

bool starts_with_any(std::string_view id, std::initializer_list<std::string_view> prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view p) { return starts(id, p); });
}

/// "BRATS_001" of the Medical Segmentation Decathlon: capitals, three digits, and nothing else.
bool is_msd(std::string_view id) {
  return id.size() == 9 && id.starts_with("BRATS_") &&
         std::all_of(id.begin() + 6, id.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string present(const LabelCounts& counts) {
  std::string text;
  for (std::size_t label = 1; label < counts.size(); ++label) {
    if (counts[label] > 0) { text += fmt::format("{}{} ({} voxels)", text.empty() ? "" : ", ", label, counts[label]); }
  }
  return text.empty() ? "none" : text;
}

std::string choice(LabelConvention c) { return fmt::format("--labels {} ({})", name(c), meaning(c)); }

LabelDecision refused(std::string why) { return {.convention = {}, .reason = std::move(why), .unknown = false}; }

LabelDecision unknown(std::string why) { return {.convention = {}, .reason = std::move(why), .unknown = true}; }

LabelDecision decided(LabelConvention c, std::string why) {
  return {.convention = c, .reason = std::move(why), .unknown = false};
}

/// By what --labels or a file beside the labels says.
LabelDecision as_said(LabelConvention asked, const LabelCounts& counts, std::string why) {
  for (std::size_t label = 0; label < counts.size(); ++label) {
    if (counts[label] > 0 && !class_of(asked, static_cast<std::uint8_t>(label))) {
      return unknown(fmt::format("label {} in {} voxels; {} has 0 background, {}", label, counts[label], name(asked),
                                 meaning(asked)));
    }
  }
  return decided(asked, std::move(why));
}

/// A 4 under a name of 2023 or later.
LabelDecision ambiguous_four(std::string_view id, const LabelCounts& counts) {
  const std::string found = fmt::format("label 4 in {} voxels: under such a name it is no enhancing tumour", counts[4]);
  using enum LabelConvention;
  if (starts(id, "brats-gli") || starts(id, "brats-met")) {
    return refused(
        fmt::format("{}, but a resection cavity in BraTS 2024 and later: {}; or {} where somebody renamed it", found,
                    choice(brats2024), choice(brats2020)));
  }
  return refused(fmt::format("{}, and what it is depends on the edition: {}, {}, {}", found, choice(brats2024),
                             choice(brats2024_ped), choice(brats2020)));
}

LabelDecision ambiguous_ped(const LabelCounts& counts) {
  using enum LabelConvention;
  const std::string found = fmt::format("labels {}; 1, 2 and 3 changed their meaning in BraTS-PED", present(counts));
  if (counts[4] > 0) { return refused(fmt::format("{}, and the 4 speaks for 2024: {}", found, choice(brats2024_ped))); }
  return refused(fmt::format("{}: {} or {}", found, choice(brats2024_ped), choice(brats2023)));
}

LabelDecision three_and_four(const LabelCounts& counts) {
  using enum LabelConvention;
  return refused(fmt::format("labels {}: 3 and 4 together are in several editions: {}, {}, {}", present(counts),
                             choice(brats2016), choice(brats2024), choice(brats2024_ped)));
}

/// Under a name that says 2017 to 2021, or nothing.
LabelDecision by_labels(NameFamily family, const LabelCounts& counts, const LabelRules& rules) {
  using enum LabelConvention;
  const bool three = counts[3] > 0;
  const bool four = counts[4] > 0;
  if (three && four) { return three_and_four(counts); }
  if (family == NameFamily::brats2020 && !three) { return decided(brats2020, "a name of BraTS 2017 to 2021"); }
  if (rules.mixed && family == NameFamily::other && (three || four)) {
    return refused(fmt::format("label {} here, and 3 and 4 together in other files of the folder: {}, {}, {}",
                               three ? 3 : 4, choice(brats2016), choice(brats2024), choice(brats2024_ped)));
  }
  return three ? decided(brats2023, "3 and no 4") : decided(brats2020, four ? "4 and no 3" : "neither 3 nor 4");
}

}  // namespace

NameFamily family_of(std::string_view id, bool hyphenated) {
  if (starts_with_any(id, {"vsd.brain", "brats_2013_pat", "brats_tcia_pat", "brats_hg", "brats_lg"})) {
    return NameFamily::brats2016;
  }
  if (starts_with_any(id, {"brats17", "brats18", "brats19", "brats20", "fets20", "ucsf-pdgm", "upenn-gbm"})) {
    return hyphenated ? NameFamily::hyphenated : NameFamily::brats2020;
  }
  if (starts(id, "brats-men-rt")) { return NameFamily::gtv; }
  if (starts(id, "brats-ped")) { return NameFamily::ped; }
  if (hyphenated || starts(id, "brats-")) { return NameFamily::hyphenated; }
  return is_msd(id) ? NameFamily::msd : NameFamily::other;
}

LabelDecision decide_labels(NameFamily family, std::string_view id, const LabelCounts& counts,
                            const LabelRules& rules) {
  using enum LabelConvention;
  if (rules.asked) { return as_said(*rules.asked, counts, "--labels"); }
  for (std::size_t label = 5; label < counts.size(); ++label) {
    if (counts[label] > 0) {
      return unknown(fmt::format("label {} in {} voxels; no edition has it: wants 0 to 4", label, counts[label]));
    }
  }
  const bool any = counts[1] + counts[2] + counts[3] + counts[4] > 0;
  switch (family) {
    case NameFamily::brats2016:
      return decided(brats2016, "a name of BraTS 2012 to 2016");
    case NameFamily::gtv:
      if (any) {
        return refused(fmt::format(
            "labels {}: BraTS-MEN-RT labels the gross tumour volume, which is none of the classes", present(counts)));
      }
      return decided(brats2023, "no voxel is labelled");
    case NameFamily::ped:
      return any ? ambiguous_ped(counts) : decided(brats2023, "no voxel is labelled");
    case NameFamily::hyphenated:
      return counts[4] > 0 ? ambiguous_four(id, counts) : decided(brats2023, "a name of BraTS 2023 or later, no 4");
    case NameFamily::msd:
      return counts[4] > 0 ? three_and_four(counts) : decided(msd, "a name of the Medical Segmentation Decathlon");
    case NameFamily::brats2020:
    case NameFamily::other:
      return by_labels(family, counts, rules);
  }
  VOX_FAIL("decide_labels: unknown family");
}

LabelDecision decide_labels(const LabelFile& f, const LabelCounts& counts, const LabelRules& rules) {
  if (rules.asked || !f.stated) { return decide_labels(family_of(f.id, f.hyphenated), f.id, counts, rules); }
  if (f.stated->convention) { return as_said(*f.stated->convention, counts, f.stated->source + " names them"); }
  return refused(f.stated->text);
}

LabelRules label_rules(std::optional<LabelConvention> asked, std::span<const LabelFile> files, int threads,
                       Communicator* ranks) {
  LabelRules rules{.asked = asked, .mixed = false};
  if (asked) { return rules; }
  std::vector<const LabelFile*> open;
  for (const LabelFile& f : files) {
    if (!f.stated && family_of(f.id, f.hyphenated) == NameFamily::other) { open.push_back(&f); }
  }
  if (open.size() < 2) { return rules; }
  Deal deal(ranks_or_alone(ranks), open.size());
  parallel_for(threads, std::ssize(deal.mine()), [&](std::int64_t i) {
    if (deal.stopped()) { return; }
    try {
      const LabelFile& f = *open[deal.mine()[static_cast<std::size_t>(i)]];
      const LabelCounts counts = count_labels(read_nifti_labels(f.file).labels.values);
      if (counts[3] > 0 && counts[4] > 0) { deal.stop(); }  // one is enough, on any rank
    } catch (const DataError&) {}  // whoever reads it for its own sake says what is wrong with it
  });
  deal.finish();
  rules.mixed = deal.stopped();
  return rules;
}

LabelRules label_rules(std::optional<LabelConvention> asked, std::span<const CaseFiles> cases, int threads,
                       Communicator* ranks) {
  std::vector<LabelFile> files;
  for (const CaseFiles& c : cases) {
    if (!c.labels.empty()) { files.push_back(c.label_file()); }
  }
  return label_rules(asked, files, threads, ranks);
}

LabelConvention convention_for_output(NameFamily family) {
  switch (family) {
    case NameFamily::hyphenated:
    case NameFamily::ped:
    case NameFamily::gtv:
      return LabelConvention::brats2023;
    case NameFamily::msd:
      return LabelConvention::msd;
    case NameFamily::brats2016:
    case NameFamily::brats2020:
    case NameFamily::other:
      return LabelConvention::brats2020;
  }
  VOX_FAIL("convention_for_output: unknown family");
}

std::optional<LabelConvention> labels_option(const std::string& text) {
  if (text == "auto") { return {}; }
  const auto c = convention_named(text);
  VOX_CHECK(c, "--labels is '{}'; wants auto or one of {}", text, convention_names());
  return c;
}

}  // namespace vox

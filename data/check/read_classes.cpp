#include "data/check/read_classes.h"

#include <array>

#include "data/check/case_reader.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// Empty where no label stands for something that classes do not tell apart.
LargeVector<std::uint8_t> parts_of(const LargeVector<std::uint8_t>& labels, const LabelCounts& counts,
                                   LabelConvention convention) {
  std::array<std::uint8_t, 256> parts{};
  bool any = false;
  for (std::size_t label = 0; label < parts.size(); ++label) {
    const auto cls = class_of(convention, static_cast<std::uint8_t>(label));
    const auto part = part_of(convention, static_cast<std::uint8_t>(label));
    any = any || (counts[label] > 0 && part != cls);
    parts[label] = part.value_or(0);
  }
  if (!any) { return {}; }
  LargeVector<std::uint8_t> values = labels;
  for (std::uint8_t& v : values) { v = parts[v]; }
  return values;
}

}  // namespace

std::optional<ClassMap> read_classes(const LabelFile& f, const LabelRules& rules, std::vector<Finding>& findings) {
  ClassMap out;
  try {
    NiftiLabels read = read_nifti_labels(f.file);
    out.classes = std::move(read.labels);
    out.unit = read.unit;
  } catch (const NiftiError& e) {
    findings.push_back(finding_of(e, f.file));
    return {};
  }
  const LabelCounts counts = count_labels(out.classes.values);
  const LabelDecision decision = decide_labels(f, counts, rules);
  if (!decision.convention) {
    findings.push_back({decision.unknown ? Check::unknown_label : Check::labels_ambiguous, f.file, decision.reason});
    return {};
  }
  out.convention = *decision.convention;
  out.reason = decision.reason;
  if (out.convention == LabelConvention::brats2024) { out.cavity = counts[4]; }
  out.parts = parts_of(out.classes.values, counts, out.convention);
  to_classes(out.classes.values, out.convention, f.file.string());
  return out;
}

ClassMap read_classes(const LabelFile& f, const LabelRules& rules) {
  std::vector<Finding> findings;
  auto out = read_classes(f, rules, findings);
  if (!out) { VOX_FAIL_DATA("{}", describe(findings.back())); }
  return std::move(*out);
}

}  // namespace vox

#pragma once

#include <optional>

#include "data/cases/label_convention.h"
#include "data/postprocess/postprocess.h"
#include "engine/json.h"
#include "tools/run/segmenter.h"

namespace vox {

inline constexpr const char* kExportFormat = "voxgrad-export-1";

/// How `predict` is told to use a network.
struct CaseRules {
  std::optional<WindowOptions> windows;
  bool mirror = false;
  std::optional<LabelConvention> labels;  ///< of the files that are written; none: by the names of the images
  PostprocessRules postprocess;
};

/// What a program needs to know beside the network's graph to segment a raw case as `predict` does: channels and their
/// order, orientation, crop, normalisation, resampling, windows, mirror images, decision, label values and rules behind
/// it. docs/interchange.md says what each key means.
[[nodiscard]] Json case_description(const Segmenter&, const CaseRules&);

}  // namespace vox

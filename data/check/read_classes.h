#pragma once

#include <optional>
#include <vector>

#include "data/check/check.h"
#include "data/nifti/nifti.h"

namespace vox {

/// A label file as classes 0..3.
struct ClassMap {
  LabelMap classes;
  /// The same with kCavity and kCyst; empty where the file has neither.
  LargeVector<std::uint8_t> parts;
  LabelConvention convention = LabelConvention::brats2020;  ///< of the file
  std::string reason;                                       ///< why that one
  std::int64_t cavity = 0;                                  ///< voxels of a resection cavity, which became background
  LengthUnit unit = LengthUnit::unknown;
};

/// Reads the labels of a case. Throws DataError, as describe() says it, for what check calls an error: a file that
/// cannot be read (BT-002 to BT-007), no integers (BT-031), an unknown label (BT-032), ambiguous labels (BT-039).
[[nodiscard]] ClassMap read_classes(const LabelFile&, const LabelRules&);
/// The same, but the error becomes a finding.
[[nodiscard]] std::optional<ClassMap> read_classes(const LabelFile&, const LabelRules&, std::vector<Finding>&);

}  // namespace vox

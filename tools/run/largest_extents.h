#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>

#include "model/extents.h"

namespace vox {

/// The largest extents of patches or windows that fit, all multiples of `divisor`. They begin with `shape`, rounded up,
/// and become smaller by `divisor` along the axis that is longest in proportion to `shape` (nnU-Net's rule for its
/// patches; of equal ones the first), down to `divisor` along each. Nothing where not even those fit. fits: of no
/// extents that are larger along every axis, if not of these.
[[nodiscard]] std::optional<Extents> largest_extents(const Extents& shape, std::int64_t divisor,
                                                     const std::function<bool(const Extents&)>& fits);

/// Of prepared cases, along each axis by itself; the lower one of two.
[[nodiscard]] Extents median_extents(std::span<const std::filesystem::path>);

}  // namespace vox

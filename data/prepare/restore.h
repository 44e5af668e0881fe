#pragma once

#include <span>

#include "data/prepare/prepared_case.h"

namespace vox {

// The way back from the network's grid to the patient's: probabilities are interpolated trilinearly to the crop box and
// pasted into the canonical grid of the case. One row of every class at a time: no class is ever a full volume.
// Deterministic for any thread count; exact where the box has the network's size.

/// What a voxel's class is by its probabilities. largest: that of the greatest, the lower one of equals. regions: of
/// WT, TC and ET, by data/cases/regions.h.
enum class Decision : std::uint8_t { largest, regions };

/// The class of each voxel by its interpolated probabilities; 0 outside the box. probabilities [K,d,h,w] with
/// d, h, w = mapping.size, K <= 256, and 3 for regions. Throws NonFiniteError for NaN or infinity.
[[nodiscard]] LabelMap restore_labels(std::span<const float> probabilities, const GridMapping&, int threads = 1,
                                      Decision = Decision::largest);

/// The interpolated probability of one class or region; outside the box 1 for class 0, the background, and 0 for all
/// others.
[[nodiscard]] Image restore_probability(std::span<const float> probabilities, std::int64_t class_index,
                                        const GridMapping&, int threads = 1, Decision = Decision::largest);

}  // namespace vox

#pragma once

#include <span>

#include "data/prepare/prepared_case.h"

namespace vox {

// The way back from the network's grid to the patient's: probabilities are interpolated trilinearly to the crop box and
// pasted into the canonical grid of the case. One row of every class at a time: no class is ever a full volume.
// Deterministic for any thread count; exact where the box has the network's size.

/// The class with the greatest interpolated probability, the lower one of equals; 0 outside the box.
/// probabilities [K,d,h,w] with d, h, w = mapping.size, K <= 256. Throws NonFiniteError for NaN or infinity.
[[nodiscard]] LabelMap restore_labels(std::span<const float> probabilities, const GridMapping&, int threads = 1);

/// The interpolated probability of one class; outside the box 1 for class 0, the background, and 0 for the others.
[[nodiscard]] Image restore_probability(std::span<const float> probabilities, std::int64_t class_index,
                                        const GridMapping&, int threads = 1);

}  // namespace vox

#pragma once

#include <cstdint>
#include <span>

#include "kernels/cuda/gpu.h"

namespace vox::gpu {

inline constexpr int kMostClasses = 256;  // labels are bytes

/// One value per class, handed over with the launch.
struct ClassTable {
  double of[kMostClasses];
};

[[nodiscard]] inline ClassTable class_table(std::span<const double> values) {
  ClassTable table{};
  for (std::size_t c = 0; c < values.size(); ++c) { table.of[c] = values[c]; }
  return table;
}

}  // namespace vox::gpu

#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>

namespace vox {

/// What one epoch of training is drawn by. NaN: not measured in this epoch.
struct EpochRow {
  std::int64_t epoch = 0;
  double train_loss = 0;
  double validation_loss = 0;
  std::array<double, 3> dice{};  ///< WT, TC, ET of the validation cases
  double learning_rate = 0;
};

/// Draws loss, Dice and learning rate over the epochs as a PNG, with gnuplot as a child process. The file appears whole
/// or not at all. Where gnuplot is absent or fails, one line on stderr says so and training goes on; so it does where
/// the file cannot be written, which the program then ends with (tools/ui/output.h). No rows: no file.
void plot_training(const std::filesystem::path& png, std::span<const EpochRow>);

}  // namespace vox

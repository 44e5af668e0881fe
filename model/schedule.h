#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace vox {

enum class ScheduleKind : std::uint8_t { constant, plateau, cosine, poly };

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::constant;
  double lr = 1e-3;
  double factor = 0.85;       ///< plateau: lr is multiplied by this
  std::int64_t patience = 2;  ///< plateau: epochs without a better loss that are put up with
  double threshold = 1e-4;    ///< plateau: better means below best * (1 - threshold)
  double min_lr = 0;          ///< plateau, cosine and poly: never below
  std::int64_t warmup = 0;    ///< cosine: steps of linear rise from lr/warmup to lr
  std::int64_t total = 0;     ///< cosine and poly: steps of the run
  double power = 0.9;         ///< poly
  std::int64_t period = 1;    ///< poly: steps between two changes; those of an epoch, as nnU-Net does it, or 1
};

/// "constant", "plateau", "cosine" or "poly"; throws Error for another name.
[[nodiscard]] ScheduleKind schedule_named(const std::string&);

/// The learning rate of a training run.
///   plateau: PyTorch's ReduceLROnPlateau(mode min, threshold_mode rel); "reduced by 85 %" of the seed is factor 0.85.
///   cosine: lr * (t+1)/warmup while t < warmup, then min_lr + (lr-min_lr) * (1 + cos(pi *
///   (t-warmup)/(total-warmup)))/2.
///   poly: lr * (1 - t/total)^power, t being the first step of its period: nnU-Net's PolyLRScheduler, which moves once
///   an epoch. The last is above 0: (period/total)^power of lr.
class Schedule {
 public:
  /// What a resume needs.
  struct State {
    double lr = 0;
    double best = std::numeric_limits<double>::infinity();
    std::int64_t bad_epochs = 0;
  };

  explicit Schedule(const ScheduleOptions&);
  [[nodiscard]] double lr(std::int64_t step) const;  ///< for training step `step`, counted from 0
  void epoch_ended(double loss);                     ///< plateau: looks at the loss, perhaps lowers lr
  [[nodiscard]] const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  ScheduleOptions options_;
  State state_;
};

}  // namespace vox

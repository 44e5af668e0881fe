#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/json.h"
#include "tools/interchange/event_file.h"
#include "tools/run/validation.h"

namespace vox {

/// events.out.tfevents.voxgrad in a run's folder: what its log says, for TensorBoard. Where it cannot be written, the
/// run goes on without it and the program ends with that (tools/ui/output.h).
class RunEvents {
 public:
  /// As RunLog: what a resumed run writes again is dropped.
  RunEvents(const std::filesystem::path& run, std::int64_t last_step, std::int64_t last_epoch);

  /// A line of type "step" or "epoch" of the log, whose numbers become scalars (board_event()).
  void write(const Json& line);
  void sync();  ///< what was written is on disk
  /// A validated case as a picture, side by side with the truth: an axial slice with most tumour, the prediction left.
  /// Of each validation the first case's is written, with the next line.
  void show(const PreparedFile&, const Tensor& logits, Targets);

 private:
  void guarded(const std::function<void()>&);

  std::optional<EventFile> file_;  ///< none where it could not be written
  std::vector<BoardEvent::Picture> pictures_;
};

/// The scalars of a line of the log. Of a step: loss/step, gradient_norm, lr, time/step_seconds. Of an epoch:
/// loss/train, loss/validation, dice/WT ..., all_background/dice/WT ..., scores/iou ..., cases/ID (mean Dice),
/// time/epoch_seconds, time/samples_per_second, memory/peak_tensor_bytes, epoch, best; any other number of it by its
/// own name, within an object behind that of the object and '/'.
[[nodiscard]] BoardEvent board_event(const Json& line);

/// A slice [H,W] of classes over grey, beside the same with the true classes: RGB, twice as wide as it is.
[[nodiscard]] BoardEvent::Picture slice_picture(const PreparedFile&, const Tensor& logits, Targets);

}  // namespace vox

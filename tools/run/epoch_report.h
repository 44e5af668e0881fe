#pragma once

#include <vector>

#include "engine/json.h"
#include "tools/run/validation.h"
#include "tools/ui/plot.h"

namespace vox {

/// Loss and scores on the screen, each beside what an all-background prediction would score.
void say(const Validation&);
/// The same for the log: "val_loss", "dice", "scores", "scores_without_background", "all_background",
/// "cases", and of a loss of several terms "val_loss_parts".
[[nodiscard]] Json to_json(const Validation&, const LossOptions&);
/// Rows to plot, from the "epoch" lines of a log.
[[nodiscard]] std::vector<EpochRow> epoch_rows(const std::vector<Json>& epochs);

}  // namespace vox

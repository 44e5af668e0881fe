#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/cases/recipe.h"
#include "tools/run/training.h"

namespace vox::test {

inline constexpr std::int64_t kSmallSize = 16;

/// Labelled cases "case_0" ... of 16^3: a bright cube of three classes in noise, so that there is something to learn.
void make_training_cache(const std::filesystem::path& folder, RecipeKind kind = RecipeKind::zscore,
                         std::uint32_t cases = 6);
/// What train_with_program() gives: widths 4 4 6 6 8, batch 2, 3 epochs, lr 1e-2, 3 folds.
[[nodiscard]] TrainOptions small_training();

void train(const std::filesystem::path& cache, const std::filesystem::path& run, const TrainOptions&,
           Training::Start = Training::Start::fresh);

/// Every tensor of a checkpoint, as bytes.
[[nodiscard]] std::map<std::string, std::string> tensors_of(const std::filesystem::path& file);

/// Lines of a run's log, without what differs from machine to machine. type: "step", "epoch", …
[[nodiscard]] std::vector<nlohmann::json> log_of(const std::filesystem::path& run, const std::string& type);

/// voxgrad train in a process of its own with small_training()'s options, and more; act() is told the process as soon
/// as the log, or that of the run of a series which is called so, holds so many lines. Returns the exit code, or 1000
/// and the signal that ended it.
int train_with_program(const std::filesystem::path& cache, const std::filesystem::path& run, std::size_t lines_wanted,
                       const std::function<void(int process)>& act, const std::vector<std::string>& more = {},
                       const std::string& of_series = {});

/// The same, interrupted by Ctrl-C then.
int train_and_interrupt(const std::filesystem::path& cache, const std::filesystem::path& run, std::size_t lines_wanted,
                        const std::vector<std::string>& more = {}, const std::string& of_series = {});

}  // namespace vox::test

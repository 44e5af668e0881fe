#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vox::test {

/// Every tensor of a checkpoint, as bytes.
[[nodiscard]] std::map<std::string, std::string> tensors_of(const std::filesystem::path& file);

/// Lines of a run's log, without what differs from machine to machine. type: "step" or "epoch".
[[nodiscard]] std::vector<nlohmann::json> log_of(const std::filesystem::path& run, const std::string& type);

/// voxgrad train in a process of its own (widths 4 4 6 6 8, batch 2, 3 epochs, lr 1e-2, 3 folds, and more); interrupted
/// as soon as its log holds so many lines. Returns the exit code.
int train_and_interrupt(const std::filesystem::path& cache, const std::filesystem::path& run, std::size_t lines_wanted,
                        const std::vector<std::string>& more = {});

}  // namespace vox::test

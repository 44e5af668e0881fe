#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vox {

/// One fold: ids of cases, sorted.
struct Split {
  std::vector<std::string> train;
  std::vector<std::string> val;
};

/// nnU-Net's splits file: a JSON list of {"train": [ids], "val": [ids]}, one per fold. Throws DataError naming the file
/// for anything else, an id twice in a fold, a fold without training cases, or no fold at all.
[[nodiscard]] std::vector<Split> read_splits(const std::filesystem::path&);
void write_splits(const std::filesystem::path&, const std::vector<Split>&);

/// Throws DataError when the fold does not exist or names a case that is not among `known`.
[[nodiscard]] Split select_fold(const std::vector<Split>&, std::int64_t fold, const std::vector<std::string>& known,
                                const std::string& file);

/// k folds: ids are sorted, shuffled by seed, dealt out; each is validated in exactly one fold. 2 <= k <= ids.
[[nodiscard]] std::vector<Split> make_folds(std::vector<std::string> ids, std::int64_t k, std::uint64_t seed);

}  // namespace vox

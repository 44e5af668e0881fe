#include "data/loading/splits.h"

#include <algorithm>
#include <set>

#include "data/loading/shuffle.h"
#include "engine/atomic_file.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

std::vector<std::string> ids_of(const Json& fold, const char* key, std::size_t index, const std::string& file) {
  VOX_CHECK_DATA(fold.is_object() && fold.contains(key) && fold[key].is_array(),
                 "{}: fold {} wants a list \"{}\" of case ids", file, index, key);
  std::vector<std::string> ids;
  for (const Json& id : fold[key]) {
    VOX_CHECK_DATA(id.is_string(), "{}: fold {}: \"{}\" holds {}, wants case ids", file, index, key,
                   json_text(id).substr(0, 40));
    ids.push_back(id.get<std::string>());
  }
  std::ranges::sort(ids);
  return ids;
}

Split split_of(const Json& fold, std::size_t index, const std::string& file) {
  Split split{ids_of(fold, "train", index, file), ids_of(fold, "val", index, file)};
  VOX_CHECK_DATA(!split.train.empty(), "{}: fold {} has no training case", file, index);
  std::set<std::string> seen;
  for (const auto* side : {&split.train, &split.val}) {
    for (const std::string& id : *side) {
      VOX_CHECK_DATA(seen.insert(id).second, "{}: fold {} names case '{}' twice: a case trains or validates, once",
                     file, index, id);
    }
  }
  return split;
}

}  // namespace

std::vector<Split> read_splits(const std::filesystem::path& path) {
  const std::string file = path.string();
  const std::string text = read_file(path);
  Json folds;
  try {
    folds = Json::parse(text);
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: {}", file, e.what()); }
  VOX_CHECK_DATA(folds.is_array() && !folds.empty(),
                 "{}: wants a list of folds, each {{\"train\": [ids], \"val\": [ids]}}", file);
  std::vector<Split> splits;
  for (const Json& fold : folds) { splits.push_back(split_of(fold, splits.size(), file)); }
  return splits;
}

void write_splits(const std::filesystem::path& path, const std::vector<Split>& splits) {
  Json folds = Json::array();
  for (const Split& s : splits) { folds.push_back({{"train", s.train}, {"val", s.val}}); }
  write_file(path, json_text(folds, 2) + '\n');
}

Split select_fold(const std::vector<Split>& splits, std::int64_t fold, const std::vector<std::string>& known,
                  const std::string& file) {
  VOX_CHECK_DATA(fold >= 0 && fold < std::ssize(splits), "{}: has folds 0 to {}, not {}", file, splits.size() - 1,
                 fold);
  const Split& split = splits[static_cast<std::size_t>(fold)];
  const std::set<std::string> there(known.begin(), known.end());
  for (const auto* side : {&split.train, &split.val}) {
    for (const std::string& id : *side) {
      VOX_CHECK_DATA(there.contains(id), "{}: fold {} names case '{}', which is not among the {} cases at hand", file,
                     fold, id, known.size());
    }
  }
  return split;
}

std::vector<Split> make_folds(std::vector<std::string> ids, std::int64_t k, std::uint64_t seed) {
  std::ranges::sort(ids);
  VOX_CHECK(k >= 2 && k <= std::ssize(ids), "folds: {} folds of {} cases, wants 2 to one per case", k, ids.size());
  VOX_CHECK(std::ranges::adjacent_find(ids) == ids.end(), "folds: case '{}' occurs twice",
            *std::ranges::adjacent_find(ids));
  const std::vector<std::size_t> order = shuffled(ids.size(), {.seed = seed, .step = 0, .place = kPlaceFolds});
  std::vector<Split> splits(static_cast<std::size_t>(k));
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t fold = i % splits.size();
    for (std::size_t f = 0; f < splits.size(); ++f) {
      (f == fold ? splits[f].val : splits[f].train).push_back(ids[order[i]]);
    }
  }
  for (Split& s : splits) {
    std::ranges::sort(s.train);
    std::ranges::sort(s.val);
  }
  return splits;
}

}  // namespace vox

#include "tools/run/training_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "data/prepare/prepared_case.h"
#include "engine/json_text.h"
#include "engine/ranks/deal.h"
#include "kernels/base/check.h"
#include "tools/run/first_rank.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const std::vector<std::string>& ids, const std::map<std::string, fs::path>& by_id) {
  std::vector<fs::path> files;
  std::ranges::transform(ids, std::back_inserter(files), [&](const std::string& id) { return by_id.at(id); });
  return files;
}

std::vector<Split> folds_of(const std::vector<std::string>& ids, const fs::path& cache, const TrainOptions& o) {
  VOX_CHECK(ids.size() >= 2, "{}: holds one case; folds want two, or give --splits", cache.string());
  std::vector<Split> folds = make_folds(ids, std::min(o.folds, std::ssize(ids)), o.seed);
  VOX_CHECK(o.fold < std::ssize(folds), "--fold is {}, wants 0 to {}: --folds {} makes {} folds of the {} cases",
            o.fold, folds.size() - 1, o.folds, folds.size(), ids.size());
  return folds;
}

/// The folds that rank 0 has, on every rank.
std::vector<Split> folds_of_first(Communicator& ranks, const std::function<std::vector<Split>()>& make) {
  if (ranks.size() == 1) { return make(); }
  const auto exchange = [](auto& message, auto& folds) {
    std::vector<std::vector<std::string>> lists;
    for (const Split& s : folds) { lists.insert(lists.end(), {s.train, s.val}); }
    message(lists);
    folds.clear();
    for (std::size_t i = 0; i < lists.size(); i += 2) { folds.push_back({.train = lists[i], .val = lists[i + 1]}); }
  };
  const std::string bytes = text_of_first(ranks, [&] {
    MessageWriter message;
    std::vector<Split> folds = make();
    exchange(message, folds);
    return message.bytes();
  });
  MessageReader message(bytes);
  std::vector<Split> folds;
  exchange(message, folds);
  return folds;
}

}  // namespace

TrainingCases training_cases(const fs::path& cache, const fs::path& splits_file, const TrainOptions& o,
                             Communicator* given) {
  Communicator& ranks = ranks_or_alone(given);
  std::map<std::string, fs::path> by_id;
  std::vector<std::string> ids;
  for (const fs::path& p : find_prepared_cases(cache)) {
    ids.push_back(utf8_text(p.stem().string()));
    VOX_CHECK_DATA(by_id.emplace(ids.back(), p).second, "{}: holds two cases '{}'", cache.string(), ids.back());
  }
  check_same_on_ranks(ranks, fmt::format("{}", fmt::join(ids, "\n")), "the cases of " + cache.string());
  TrainingCases cases;
  cases.folds =
      folds_of_first(ranks, [&] { return splits_file.empty() ? folds_of(ids, cache, o) : read_splits(splits_file); });
  const Split split = select_fold(cases.folds, o.fold, ids, splits_file.string());
  cases.train = files_of(split.train, by_id);
  cases.val = files_of(split.val, by_id);
  return cases;
}

Recipe common_recipe(const TrainingCases& cases, const fs::path& cache, const TrainOptions& o) {
  Recipe recipe = PreparedFile(cases.train.front()).info().recipe;
  const UNetConfig network = unet_config(o);
  const std::int64_t channels = network.in_channels;
  VOX_CHECK_DATA(channels == std::ssize(recipe.modalities),
                 "{}: is prepared with {} modalities ({}), preset '{}' wants {}", cache.string(),
                 recipe.modalities.size(), modality_list(recipe.modalities), o.preset, channels);
  if (is_cube(recipe)) {
    VOX_CHECK_DATA(o.size == 0 || o.size == recipe.size, "{}: is prepared at size {}, --size wants {}", cache.string(),
                   recipe.size, o.size);
    VOX_CHECK_DATA(recipe.size % size_divisor(network) == 0,
                   "{}: its cases are cubes of {}, a network of {} levels wants a multiple of {}", cache.string(),
                   recipe.size, network.widths.size(), size_divisor(network));
    VOX_CHECK(o.patch.empty() || std::ranges::max(o.patch) <= recipe.size,
              "--patch is {}, wants at most {} along each axis: the cases of {} are cubes ({})",
              fmt::join(o.patch, ","), recipe.size, cache.string(), recipe_text(recipe));
  } else {
    VOX_CHECK_DATA(o.size == 0, "{}: cases of recipe {} have extents of their own, --size wants {}", cache.string(),
                   name(recipe.kind), o.size);
    VOX_CHECK(!o.patch.empty(),
              "{}: cases of recipe {} have extents of their own, and a batch wants one: give --patch, such as 128",
              cache.string(), name(recipe.kind));
  }
  for (const auto* const files : {&cases.train, &cases.val}) {
    for (const fs::path& p : *files) { check_recipe(PreparedFile(p).info(), recipe, p.string()); }
  }
  return recipe;
}

std::optional<PatchOptions> patch_options(const TrainOptions& o) {
  if (o.patch.empty()) { return std::nullopt; }
  const bool regions = unet_config(o).targets == Targets::regions;
  return PatchOptions{.size = step_extents(o), .foreground = o.foreground, .regions = regions};
}

bool device_augments(const TrainOptions& o, Device device) {
  return device != Device::cpu && !augment_named(o.augment).nnunet;
}

LoaderOptions loader_options(const TrainOptions& o, std::vector<fs::path> files, Device device) {
  return {.files = std::move(files),
          .batch = o.batch,
          .at_a_time = o.micro_batch,
          .seed = o.seed,
          .threads = o.loader_threads > 0 ? o.loader_threads : usual_loader_threads(device),
          .memory_bytes = static_cast<std::size_t>(o.loader_memory_mib) << 20U,
          .augment = device_augments(o, device) ? AugmentOptions::none() : augment_named(o.augment),
          .patch = patch_options(o),
          .steps_per_epoch = o.steps_per_epoch};
}

}  // namespace vox

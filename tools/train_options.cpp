#include "tools/train_options.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "kernels/check.h"

namespace vox {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainOptions, preset, widths, block_order, init, size, batch, micro_batch, epochs,
                                   dtype, loss, class_weights, background, sums, focal_mean, lr, schedule,
                                   plateau_factor, plateau_patience, warmup, min_lr, adam_epsilon, adam_eps,
                                   weight_decay, clip_norm, augment, seed, fold, folds, splits, device, fusion, conv,
                                   threads, loader_threads, loader_memory_mib, validate_every)

namespace {

using Json = nlohmann::ordered_json;

/// One choice out of a few words.
template <class E, std::size_t N>
E chosen(const char* option, const std::string& word, const std::array<std::pair<const char*, E>, N>& choices) {
  std::string wanted;
  for (const auto& choice : choices) {
    if (word == choice.first) { return choice.second; }
    if (!wanted.empty()) { wanted += ", "; }
    wanted += choice.first;
  }
  VOX_FAIL("--{} is '{}', wants one of: {}", option, word, wanted);
}

bool may_change(const std::string& key) {
  constexpr std::array kFree{
      "epochs", "device", "fusion", "conv", "threads", "loader_threads", "loader_memory_mib", "validate_every"};
  return std::ranges::find(kFree, key) != kFree.end();
}

}  // namespace

std::string to_json(const TrainOptions& o) { return nlohmann::json(o).dump(); }

std::string to_toml(const TrainOptions& o) {
  std::string text = "# What this run was started with; voxgrad train --config takes it back.\n";
  const Json all = nlohmann::json(o);
  for (const auto& [key, value] : all.items()) {
    if (value.empty() || value == "") { continue; }  // not given: an empty list or path
    std::string option = key;
    std::ranges::replace(option, '_', '-');
    text += fmt::format("{} = {}\n", option, value.dump());  // JSON's scalars and flat arrays are TOML, too
  }
  return text;
}

TrainOptions train_options_from_json(const std::string& text, const std::string& file) {
  try {
    nlohmann::json run = nlohmann::json::parse(text);
    const nlohmann::json usual = TrainOptions{};
    for (const auto& [key, value] : usual.items()) {  // what shapes no result a run from before the option may lack
      if (may_change(key) && !run.contains(key)) { run[key] = value; }
    }
    return run.get<TrainOptions>();
  } catch (const nlohmann::json::exception& e) {
    VOX_FAIL_DATA("{}: the run's options are damaged: {}", file, e.what());
  }
}

TrainOptions resumed(const TrainOptions& run, const TrainOptions& asked, const std::set<std::string>& given) {
  nlohmann::json result = run;
  const nlohmann::json wanted = asked;
  for (const auto& [key, value] : wanted.items()) {
    if (!given.contains(key)) { continue; }
    VOX_CHECK(may_change(key) || result.at(key) == value,
              "--resume: {} is {} in the run, {} was asked: a resumed run keeps what shapes its result", key,
              result.at(key).dump(), value.dump());
    result[key] = value;
  }
  return result.get<TrainOptions>();
}

UNetConfig unet_config(const TrainOptions& o) {
  UNetConfig c = unet_preset(o.preset);
  if (!o.widths.empty()) {
    VOX_CHECK(o.widths.size() == kLevels, "--widths has {} numbers, wants {}", o.widths.size(), kLevels);
    std::ranges::copy(o.widths, c.widths.begin());
  }
  c.block_order = chosen<BlockOrder, 2>(
      "block-order", o.block_order,
      {{{"dropout-between", BlockOrder::dropout_between}, {"dropout-last", BlockOrder::dropout_last}}});
  c.init = chosen<Init, 2>("init", o.init, {{{"keras", Init::keras}, {"torch", Init::torch}}});
  return c;
}

LossOptions loss_options(const TrainOptions& o) {
  return {.terms = loss_terms(o.loss),
          .class_weights = o.class_weights,
          .background = chosen<Background, 2>("background", o.background,
                                              {{{"include", Background::include}, {"exclude", Background::exclude}}}),
          .sums = chosen<Sums, 2>("sums", o.sums, {{{"batch", Sums::batch}, {"per-case", Sums::per_case}}}),
          .focal_mean = chosen<FocalMean, 2>(
              "focal-mean", o.focal_mean,
              {{{"voxels-and-classes", FocalMean::voxels_and_classes}, {"voxels", FocalMean::voxels}}})};
}

AdamOptions adam_options(const TrainOptions& o) {
  return {.eps = o.adam_eps,
          .epsilon = chosen<AdamEpsilon, 2>("adam-epsilon", o.adam_epsilon,
                                            {{{"torch", AdamEpsilon::torch}, {"keras", AdamEpsilon::keras}}}),
          .weight_decay = o.weight_decay,
          .clip_norm = o.clip_norm};
}

ScheduleOptions schedule_options(const TrainOptions& o, std::int64_t total_steps) {
  return {.kind = schedule_named(o.schedule),
          .lr = o.lr,
          .factor = o.plateau_factor,
          .patience = o.plateau_patience,
          .min_lr = o.min_lr,
          .warmup = o.warmup,
          .total = total_steps};
}

}  // namespace vox

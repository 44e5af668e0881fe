// A run's options as JSON and TOML, and what a resumed run takes over of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "data/loading/augment.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/run/train_options.h"

namespace vox {

namespace {

/// Calls visit(name, member) for every option.
template <class Options, class Visit> void for_each_option(Options& o, const Visit& visit) {
  visit("preset", o.preset);
  visit("widths", o.widths);
  visit("norm", o.norm);
  visit("norm_bias", o.norm_bias);
  visit("negative_slope", o.negative_slope);
  visit("down", o.down);
  visit("supervision", o.supervision);
  visit("block_order", o.block_order);
  visit("init", o.init);
  visit("size", o.size);
  visit("batch", o.batch);
  visit("micro_batch", o.micro_batch);
  visit("epochs", o.epochs);
  visit("dtype", o.dtype);
  visit("targets", o.targets);
  visit("loss", o.loss);
  visit("class_weights", o.class_weights);
  visit("background", o.background);
  visit("sums", o.sums);
  visit("focal_mean", o.focal_mean);
  visit("lr", o.lr);
  visit("schedule", o.schedule);
  visit("plateau_factor", o.plateau_factor);
  visit("plateau_patience", o.plateau_patience);
  visit("warmup", o.warmup);
  visit("min_lr", o.min_lr);
  visit("poly_power", o.poly_power);
  visit("poly_every", o.poly_every);
  visit("optimizer", o.optimizer);
  visit("momentum", o.momentum);
  visit("nesterov", o.nesterov);
  visit("adam_epsilon", o.adam_epsilon);
  visit("adam_eps", o.adam_eps);
  visit("weight_decay", o.weight_decay);
  visit("clip_norm", o.clip_norm);
  visit("ema", o.ema);
  visit("init_from", o.init_from);
  visit("patch", o.patch);
  visit("foreground", o.foreground);
  visit("steps_per_epoch", o.steps_per_epoch);
  visit("augment", o.augment);
  visit("seed", o.seed);
  visit("fold", o.fold);
  visit("folds", o.folds);
  visit("splits", o.splits);
  visit("device", o.device);
  visit("fusion", o.fusion);
  visit("conv", o.conv);
  visit("reduce", o.reduce);
  visit("threads", o.threads);
  visit("loader_threads", o.loader_threads);
  visit("loader_memory_mib", o.loader_memory_mib);
  visit("validate_every", o.validate_every);
  visit("save_every", o.save_every);
  visit("stop_patience", o.stop_patience);
  visit("graph", o.graph);
  visit("digest", o.digest);
  visit("tensorboard", o.tensorboard);
}

/// One flat object, in the order of its keys.
Json json_of(TrainOptions o) {
  if (o.patch.size() == 1 && !wants_largest_patch(o)) { o.patch.assign(3, o.patch.front()); }
  o.augment = augment_text(o.augment);  // in full: what is usual may change between versions
  Json all;
  for_each_option(o, [&](const char* key, const auto& value) { all[key] = value; });
  return all.sorted();
}

TrainOptions options_of(const Json& all) {
  TrainOptions o;
  for_each_option(o, [&](const char* key, auto& value) { all.at(key).get_to(value); });
  return o;
}

bool may_change(const std::string& key) {
  constexpr std::array kFree{
      "epochs",         "device",     "fusion", "conv",          "threads", "loader_threads", "loader_memory_mib",
      "validate_every", "save_every", "graph",  "stop_patience", "digest",  "tensorboard",    "reduce"};
  return std::ranges::find(kFree, key) != kFree.end();
}

/// An option that came later than runs which may be resumed: they were as it is by default.
bool is_newer(const std::string& key) {
  constexpr std::array kNewer{"targets",        "patch",    "foreground",  "steps_per_epoch", "norm",      "norm_bias",
                              "negative_slope", "down",     "supervision", "poly_power",      "optimizer", "poly_every",
                              "momentum",       "nesterov", "ema",         "init_from"};
  return std::ranges::find(kNewer, key) != kNewer.end();
}

bool is_of_network(const std::string& key) {
  constexpr std::array kOfNetwork{"widths", "norm", "norm_bias", "negative_slope", "down", "supervision", "init"};
  return std::ranges::find(kOfNetwork, key) != kOfNetwork.end();
}

/// Does a run's network stay what it is with the options that were asked for? "" and the preset's own word, say, are
/// the same.
bool same_network(const Json& run, const Json& asked, const std::string& key) {
  return is_of_network(key) && unet_config(options_of(run)) == unet_config(options_of(asked));
}

/// An option of a run, for people: one that was left to the preset by what that means.
std::string value_text(const Json& run, const std::string& key) {
  std::string value = json_text(run.at(key));
  const bool of_preset = is_of_network(key) && value == json_text(json_of({}).at(key));
  return of_preset ? fmt::format("the preset's ({})", text_of(unet_config(options_of(run)))) : value;
}

/// JSON's scalars and flat arrays are TOML, too, but for whole numbers of more than 63 bits, which an option takes as a
/// text as well, and for DEL, which a text holds as it is.
std::string toml_text(const Json& value) {
  constexpr char kDelete = '\x7F';
  const bool large = value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{INT64_MAX};
  std::string text;
  for (const char c : json_text(value)) { text += c == kDelete ? std::string("\\u007F") : std::string(1, c); }
  return large ? '"' + text + '"' : text;
}

}  // namespace

std::string to_json(const TrainOptions& o) { return json_text(json_of(o)); }

std::string to_toml(const TrainOptions& o) {
  std::string text = "# What this run was started with; voxgrad train --config takes it back.\n";
  const Json all = json_of(o);
  for (const auto& [key, value] : all.items()) {
    if (value.empty() || value == "") { continue; }  // not given: an empty list or path
    std::string option = key;
    std::ranges::replace(option, '_', '-');
    text += fmt::format("{} = {}\n", option, toml_text(value));
  }
  return text;
}

TrainOptions train_options_from_json(const std::string& text, const std::string& file) {
  try {
    Json run = Json::parse(text);
    const Json usual = json_of({});
    for (const auto& [key, value] : usual.items()) {  // what a run from before the option may lack
      if ((may_change(key) || is_newer(key)) && !run.contains(key)) { run[key] = value; }
    }
    return options_of(run);
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: the run's options are damaged: {}", file, e.what()); }
}

TrainOptions resumed(const TrainOptions& run, const TrainOptions& asked, const std::set<std::string>& given) {
  Json result = json_of(run);
  const Json wanted = json_of(asked);
  for (const auto& [key, value] : wanted.items()) {
    if (!given.contains(key) || (key == "patch" && wants_largest_patch(asked))) { continue; }
    // As text: the name of a splits file that is not UTF-8 is escaped in the run.
    const std::string before = json_text(result.at(key));
    Json changed = result;
    changed[key] = value;
    VOX_CHECK(may_change(key) || before == json_text(value) || same_network(result, changed, key),
              "--resume: {} is {} in the run, {} was asked: a resumed run keeps what shapes its result", key,
              value_text(result, key), json_text(value));
    result = changed;
  }
  return options_of(result);
}

}  // namespace vox

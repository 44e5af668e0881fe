#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <numbers>
#include <optional>
#include <set>
#include <string>

#include "data/loading/nnunet_augment.h"
#include "kernels/base/check.h"
#include "model/extents.h"
#include "tools/run/preset_options.h"
#include "tools/run/stored_run.h"
#include "tools/run/training_cases.h"
#include "tools/ui/preview_picture.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/network_options.h"
#include "tools/verbs/sample_options.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct PreviewArgs {
  fs::path cache;
  fs::path run;
  fs::path output;
  TrainOptions options;
  std::int64_t samples = 8;
  std::int64_t epoch = 1;
};

/// The run's, but for what was given beside it.
TrainOptions chosen_options(const PreviewArgs& args, const std::set<std::string>& given) {
  if (args.run.empty()) { return apply_preset(args.options, given).options; }
  TrainOptions o = stored_run(args.run).options;
  const auto take = [&](const char* key, auto TrainOptions::*member) {
    if (given.contains(key)) { o.*member = args.options.*member; }
  };
  take("preset", &TrainOptions::preset);
  take("targets", &TrainOptions::targets);
  take("batch", &TrainOptions::batch);
  take("patch", &TrainOptions::patch);
  take("foreground", &TrainOptions::foreground);
  take("steps_per_epoch", &TrainOptions::steps_per_epoch);
  take("augment", &TrainOptions::augment);
  take("seed", &TrainOptions::seed);
  take("fold", &TrainOptions::fold);
  take("folds", &TrainOptions::folds);
  take("splits", &TrainOptions::splits);
  return o;
}

std::string number(double x) { return fmt::format("{:.3g}", x); }

/// "1.2 0.9 1 1.1", or nothing where no channel is changed. same: what changes nothing.
template <class Member>
std::string by_channel(const NnunetAugmentation& a, const char* what, Member member, double same) {
  std::string numbers;
  bool any = false;
  for (const ChannelChange& c : a.channels) {
    const auto x = static_cast<double>(member(c));
    any = any || x != same;
    numbers += (numbers.empty() ? "" : "/") + number(x);
  }
  return any ? fmt::format(", {} {}", what, numbers) : "";
}

/// What happens to a sample, in words.
std::string drawn_text(const NnunetAugmentation& a) {
  const Matrix3& m = a.spatial.matrix;
  std::string text;
  std::string mirrored;
  for (std::size_t axis = 0; axis < 3; ++axis) { mirrored += a.spatial.mirror[axis] ? "DHW"[axis] : '\0'; }
  std::erase(mirrored, '\0');
  if (!mirrored.empty()) { text += ", mirrored " + mirrored; }
  if (a.spatial.turned_or_scaled) {
    const double scale = std::sqrt(m[0] * m[0] + m[3] * m[3] + m[6] * m[6]);
    const double cosine = std::min(1.0, (m[0] + m[4] + m[8]) / scale / 2 - 0.5);
    const double degrees = std::acos(cosine) * 180 / std::numbers::pi;
    if (degrees > 0.01) { text += fmt::format(", turned by {:.1f} degrees", degrees); }
    if (std::abs(scale - 1) > 1e-6) { text += ", scale " + number(scale); }
  }
  if (a.spatial.elastic_voxels > 0) { text += ", elastic " + number(a.spatial.elastic_voxels); }
  if (a.noise_sigma > 0) { text += ", noise " + number(static_cast<double>(a.noise_sigma)); }
  text += by_channel(
      a, "blur", [](const ChannelChange& c) { return c.blur_sigma[0]; }, 0);
  text += by_channel(
      a, "brightness", [](const ChannelChange& c) { return c.brightness; }, 1);
  text += by_channel(
      a, "contrast", [](const ChannelChange& c) { return c.contrast; }, 1);
  text += by_channel(
      a, "resolution", [](const ChannelChange& c) { return c.resolution; }, 1);
  text += by_channel(
      a, "gamma of negative", [](const ChannelChange& c) { return c.gamma_negated; }, 1);
  text += by_channel(
      a, "gamma", [](const ChannelChange& c) { return c.gamma; }, 1);
  return text;
}

void preview(Command app, const PreviewArgs& args) {
  TrainOptions o = chosen_options(args, given_options(app));
  const fs::path splits = !args.run.empty() && o.splits.empty() ? args.run / "splits.json" : fs::path(o.splits);
  check_options(o);
  VOX_CHECK(args.samples >= 1 && args.samples <= 64, "--samples is {}, wants 1 to 64", args.samples);
  VOX_CHECK(args.epoch >= 1 && args.epoch <= o.epochs, "--epoch is {}, wants 1 to the {} epochs", args.epoch, o.epochs);
  const TrainingCases cases = training_cases(args.cache, splits, o);
  const Recipe recipe = common_recipe(cases, args.cache, o);
  o.size = recipe.size;
  Loader loader(loader_options(o, cases.train, Device::cpu));  // all is done by its threads: the same bits
  const auto shape = loader.sample_shape();
  Preview picture{.title = fmt::format("augmentation: {}", augment_text(o.augment)),
                  .size = {shape[1], shape[2], shape[3]}};
  for (const Modality m : recipe.modalities) { picture.channels.emplace_back(name(m)); }
  const AugmentOptions augment = augment_named(o.augment);
  auto epoch = static_cast<std::uint32_t>(args.epoch - 1);
  loader.start_epoch(epoch);
  while (std::ssize(picture.samples) < args.samples) {
    const std::optional<Batch> batch = loader.next();
    if (!batch) {
      loader.start_epoch(++epoch);
      continue;
    }
    const std::size_t values = batch->images.size() / batch->ids.size();
    const std::size_t voxels = batch->labels.size() / batch->ids.size();
    for (std::size_t s = 0; s < batch->ids.size() && std::ssize(picture.samples) < args.samples; ++s) {
      const auto image = batch->images.subspan(s * values, values);
      const auto label = batch->labels.subspan(s * voxels, voxels);
      const auto drawn =
          augment.nnunet ? drawn_text(draw_nnunet(*augment.nnunet, batch->keys[s], static_cast<std::size_t>(shape[0])))
                         : std::string();
      picture.samples.push_back(
          {.caption = fmt::format("{}.{} {}{}", epoch + 1, batch->keys[s].position + 1, batch->ids[s], drawn),
           .image = {image.begin(), image.end()},
           .label = {label.begin(), label.end()}});
    }
  }
  draw_preview(args.output, picture);
  fmt::print("{}: {} samples from epoch {} on, {} of {}, augmentation: {}\n", args.output.string(),
             picture.samples.size(), args.epoch, o.patch.empty() ? "whole cases" : "patches",
             extents_text(picture.size), augment_text(o.augment));
}

}  // namespace

void add_preview(Command app) {
  const Command verb = app.command("preview", "Draw the samples that training shows the network, as PNG");
  const auto args = std::make_shared<PreviewArgs>();
  verb.option("-i,--input", args->cache, "folder of prepared cases").required();
  verb.option("-o,--output", args->output, "picture to write").required().type_name("FILE.png");
  verb.option("--run", args->run, "a run whose options and cases are taken, but for what is given here")
      .default_text("the defaults of train");
  verb.option("--samples", args->samples, "how many, from the first of the epoch on; captions say which");
  verb.option("--epoch", args->epoch, "which epoch, from 1");
  add_sample_options(verb, args->options);
  verb.option("--batch", args->options.batch, "cases per step, of which some hold tumour");
  verb.option("--targets", args->options.targets, "classes, or regions: what of the tumour a patch is made to hold");
  verb.option("--preset", args->options.preset, "as train has it: its patches and augmentations, too");
  verb.option("--fold", args->options.fold, "whose cases to train on are shown, from 0");
  add_splits_options(verb, args->options);
  verb.run([verb, args] { preview(verb, *args); });
}

}  // namespace vox

#include "tools/run/train_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "data/loading/augment.h"
#include "engine/context.h"
#include "kernels/base/check.h"
#include "kernels/base/size_product.h"
#include "tools/run/option_words.h"
#include "tools/run/step_digest.h"

namespace vox {

namespace {

constexpr std::int64_t kMostCases = 1'000'000;  // in a batch
constexpr std::int64_t kLongest = 4096;         // along an axis
constexpr std::int64_t kMostThreads = 4096;
constexpr std::int64_t kMostSteps = 1'000'000;  // of an epoch
constexpr std::int64_t kMostEpochs = 1'000'000'000;
constexpr std::int64_t kMostMiB = std::int64_t{1} << 30U;  // a PiB

void check_whole(const char* option, std::int64_t value, std::int64_t lowest, std::int64_t highest) {
  VOX_CHECK(value >= lowest && value <= highest, "--{} is {}, wants {} to {}", option, value, lowest, highest);
}

void check_at_least(const char* option, std::int64_t value, std::int64_t lowest) {
  VOX_CHECK(value >= lowest, "--{} is {}, wants {} or more", option, value, lowest);
}

void check_positive(const char* option, double value) {
  VOX_CHECK(value > 0 && std::isfinite(value), "--{} is {}, wants a number above 0", option, value);
}

void check_not_negative(const char* option, double value) {
  VOX_CHECK(value >= 0 && std::isfinite(value), "--{} is {}, wants 0 or more", option, value);
}

/// Regions have terms of their own, and no weights.
void check_loss(const TrainOptions& o) {
  const std::vector<LossTerm> terms = loss_terms(o.loss);
  const auto has = [&](LossTerm term) { return std::ranges::find(terms, term) != terms.end(); };
  if (targets_named(o.targets) == Targets::classes) {
    VOX_CHECK(!has(LossTerm::binary_cross_entropy), "--loss is {}: bce is for --targets regions, ce for classes",
              o.loss);
    return;
  }
  VOX_CHECK(!has(LossTerm::focal) && !has(LossTerm::cross_entropy),
            "--loss is {}, --targets regions wants dice, bce or dice+bce", o.loss);
  VOX_CHECK(o.class_weights.empty() && o.background == "include",
            "--class-weights and --background are of classes; --targets regions has neither");
}

void check_patch_size(const std::vector<std::int64_t>& patch, std::int64_t divisor) {
  const bool whole_levels =
      std::ranges::all_of(patch, [&](std::int64_t n) { return n >= divisor && n <= kLongest && n % divisor == 0; });
  VOX_CHECK((patch.empty() || patch.size() == 1 || patch.size() == 3) && whole_levels,
            "--patch is {}, wants auto, or one number or three (D,H,W), each a multiple of {} from {} to {}",
            fmt::join(patch, ","), divisor, divisor, kLongest);
}

void check_class_weights(const TrainOptions& o) {
  const std::int64_t classes = UNetConfig().classes;
  VOX_CHECK(o.class_weights.empty() || std::ssize(o.class_weights) == classes,
            "--class-weights has {} numbers, wants one for each of the {} classes", o.class_weights.size(), classes);
  double counted = 0;
  for (std::size_t c = 0; c < o.class_weights.size(); ++c) {
    check_not_negative("class-weights", o.class_weights[c]);
    if (c > 0 || o.background == "include") { counted += o.class_weights[c]; }
  }
  VOX_CHECK(o.class_weights.empty() || counted > 0,
            "--class-weights is {}, wants a class that counts to have a weight above 0",
            fmt::join(o.class_weights, " "));
}

}  // namespace

void check_options(const TrainOptions& o) {
  const UNetConfig network = unet_config(o);
  check_whole("size", o.size, 0, kLongest);
  check_whole("batch", o.batch, 1, kMostCases);
  VOX_CHECK(o.micro_batch >= 0 && o.micro_batch <= o.batch,
            "--micro-batch is {}, wants 1 to the batch, {}, or 0 for it", o.micro_batch, o.batch);
  check_whole("epochs", o.epochs, 1, kMostEpochs);
  check_loss(o);
  check_class_weights(o);
  check_positive("lr", o.lr);
  VOX_CHECK(o.plateau_factor > 0 && o.plateau_factor < 1, "--plateau-factor is {}, wants a number between 0 and 1",
            o.plateau_factor);
  check_at_least("plateau-patience", o.plateau_patience, 0);
  check_at_least("warmup", o.warmup, 0);
  VOX_CHECK(o.min_lr >= 0 && o.min_lr <= o.lr, "--min-lr is {}, wants 0 to --lr, {}", o.min_lr, o.lr);
  check_positive("poly-power", o.poly_power);
  static_cast<void>(schedule_options(o, 1));
  static_cast<void>(optimizer_options(o));
  static_cast<void>(loss_options(o));
  VOX_CHECK(o.momentum >= 0 && o.momentum < 1, "--momentum is {}, wants 0 or more and less than 1", o.momentum);
  VOX_CHECK(o.ema >= 0 && o.ema < 1, "--ema is {}, wants 0 or more and less than 1", o.ema);
  check_positive("adam-eps", o.adam_eps);
  check_not_negative("weight-decay", o.weight_decay);
  check_not_negative("clip-norm", o.clip_norm);
  if (!wants_largest_patch(o)) { check_patch_size(o.patch, size_divisor(network)); }
  VOX_CHECK(o.foreground >= 0 && o.foreground <= 1, "--foreground is {}, wants a share from 0 to 1", o.foreground);
  check_augment(augment_named(o.augment));
  check_whole("steps-per-epoch", o.steps_per_epoch, 0, kMostSteps);
  check_at_least("fold", o.fold, 0);
  if (o.splits.empty()) { check_at_least("folds", o.folds, 2); }
  check_whole("threads", o.threads, 0, kMostThreads);
  check_whole("loader-threads", o.loader_threads, 0, kMostThreads);
  check_whole("loader-memory-mib", o.loader_memory_mib, 0, kMostMiB);
  check_at_least("validate-every", o.validate_every, 1);
  check_not_negative("save-every", o.save_every);
  check_at_least("stop-patience", o.stop_patience, 0);
  static_cast<void>(graph_named(o.graph));
  static_cast<void>(reduce_named(o.reduce));
  VOX_CHECK(o.tensorboard == "on" || o.tensorboard == "off", "--tensorboard is '{}', wants on or off", o.tensorboard);
  static_cast<void>(digest_cadence(o, Device::cpu, 1));
}

void check_network_size(std::int64_t size, std::int64_t batch, const UNetConfig& network) {
  constexpr std::int64_t kTriedBatch = 1024;  // by largest_batch()
  const std::int64_t divisor = size_divisor(network);
  VOX_CHECK(size >= divisor && size <= kLongest && size % divisor == 0,
            "--size is {}, wants a multiple of {} from {} to {}", size, divisor, divisor, kLongest);
  check_whole("batch", batch, 1, kMostCases);
  // The largest tensor may have twice the channels of the widest level. Bytes are counted in 64 bits.
  const std::int64_t widest = std::ranges::max(network.widths);
  VOX_CHECK(size_product({size, size, size, std::max(batch, kTriedBatch), 2 * widest}, kMostValues),
            "--size {}, --batch {} and --widths up to {}: no machine holds such a network", size, batch, widest);
}

bool wants_largest_patch(const TrainOptions& o) { return o.patch == std::vector<std::int64_t>{0}; }

Extents step_extents(const TrainOptions& o) {
  if (o.patch.empty()) { return cube(o.size); }
  return {o.patch.front(), o.patch[o.patch.size() / 2], o.patch.back()};
}

int usual_loader_threads(Device device) {
  constexpr int kMost = 16;  // each holds two samples
  return device == Device::cuda ? std::clamp(hardware_threads() - 1, 1, kMost) : 1;
}

Reduce reduce_named(const std::string& word) {
  return chosen<Reduce, 2>("reduce", word, {{{"ordered", Reduce::ordered}, {"fast", Reduce::fast}}});
}

LossOptions loss_options(const TrainOptions& o) {
  return {.terms = loss_terms(o.loss),
          .targets = targets_named(o.targets),
          .class_weights = o.class_weights,
          .background = o.background == "exclude" ? Background::exclude : Background::include,
          .dice_background = chosen<Background, 3>("background", o.background,
                                                   {{{"include", Background::include},
                                                     {"exclude", Background::exclude},
                                                     {"exclude-dice", Background::exclude}}}),
          .sums = chosen<Sums, 2>("sums", o.sums, {{{"batch", Sums::batch}, {"per-case", Sums::per_case}}}),
          .focal_mean = chosen<FocalMean, 2>(
              "focal-mean", o.focal_mean,
              {{{"voxels-and-classes", FocalMean::voxels_and_classes}, {"voxels", FocalMean::voxels}}})};
}

OptimizerOptions optimizer_options(const TrainOptions& o) {
  return {.kind = optimizer_named(o.optimizer),
          .eps = o.adam_eps,
          .epsilon = chosen<AdamEpsilon, 2>("adam-epsilon", o.adam_epsilon,
                                            {{{"torch", AdamEpsilon::torch}, {"keras", AdamEpsilon::keras}}}),
          .momentum = o.momentum,
          .nesterov = chosen<Nesterov, 2>("nesterov", o.nesterov, {{{"on", Nesterov::on}, {"off", Nesterov::off}}}),
          .weight_decay = o.weight_decay,
          .clip_norm = o.clip_norm};
}

ScheduleOptions schedule_options(const TrainOptions& o, std::int64_t steps_per_epoch) {
  return {.kind = schedule_named(o.schedule),
          .lr = o.lr,
          .factor = o.plateau_factor,
          .patience = o.plateau_patience,
          .min_lr = o.min_lr,
          .warmup = o.warmup,
          .total = o.epochs * steps_per_epoch,
          .power = o.poly_power,
          .period = chosen<std::int64_t, 2>("poly-every", o.poly_every, {{{"epoch", steps_per_epoch}, {"step", 1}}})};
}

}  // namespace vox

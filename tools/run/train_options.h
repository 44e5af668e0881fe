#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "engine/ranks/rank_sums.h"
#include "model/extents.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "model/schedule.h"
#include "model/step_graph.h"

namespace vox {

/// Everything that shapes a training run. Names are those of the command line, with '-' for '_'.
struct TrainOptions {
  /// The network's starting point. What a preset says beside that of the training is applied by apply_preset().
  std::string preset = "seed";
  std::vector<std::int64_t> widths;  ///< three to seven; empty: the preset's
  std::string norm;                  ///< "batch", "instance", "none"; empty: the preset's
  std::string norm_bias;             ///< "on", "off"; empty: the preset's
  double negative_slope = -1;        ///< of the leaky ReLU, 0: ReLU; -1: the preset's
  std::string down;                  ///< "max-pool", "strided-conv"; empty: the preset's
  std::int64_t supervision = 0;      ///< decoder levels whose logits the loss sees; 0: the preset's
  std::string block_order = "dropout-between";
  std::string init;       ///< "keras", "torch", "kaiming"; empty: the preset's
  std::int64_t size = 0;  ///< edge of the network's cube; 0: the cache's
  std::int64_t batch = 2;
  std::int64_t micro_batch = 0;  ///< 0: the batch
  std::int64_t epochs = 50;
  std::string dtype = "f32";
  std::string targets = "classes";  ///< or "regions"
  std::string loss = "dice+focal";
  std::vector<double> class_weights;
  std::string background = "include";  ///< or "exclude", or "exclude-dice": from the Dice term alone
  std::string sums = "batch";
  std::string focal_mean = "voxels-and-classes";
  double lr = 1e-3;
  std::string schedule = "plateau";
  double plateau_factor = 0.85;
  std::int64_t plateau_patience = 2;
  std::int64_t warmup = 0;
  double min_lr = 0;
  double poly_power = 0.9;
  std::string poly_every = "epoch";  ///< or "step"
  std::string optimizer = "adam";    ///< or "adamw", the same, or "sgd"
  double momentum = 0.99;
  std::string nesterov = "on";
  std::string adam_epsilon = "torch";
  double adam_eps = 1e-8;
  double weight_decay = 0;
  double clip_norm = 0;
  double ema = 0;         ///< decay of averaged weights; 0: none
  std::string init_from;  ///< path of a file of weights to begin with; empty: none
  /// Voxels along D, H, W, or one for all; 0 alone: the largest that fits; empty: whole cases.
  std::vector<std::int64_t> patch;
  double foreground = 0.33;          ///< share of patches that are made to hold foreground
  std::int64_t steps_per_epoch = 0;  ///< 0: one pass over the cases
  std::string augment = "all";       ///< as augment_named() takes it
  std::uint64_t seed = 42;
  std::int64_t fold = 0;
  std::int64_t folds = 5;          ///< made from the cases when there is no splits file
  std::string splits;              ///< path; empty: folds are made
  std::string device = "cpu";      ///< a run may go on elsewhere: sums are in another order there, no more
  std::string fusion = "on";       ///< a run may go on the other way: only roundings differ
  std::string conv = "auto";       ///< likewise
  std::string reduce = "ordered";  ///< sums over ranks: in an order that does not depend on them, or "fast"; likewise
  // What changes the time, and nothing else:
  int threads = 0;                     ///< 0: every core
  int loader_threads = 0;              ///< 0: one, and for a GPU usual_loader_threads()
  std::int64_t loader_memory_mib = 0;  ///< 0: three batches, or two samples a thread
  std::int64_t validate_every = 1;     ///< epochs
  double save_every = 10;              ///< minutes between checkpoints within an epoch; 0: none
  std::int64_t stop_patience = 0;      ///< epochs without a better validation after which a run ends; 0: it does not
  std::string graph = "auto";          ///< of a GPU's steps (model/step_graph.h)
  std::string tensorboard = "on";      ///< "off": no event file
  std::string digest = "auto";         ///< steps between digests in the log (tools/run/step_digest.h), or "off"
};

[[nodiscard]] std::string to_json(const TrainOptions&);  ///< one flat object
[[nodiscard]] std::string to_toml(const TrainOptions&);  ///< the same, as a file for --config
/// What to_json() wrote, of this version or an earlier one: options that shape no result, and those of patches, may be
/// missing and are then as usual. Throws DataError, which names the file.
[[nodiscard]] TrainOptions train_options_from_json(const std::string& text, const std::string& file);

/// For --resume: the options of the run, with those that were given explicitly. Throws Error when a given one differs
/// from the run's and would change its result; epochs, threads and the like may differ.
[[nodiscard]] TrainOptions resumed(const TrainOptions& run, const TrainOptions& asked,
                                   const std::set<std::string>& given);

/// Throws Error for a number that makes no sense, naming its option, what it is and what is wanted. Every run passes
/// it, whether its options come from the command line, a file or a checkpoint.
void check_options(const TrainOptions&);
/// The same for the size of a network that is planned or described: --size, --batch and --widths.
void check_network_size(std::int64_t size, std::int64_t batch, const UNetConfig&);

/// Voxels along D, H, W of what goes through the network in a step: a patch, or the cube.
[[nodiscard]] Extents step_extents(const TrainOptions&);
/// Is the patch still to be found (--patch auto)?
[[nodiscard]] bool wants_largest_patch(const TrainOptions&);

/// What --loader-threads 0 means: more for a GPU, which takes cases faster than a CPU.
[[nodiscard]] int usual_loader_threads(Device);

/// The preset's network with what the options change of it. Throws Error for one that cannot be, by its option's name.
[[nodiscard]] UNetConfig unet_config(const TrainOptions&);
[[nodiscard]] Reduce reduce_named(const std::string&);  ///< throws Error for another word
[[nodiscard]] LossOptions loss_options(const TrainOptions&);
[[nodiscard]] OptimizerOptions optimizer_options(const TrainOptions&);
[[nodiscard]] ScheduleOptions schedule_options(const TrainOptions&, std::int64_t steps_per_epoch);

}  // namespace vox

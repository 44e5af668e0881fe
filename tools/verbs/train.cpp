#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>

#include "engine/json_text.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "tools/run/preset_options.h"
#include "tools/run/run_ranks.h"
#include "tools/run/run_series.h"
#include "tools/run/stored_run.h"
#include "tools/run/training.h"
#include "tools/ui/output.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/doctor_probe.h"
#include "tools/verbs/network_options.h"
#include "tools/verbs/sample_options.h"

namespace vox {
namespace {

struct TrainArgs {
  std::filesystem::path cache;
  std::filesystem::path run;
  bool resume = false;
  TrainOptions options;
  std::string fold = "0";  ///< or "all"
  std::int64_t seeds = 1;
  std::string report = "on";  ///< not kept in the run either
  std::string memory;         ///< not kept in the run: what there is may differ the next time
};

void add_loss_options(Command app, TrainOptions& o) {
  app.option("--targets", o.targets,
             "classes (softmax), or regions: whole tumour, core, enhancing, a sigmoid each, with --loss dice+bce");
  app.option("--loss", o.loss, "dice, focal, ce joined by '+'; of regions dice, bce");
  app.option("--class-weights", o.class_weights, "one per class; default: all 1");
  app.option(
      "--background", o.background,
      "does class 0 count in the loss: include, exclude, or exclude-dice, as nnU-Net has it: in all terms but dice");
  app.option("--sums", o.sums, "of the loss: over the batch, or per-case and then the mean");
  app.option("--focal-mean", o.focal_mean, "voxels-and-classes or voxels");
}

void add_optimizer_options(Command app, TrainOptions& o) {
  app.option("--batch", o.batch, "cases per step");
  app.option("--micro-batch", o.micro_batch, "cases at a time, gradients are added up; 0: the batch");
  app.option("--epochs", o.epochs, "passes over the training cases, or so many times --steps-per-epoch");
  app.option("--optimizer", o.optimizer, "adam, adamw (the same: its weight decay is decoupled) or sgd");
  app.option("--lr", o.lr, "learning rate");
  app.option("--schedule", o.schedule, "plateau (of the training loss), cosine, poly or constant");
  app.option("--plateau-factor", o.plateau_factor, "plateau: the learning rate is multiplied by this");
  app.option("--plateau-patience", o.plateau_patience, "plateau: epochs without a better loss before that");
  app.option("--warmup", o.warmup, "cosine: steps of linear rise");
  app.option("--min-lr", o.min_lr, "plateau, cosine and poly: never below");
  app.option("--poly-power", o.poly_power, "poly: lr * (1 - t/total)^power");
  app.option("--poly-every", o.poly_every, "poly: t moves once an epoch, as nnU-Net's does, or every step");
  app.option("--momentum", o.momentum, "of sgd");
  app.option("--nesterov", o.nesterov, "of sgd: on or off");
  app.option("--adam-epsilon", o.adam_epsilon, "where epsilon stands: torch or keras");
  app.option("--adam-eps", o.adam_eps, "epsilon of Adam; Keras' default is 1e-7");
  app.option("--weight-decay", o.weight_decay, "of adam decoupled from the gradient; of sgd L2, added to it");
  app.option("--clip-norm", o.clip_norm, "largest 2-norm of the gradient; 0: no limit");
  app.option("--ema", o.ema, "decay of an average of the weights, such as 0.999, that is validated and kept; 0: none");
}

void add_machine_options(Command app, TrainOptions& o, std::string& memory) {
  app.option("--device", o.device, "cpu, cuda, cuda:N or simt (the CUDA kernels' sources on the CPU: slow)");
  app.option("--fusion", o.fusion, "on; off: plain operators, slower, the same but for rounding");
  app.option("--conv", o.conv,
             "3x3x3 convolutions on the CPU: auto (the fastest), direct, winograd or amx "
             "(wherever they can run)");
  app.option(
      "--reduce", o.reduce,
      "sums over the ranks of mpirun: ordered, the same result for any number of them, or fast, which depends on "
      "it");
  app.option("--graph", o.graph,
             "a training step as one launch: auto (on a GPU), on (on simt, too) or off. Never changes the result");
  app.option("--threads", o.threads, "CPU threads; 0: every core. Never changes the result");
  app.option(
      "--loader-threads", o.loader_threads,
      "threads that read, and augment what the device does not; 0: one, and for a GPU every core but one, at most "
      "16. Never changes the result");
  app.option("--loader-memory-mib", o.loader_memory_mib,
             "MiB of batches read ahead; 0: three batches, or two samples for each loader thread where that is more");
  app.option("--memory", memory, "refuse what takes more than this, such as 8GiB; default: what is available");
}

/// The options with the fold that --fold names.
TrainOptions with_fold(const TrainArgs& args) {
  TrainOptions o = args.options;
  const char* const end = args.fold.data() + args.fold.size();
  const auto parsed = std::from_chars(args.fold.data(), end, o.fold);
  VOX_CHECK(args.fold == "all" || (parsed.ec == std::errc{} && parsed.ptr == end),
            "--fold is '{}', wants a number from 0, or all", args.fold);
  return o;
}

void train(Command app, const TrainArgs& args) {
  outlive_readers();
  TrainOptions options = with_fold(args);
  const auto start = args.resume ? Training::Start::resume : Training::Start::fresh;
  if (!args.resume) {
    const PresetApplied preset = apply_preset(options, given_options(app));
    if (!preset.said.empty()) { print_safely("preset {}: {}\n", options.preset, preset.said); }
    options = preset.options;
  }
  const std::string program = fmt::format("voxgrad {}", version_text());
  const std::vector<RunRank> met = meet_ranks(world(), options, program);
  Json environment = environment_report();
  if (met.size() > 1) { environment["ranks"] = to_json(met); }
  const RunOutputs outputs{
      .report = args.report == "on", .environment = json_text(environment, 1) + "\n", .program = program};
  if (args.fold == "all" || args.seeds != 1) {
    const SeriesOptions series{.folds = args.fold == "all" ? SeriesOptions::Folds::all : SeriesOptions::Folds::one,
                               .seeds = args.seeds};
    train_series(args.cache, args.run, options, series, start, args.memory, given_options(app), outputs, &world());
    return;
  }
  if (args.resume) {
    VOX_CHECK(world().rank() != 0 || std::filesystem::exists(args.run / "last.safetensors"),
              "--resume: {} holds no run; leave --resume out to start one", args.run.string());
    options = resumed(stored_run(args.run, world()).options, options, given_options(app));
  }
  Training(args.cache, args.run, options, start, args.memory, outputs, &world()).run();
}

}  // namespace

void add_train(Command app) {
  const Command sub = app.command("train", "Train the network on prepared cases");
  const auto args = std::make_shared<TrainArgs>();
  sub.option("-i,--input", args->cache, "folder of prepared cases").required();
  sub.option("-o,--output", args->run, "folder of the run: checkpoints, log, curves").required();
  sub.flag("--resume", args->resume, "go on with the run in the output folder, bit for bit");
  add_network_options(sub, args->options);
  sub.option("--size", args->options.size, "edge of the network's cube in voxels; 0: the cache's");
  sub.option("--dtype,--amp", args->options.dtype,
             "storage of activations: f32, bf16 or f64; weights, statistics, sums and losses stay f32 or f64");
  sub.option("--init-from", args->options.init_from,
             "begin with the weights of this safetensors file that have the network's names and shapes");
  add_loss_options(sub, args->options);
  add_optimizer_options(sub, args->options);
  add_sample_options(sub, args->options);
  sub.option("--seeds", args->seeds,
             "so many runs, of --seed and the seeds behind it, in folders seed42 ...; on the same folds");
  sub.option("--fold", args->fold, "which fold validates, from 0; or all: a run each, in folders fold0 ...");
  add_splits_options(sub, args->options);
  sub.option("--validate-every", args->options.validate_every, "epochs between validations");
  sub.option("--stop-patience", args->options.stop_patience,
             "end when validation's mean Dice has not been better for so many epochs; 0: never");
  sub.option("--save-every", args->options.save_every,
             "minutes between checkpoints within an epoch; 0: none. SIGUSR1 asks for one at once");
  sub.option("--tensorboard", args->options.tensorboard,
             "on: an event file for TensorBoard in the run's folder, with the log's numbers and a picture of each "
             "validation; or off");
  sub.option(
      "--digest", args->options.digest,
      "steps between digests of the weights in the log, for compare --bits: auto (about 1 % of the time at most), a "
      "number, or off");
  sub.option("--report", args->report, "report.html after every epoch: on or off. Never changes the result")
      .one_of({"on", "off"});
  add_machine_options(sub, args->options, args->memory);
  sub.run([sub, args] { train(sub, *args); });
}

}  // namespace vox

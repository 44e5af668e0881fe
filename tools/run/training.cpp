#include "tools/run/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/json.h"
#include "engine/ranks/deal.h"
#include "engine/ranks/rank_cases.h"
#include "engine/ranks/rank_sums.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "tools/run/epoch_report.h"
#include "tools/run/first_rank.h"
#include "tools/run/run_control.h"
#include "tools/run/run_files.h"
#include "tools/run/run_ranks.h"
#include "tools/run/training_cases.h"
#include "tools/run/warm_start_report.h"
#include "tools/ui/exit_code.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

/// "0.001", or "0.0005 to 0.001" where it moved.
std::string rates_text(double first, double last) {
  return first == last ? fmt::format("{:g}", last) : fmt::format("{:g} to {:g}", first, last);
}

}  // namespace

Training::Training(const fs::path& cache, fs::path run, const TrainOptions& options, Start start,
                   const std::string& memory, const RunOutputs& outputs, Communicator* ranks)
    : options_(options),
      ranks_(ranks_or_alone(ranks)),
      files_(std::make_unique<RunFiles>(std::move(run), options_, ranks_)),
      device_(select_device(options.device)),
      loss_(loss_options(options)),
      readbacks_{Readback(device_), Readback(device_)} {
  check_options(options_);
  if (options_.threads > 0) { set_default_threads(options_.threads); }
  set_conv_choice(options_.conv);
  met_ = meet_ranks(ranks_, options_, outputs.program);
  files_->check(start);
  if (options_.micro_batch == 0) { options_.micro_batch = options_.batch; }

  TrainingCases cases = training_cases(
      cache, start == Start::resume ? files_->folder() / "splits.json" : fs::path(options_.splits), options_, &ranks_);
  recipe_ = common_recipe(cases, cache, options_);
  options_.size = recipe_.size;
  train_files_ = std::move(cases.train);
  val_files_ = std::move(cases.val);
  limit_ = memory_limit(memory, device_);
  if (wants_largest_patch(options_)) { find_patch(limit_); }
  VOX_CHECK(options_.stop_patience == 0 || !val_files_.empty(),
            "--stop-patience is {}: fold {} has no case to validate on", options_.stop_patience, options_.fold);
  if (!is_cube(recipe_)) { windows_ = WindowOptions{.window = step_extents(options_)}; }
  if (const auto patch = patch_options(options_)) {
    for (std::string& note : patch_notes(train_files_, *patch)) { notes_.push_back(std::move(note)); }
  }
  make_loader();
  const ScheduleOptions schedule = schedule_options(options_, loader_->batches_per_epoch());
  VOX_CHECK(options_.schedule != "cosine" || options_.warmup < schedule.total,
            "--warmup is {}, wants fewer than the {} steps of the run", options_.warmup, schedule.total);
  schedule_ = std::make_unique<Schedule>(schedule);
  memory_ = std::make_unique<RunMemory>(step_request(options_, device_, &ranks_), holds(),
                                        windows_ ? windows_->window : cube(recipe_.size), limit_);
  net_ = std::make_unique<UNet3d>(unet_config(options_), dtype_named(options_.dtype), options_.seed, device_);
  net_->set_fusion(fusion_named(options_.fusion));
  const std::array<std::int64_t, 4> sample = loader_->sample_shape();
  const std::int64_t here = rank_cases(std::min(options_.batch, loader_->samples_per_epoch()), options_.micro_batch,
                                       ranks_.rank(), ranks_.size())
                                .count();
  uploader_ = std::make_unique<Uploader>(device_, Shape{here, sample[0], sample[1], sample[2], sample[3]});
  std::optional<WarmStart> warm;
  if (start == Start::fresh && !options_.init_from.empty() && ranks_.rank() == 0) {
    warm = warm_start(*net_, options_.init_from);
  }
  optimizer_ = std::make_unique<Optimizer>(net_->parameters(), optimizer_options(options_));
  if (options_.ema > 0) { average_ = std::make_unique<WeightAverage>(*net_, options_.ema); }
  if (ranks_.size() > 1) {
    for (auto& exchange : exchanges_) { exchange = ranks_.for_device(device_); }
    sums_ = std::make_unique<RankSums>(*exchanges_[0], *exchanges_[1], reduce_named(options_.reduce), options_.device);
  }
  steps_ = std::make_unique<StepGraphs>(*net_, *optimizer_, loss_, options_.seed, graph_named(options_.graph),
                                        average_.get(), sums_.get());
  progress_.schedule = schedule_->state();
  digests_ = digest_cadence(options_, device_, net_->parameter_count());

  if (start == Start::resume) { restore(); }
  take_state_of_first(ranks_, *net_, *optimizer_, average_.get());
  files_->begin(start, progress_, outputs, cases.folds, train_files_, val_files_);
  if (warm) { report_warm_start(*warm, options_.init_from, *files_); }
  program_ = outputs.program;
}

Training::~Training() = default;

void Training::make_loader() {
  LoaderOptions options = loader_options(options_, train_files_, device_);
  options.rank = ranks_.rank();
  options.ranks = ranks_.size();
  if (device_augments(options_, device_)) { augments_there_ = augment_named(options_.augment); }
  if (device_ == Device::cuda) {
    options.memory = [gpu = options_.device](std::size_t bytes) { return page_locked_memory(gpu, bytes); };
  }
  loader_ = std::make_unique<Loader>(std::move(options));
}

void Training::run() {
  RunControl control(files_->folder(), options_.save_every, &ranks_);
  say_start();
  log_start();
  VOX_CHECK(progress_.epoch < options_.epochs, "{}: {} epochs are done; give --epochs a larger number to go on",
            files_->folder().string(), progress_.epoch);
  const auto stops = [&] { return stops_early(progress_, options_.stop_patience, options_.validate_every); };
  VOX_CHECK(!stops(), "{}: was ended by --stop-patience after {} epochs; give it a larger number, or 0, to go on",
            files_->folder().string(), progress_.epoch);
  while (progress_.epoch < options_.epochs && !stops()) {
    run_epoch(control);
    control.saved();
    if (control.stop_asked() && progress_.epoch < options_.epochs) {
      print_safely("{} was asked for: stopped after epoch {}; --resume goes on\n", (files_->folder() / "stop").string(),
                   progress_.epoch);
      return;
    }
  }
  if (progress_.epoch < options_.epochs) {
    const std::string note = fmt::format("ended after {} epochs: validation has not been better since epoch {}",
                                         progress_.epoch, *progress_.best_epoch);
    print_safely("{}\n", note);
    files_->write({{"type", "note"}, {"step", progress_.step}, {"note", note}});
  }
}

void Training::run_epoch(RunControl& control) {
  loader_->start_epoch(static_cast<std::uint32_t>(progress_.epoch), progress_.batches);
  ProgressBar bar(fmt::format("epoch {}/{}", progress_.epoch + 1, options_.epochs), loader_->batches_per_epoch(),
                  "steps", progress_.batches);
  last_report_ = std::chrono::steady_clock::now();
  // Where a device computes on its own, the next step is submitted before the host waits for this one.
  std::optional<Step> before;
  const auto report_before = [&] {
    if (before) { report(*std::exchange(before, std::nullopt), bar); }
  };
  for (auto staged = stage_next(); staged;) {
    Step step = submit(*std::move(staged), progress_.step + (before ? 1 : 0));
    staged = stage_next();
    report_before();
    before = std::move(step);
    if (device_ == Device::cpu || digest_is_due()) { report_before(); }  // a digest is of the weights that there are
    const RunControl::Asked asked = control.after_step();
    if (asked.checkpoint && !asked.interrupted) {
      report_before();
      save_last();
      files_->write({{"type", "checkpoint"}, {"step", progress_.step}, {"epoch", progress_.epoch + 1}});
    }
    if (asked.interrupted) {
      report_before();
      bar.finish();
      save_last();
      ranks_.barrier();  // nobody leaves before it is whole
      print_safely("interrupted at step {}: {} holds it; --resume goes on\n", progress_.step,
                   (files_->folder() / "last.safetensors").string());
      throw ExitCode{kInterruptedExitCode};
    }
  }
  report_before();
  bar.finish();
  say_notes();
  end_epoch();
}

void Training::end_epoch() {
  const double train_loss = progress_.loss_sum / static_cast<double>(progress_.samples);
  schedule_->epoch_ended(train_loss);
  progress_.schedule = schedule_->state();
  const bool last = progress_.epoch + 1 == options_.epochs;
  const bool validates = !val_files_.empty() && ((progress_.epoch + 1) % options_.validate_every == 0 || last);
  Json line{{"type", "epoch"},
            {"step", progress_.step},
            {"epoch", progress_.epoch + 1},
            {"lr", *progress_.lr_last},
            {"lr_first", *progress_.lr_first},
            {"lr_last", *progress_.lr_last},
            {"train_loss", train_loss},
            {"seconds", progress_.seconds},
            {"load_seconds", progress_.load_seconds},
            {"samples_per_second", static_cast<double>(progress_.samples) / progress_.seconds},
            {"peak_tensor_bytes", memory_report(device_).peak_bytes},
            {"peak_resident_bytes", peak_resident_bytes()}};
  double score = -train_loss;
  print_safely("epoch {}: train loss {:.4f}, lr {}, {:.1f} s, {:.2f} samples/s, peak of tensors {:.0f} MiB\n",
               progress_.epoch + 1, train_loss, rates_text(*progress_.lr_first, *progress_.lr_last), progress_.seconds,
               static_cast<double>(progress_.samples) / progress_.seconds,
               static_cast<double>(memory_report(device_).peak_bytes) / 0x1p20);
  if (validates) {
    const auto start = std::chrono::steady_clock::now();
    const Validation v = validate(judged(), val_files_, loss_, memory_->validation().arena, windows_,
                                  files_->listener(judged().config().targets), &ranks_);
    score = v.mean_dice();
    line["validate_seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    line.update(to_json(v, loss_));
    say(v);
  }
  const bool improved = (validates || val_files_.empty()) && (!progress_.best || score > *progress_.best);
  ++progress_.epoch;
  if (improved) {
    progress_.best = score;
    progress_.best_epoch = progress_.epoch;
  }
  progress_.batches = 0;
  progress_.loss_sum = 0;
  progress_.samples = 0;
  progress_.seconds = progress_.load_seconds = 0;
  progress_.lr_first = progress_.lr_last = std::nullopt;
  line["best"] = progress_.best ? Json(*progress_.best) : Json(nullptr);
  files_->write(line);  // before the checkpoint: of an epoch that none has, a resumed run writes it again
  if (improved) { save_best(); }
  if (improved && validates) { files_->improved(progress_.epoch); }
  save_last();
  files_->draw(!last);
}

Metadata Training::metadata() const {
  Metadata all{{"training", to_json(progress_)},
               {"options", to_json(options_)},
               {"recipe", std::string(name(recipe_.kind))},
               {"recipe_size", std::to_string(recipe_.size)},
               {"recipe_modalities", modality_list(recipe_.modalities)}};
  if (!is_cube(recipe_)) { all["recipe_spacing_mm"] = spacing_text(recipe_.spacing_mm); }
  if (!options_.patch.empty()) { all["recipe_patch"] = fmt::format("{}", fmt::join(step_extents(options_), ",")); }
  return all;
}

void Training::save_best() const { files_->save("best.safetensors", judged(), *optimizer_, metadata()); }

void Training::save_last() const { files_->save("last.safetensors", *net_, *optimizer_, metadata(), average_.get()); }

void Training::restore() {
  const fs::path path = files_->folder() / "last.safetensors";
  const std::string state = text_of_first(ranks_, [&] {
    const CheckpointFile file(path);
    file.load(*net_);
    file.load(*optimizer_);
    if (average_) { file.load(*average_); }
    const auto found = file.metadata().find("training");
    VOX_CHECK_DATA(found != file.metadata().end(), "{}: holds no state of a training run to resume", path.string());
    return found->second;
  });
  progress_ = training_progress_from_json(state, path.string());
  schedule_->restore(progress_.schedule);
  if (progress_.batches > 0 && !(progress_.lr_first && progress_.lr_last)) {  // from a version that kept neither
    progress_.lr_first = schedule_->lr(progress_.step - progress_.batches);
    progress_.lr_last = schedule_->lr(progress_.step - 1);
  }
}

}  // namespace vox

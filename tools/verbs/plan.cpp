#include <algorithm>
#include <memory>
#include <optional>

#include "data/loading/sample.h"
#include "engine/context.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/kept.h"
#include "kernels/base/check.h"
#include "kernels/base/size_product.h"
#include "tools/run/largest_extents.h"
#include "tools/run/memory_plan.h"
#include "tools/run/preset_options.h"
#include "tools/run/training_cases.h"
#include "tools/run/whole_case.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/network_options.h"
#include "tools/verbs/plan_ranks.h"

namespace vox {
namespace {

struct PlanArgs {
  TrainOptions options;
  std::string memory;
  std::vector<std::int64_t> segmented;
  bool json = false;
  RanksArgs ranks;
};

double mib(std::size_t bytes) { return static_cast<double>(bytes) / 0x1p20; }

std::string count_text(std::int64_t cases) { return cases == 0 ? "none" : std::to_string(cases); }

Json to_json(const StepPlan& p) {
  Json uses = Json::object();
  for (std::size_t u = 0; u < kUses; ++u) {
    uses[std::string(name(static_cast<Use>(u)))] = {{"at_peak_bytes", p.at_peak[u]}, {"most_bytes", p.most[u]}};
  }
  return {{"peak_bytes", p.peak_bytes},
          {"peak_at", p.peak_at},
          {"uses", uses},
          {"arena_bytes", p.arena.bytes},
          {"arena_live_bytes", p.arena.live_bytes},
          {"outside_bytes", p.outside_bytes},
          {"system_bytes", p.system_bytes()}};
}

void print(const char* title, const StepPlan& p) {
  fmt::print("{:<34} {:>14} {:>14}\n", title, "at the peak", "most");
  for (std::size_t u = 0; u < kUses; ++u) {
    if (p.most[u] == 0) { continue; }
    fmt::print("  {:<32} {:>10.1f} MiB {:>10.1f} MiB\n", name(static_cast<Use>(u)), mib(p.at_peak[u]), mib(p.most[u]));
  }
  fmt::print("  {:<32} {:>10.1f} MiB = {} bytes\n", "peak of tensors", mib(p.peak_bytes), p.peak_bytes);
  fmt::print("  at {}\n", p.peak_at);
  fmt::print(
      "  from the system {:.1f} MiB: an arena of {:.1f} MiB, in which at most {:.1f} MiB live, and {:.1f} MiB\n\n",
      mib(p.system_bytes()), mib(p.arena.bytes), mib(p.arena.live_bytes), mib(p.outside_bytes));
}

Json inputs_of(const PlanArgs& args) {
  const TrainOptions& o = args.options;
  Json inputs{{"preset", o.preset}, {"extents", step_extents(o)},
              {"batch", o.batch},   {"micro_batch", o.micro_batch == 0 ? o.batch : o.micro_batch},
              {"dtype", o.dtype},   {"device", o.device}};
  if (o.patch.empty()) { inputs["size"] = o.size; }
  return inputs;
}

/// What the loader's threads hold of the case that was given, or of one of any extents.
HostHolds holds_of(const TrainOptions& o, const StepRequest& r, const std::optional<Extents>& whole) {
  constexpr std::int64_t kAny = 1 << 20;
  const std::array<Extent3, 1> cases{whole.value_or(Extents{kAny, kAny, kAny})};
  HostHolds holds;
  if (!o.patch.empty()) {
    holds.scratch_bytes =
        sample_maker_bytes(loader_options(o, {}, r.device),
                           {r.config.in_channels, r.extents[0], r.extents[1], r.extents[2]}, FileDType::f32, cases);
  }
  if (!o.patch.empty() && whole) {
    holds.validation_bytes = validation_bytes(*whole, r.config.in_channels, r.config.classes, {.window = r.extents});
  }
  return holds;
}

/// The case that --case names; nothing where none is.
std::optional<Extents> case_of(const PlanArgs& args) {
  if (args.segmented.empty()) { return std::nullopt; }
  Extents whole{};
  VOX_CHECK(args.segmented.size() == whole.size() && size_product(args.segmented, kMostVoxels).value_or(0) > 0,
            "--case is {}, wants three numbers of voxels, D,H,W, 2^40 in all at most", fmt::join(args.segmented, ","));
  std::ranges::copy(args.segmented, whole.begin());
  return whole;
}

/// --patch auto: of no more than the case that was given.
void find_patch(PlanArgs& args, const std::optional<Extents>& whole) {
  TrainOptions& o = args.options;
  VOX_CHECK(whole, "--patch auto wants --case D,H,W: the largest patch is of no more than that");
  const MemoryLimit limit = memory_limit(args.memory, device_kind(o.device));
  const auto fits = [&](const Extents& patch) {
    o.patch.assign(patch.begin(), patch.end());
    const StepRequest r = step_request(o, device_kind(o.device));
    return run_fits(r, holds_of(o, r, whole), limit);
  };
  const auto found = largest_extents(*whole, size_divisor(unet_config(o)), fits);
  if (!found) {
    fail<MemoryError>(__FILE__, __LINE__,
                      fmt::format("--patch auto: not even patches of {} fit into {} ({})", fmt::join(o.patch, "x"),
                                  bytes_text(limit.bytes), limit.source));
  }
  o.patch.assign(found->begin(), found->end());
}

void plan(PlanArgs args) {
  const TrainOptions& o = args.options;
  check_options(o);
  if (!args.ranks.ranks.empty()) {
    plan_ranks(o, args.ranks, args.json);
    return;
  }
  const std::optional<Extents> whole = case_of(args);
  if (wants_largest_patch(o)) { find_patch(args, whole); }
  const Extents extents = step_extents(o);
  check_network_size(std::ranges::max(extents), o.batch, unet_config(o));
  if (o.threads > 0) { set_default_threads(o.threads); }
  const StepRequest request = step_request(o, device_kind(o.device));
  const MemoryLimit limit = memory_limit(args.memory, request.device);
  const StepPlan training = plan_and_decide_keeping(request, limit);
  set_keep_all(false);  // of the largest batches, too, nothing is kept that can be made again
  const StepPlan inference = plan_inference(request);
  const std::size_t waiting = waiting_bytes(request, holds_of(o, request, whole));
  const std::int64_t largest_batch = vox::largest_batch(request, limit);
  const std::int64_t largest_part = largest_micro_batch(request, left_for_tensors(limit, waiting, request.device));
  const WindowOptions windows{.window = extents};
  const std::size_t beside =
      whole ? case_bytes(*whole, request.config.in_channels, request.config.classes, windows) : 0;
  if (args.json) {
    Json all = inputs_of(args);
    all.update({{"training", to_json(training)},
                {"inference", to_json(inference)},
                {"waiting_batches_bytes", waiting},
                {"case_bytes", beside},
                {"memory_bytes", limit.bytes},
                {"memory_source", limit.source},
                {"largest_batch", largest_batch},
                {"largest_micro_batch", largest_part}});
    fmt::print("{}\n", json_text(all, 2));
    return;
  }
  fmt::print("{}: batch {} at {}, {} on {}\n\n", o.preset, o.batch, extents_text(extents), o.dtype, o.device);
  print("training step", training);
  print("inference", inference);
  fmt::print("on the CPU beside it: {:.1f} MiB of batches that wait{}\n", mib(waiting),
             whole ? ", and of validating such a case" : "");
  if (beside > 0) {
    fmt::print("segmenting a case of {}: {:.1f} MiB beside the tensors of an inference of one, {} windows\n",
               extents_text(*whole), mib(beside), window_count(*whole, windows));
  }
  fmt::print("{} ({}): the largest batch computed at once is {}; of this batch of {} the largest micro-batch is {}\n",
             bytes_text(limit.bytes), limit.source, count_text(largest_batch), o.batch, count_text(largest_part));
}

}  // namespace

void add_plan(Command app) {
  const Command sub = app.command(
      "plan", "The exact memory of a training step, before it is run, and its time on several ranks by a model");
  const auto args = std::make_shared<PlanArgs>();
  TrainOptions& o = args->options;
  o.size = 128;
  add_network_options(sub, o);
  sub.option("--size", o.size, "edge of the input cube in voxels, a multiple of 16 (2^(levels - 1))");
  sub.option("--patch", o.patch,
             "instead of --size: voxels along D,H,W, multiples of 16, or one for all; auto: "
             "the largest that fits, of no more than --case")
      .delimiter(',')
      .word("auto", "0")
      .default_text("--size");
  sub.option("--case", args->segmented,
             "say what segmenting a case of D,H,W voxels by windows of the patch takes beside tensors")
      .delimiter(',');
  sub.option("--batch", o.batch, "cases per step");
  sub.option("--micro-batch", o.micro_batch, "cases at a time, gradients are added up; 0: the batch");
  sub.option("--dtype,--amp", o.dtype, "storage of activations: f32, bf16 or f64");
  sub.option("--targets", o.targets, "classes, or regions with --loss dice+bce");
  sub.option("--loss", o.loss, "dice, focal, ce joined by '+'; of regions dice, bce");
  sub.option("--optimizer", o.optimizer, "adam or adamw, which have two moments, or sgd, which has one");
  sub.option("--ema", o.ema, "averaged weights, too, if it is above 0");
  sub.option("--augment", o.augment, "as train has it: what the loader's threads hold depends on it");
  sub.option("--device", o.device, "cpu, cuda or simt; needs none of them");
  sub.option("--fusion", o.fusion, "on; off: plain operators");
  sub.option("--threads", o.threads, "CPU threads; 0: every core");
  sub.option("--memory", args->memory, "what there is, such as 8GiB; default: what is available");
  sub.flag("--json", args->json, "as JSON");
  add_ranks_options(sub, args->ranks);
  sub.run([sub, args] {
    args->options = apply_preset(args->options, given_options(sub)).options;
    plan(*args);
  });
}

}  // namespace vox

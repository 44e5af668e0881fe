#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <memory>

#include "data/cases/regions.h"
#include "data/prepare/prepare.h"
#include "engine/atomic_file.h"
#include "engine/context.h"
#include "engine/ranks/deal.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "tools/run/interrupt.h"
#include "tools/run/memory_plan.h"
#include "tools/ui/output.h"
#include "tools/ui/process_clock.h"
#include "tools/ui/progress_bar.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/predicted_case.h"

namespace vox {
namespace {

/// Which numbers the files have, and why.
void say_labels(const std::vector<CaseFiles>& cases, const PredictArgs& args) {
  std::map<LabelConvention, std::size_t> uses;
  for (const CaseFiles& c : cases) { ++uses[args.written(c)]; }
  for (const auto& [convention, n] : uses) {
    print_safely("labels as in {} ({}){}\n", name(convention), meaning(convention),
                 uses.size() == 1 ? "" : fmt::format(" for {} of {} cases", n, cases.size()));
  }
}

/// What became of a case.
struct CaseOutcome {
  std::string failure;  ///< why it was not segmented
  std::vector<std::string> notes;
  std::string times;
};

/// This rank's cases, one after another, until Ctrl-C.
class CaseLoop {
 public:
  CaseLoop(const PredictArgs& args, Ensemble& ensemble, const std::vector<CaseFiles>& cases)
      : args_(args),
        ensemble_(ensemble),
        cases_(cases),
        deal_(world(), cases.size()),
        windows_(windows_of(args.windows, ensemble.members().front())),
        limit_(memory_limit(args.memory, select_device(args.device))) {
    if (windows_) {
      ensemble.set_windows(*windows_, [this](std::int64_t done, std::int64_t all) { on_window_(done, all); });
    }
    ensemble.reserve(limit_, windows_ ? windows_->window : cube(ensemble.recipe().size));  // no case takes less
  }

  [[nodiscard]] const std::optional<WindowOptions>& windows() const { return windows_; }

  /// The outcomes of all ranks; nothing where one was interrupted.
  std::vector<CaseOutcome> run() {
    const InterruptGuard guard;
    std::vector<CaseOutcome> outcomes(cases_.size());
    const std::vector<std::size_t>& mine = deal_.mine();
    ProgressBar bar("predict", std::ssize(mine), "cases");
    for (std::size_t k = 0; k < mine.size() && !deal_.stopped(); ++k) {
      const CaseFiles& c = cases_[mine[k]];
      on_window_ = [&](std::int64_t done, std::int64_t all) {
        bar.update(static_cast<std::int64_t>(k), fmt::format("{}, window {} of {}", c.id, done, all));
      };
      try {
        predict_one(k, outcomes[mine[k]]);
      } catch (const DataError& e) { outcomes[mine[k]].failure = fmt::format("{}: {}", c.id, e.what()); }
      bar.update(static_cast<std::int64_t>(k) + 1, c.id);
      if (InterruptGuard::interrupted()) { deal_.stop(); }
    }
    bar.finish();
    deal_.gather_results(outcomes, [](auto& message, auto& o) { fields(message, o.failure, o.notes, o.times); });
    if (deal_.stopped()) { return {}; }
    return outcomes;
  }

 private:
  void predict_one(std::size_t k, CaseOutcome& outcome) {
    const std::vector<std::size_t>& mine = deal_.mine();
    const CaseFiles& c = cases_[mine[k]];
    const int threads = cpu_queue().threads;
    const auto start = std::chrono::steady_clock::now();
    const ReadCase read = next_.valid() ? next_.get() : read_case(c, ensemble_.recipe(), rules_, threads);
    outcome.notes = read.notes;
    const double waited = seconds_since(start);
    if (args_.verbose && k == 0) {
      print_safely("first layer {:.0f} ms after the start\n", 1e3 * seconds_since_process_start());
    }
    if (k + 1 < mine.size()) {
      next_ = std::async(std::launch::async, read_case, cases_[mine[k + 1]], ensemble_.recipe(), rules_, 1);
    }
    if (windows_) { ensemble_.reserve(limit_, read.prepared.info.mapping.size); }
    Times times = predict_case(c, read.prepared, ensemble_, args_, threads);
    times.waited = waited;
    outcome.times = times_text(c, read.prepared, times);
    if (args_.verbose && world().size() == 1) { print_safely("{}", outcome.times); }
  }

  const PredictArgs& args_;
  Ensemble& ensemble_;
  const std::vector<CaseFiles>& cases_;
  Deal deal_;
  const std::optional<WindowOptions> windows_;
  const MemoryLimit limit_;
  const CheckRules rules_{.labels = {}, .allowed = allowed_findings(args_.allow)};
  std::function<void(std::int64_t, std::int64_t)> on_window_;
  std::future<ReadCase> next_;  // read by one thread while the case before is computed
};

void say_networks(const Ensemble& ensemble, const std::optional<WindowOptions>& windows) {
  for (const Segmenter& s : ensemble.members()) {
    print_safely("{}: {}, {}\n", s.file().string(), s.config().preset, recipe_text(s.recipe()));
  }
  if (windows) {
    print_safely("windows of {}, overlap {:g}, {} blend, starts as {} has them\n", extents_text(windows->window),
                 windows->overlap, windows->blend == Blend::gaussian ? "gaussian" : "constant", name(windows->rule));
  }
}

void predict(PredictArgs args) {
  outlive_readers();
  if (!args.postprocess.empty()) { args.rules = read_postprocess_rules(args.postprocess); }
  if (args.threads > 0) { set_default_threads(args.threads); }
  set_conv_choice(args.conv);
  VOX_CHECK(!args.save_logits || args.models.size() == 1,
            "--save-logits: {} networks have no logits in common; give one --model", args.models.size());
  Ensemble ensemble({args.models.begin(), args.models.end()}, select_device(args.device), fusion_named(args.fusion));
  const bool regions = ensemble.config().targets == Targets::regions;
  const auto wanted = static_cast<std::int64_t>(regions ? kClassOfRegion.size() : kClasses);
  VOX_CHECK_DATA(ensemble.config().classes == wanted, "{}: has {} {}, wants {}",
                 ensemble.members().front().file().string(), ensemble.config().classes, regions ? "regions" : "classes",
                 wanted);
  const Dataset dataset = find_dataset(args.input, layout_option(args.layout), args.mask_suffix);
  const std::vector<CaseFiles>& cases = dataset.cases;
  check_same_cases(world(), dataset, args.input);
  CaseLoop loop(args, ensemble, cases);
  make_folders(args.output);
  if (is_first_rank()) { name_labels(dataset, args.written(cases.front()), args.output); }
  print_safely("{}\n", describe(dataset));
  say_networks(ensemble, loop.windows());
  say_labels(cases, args);
  const std::vector<CaseOutcome> outcomes = loop.run();
  if (outcomes.empty()) { throw ExitCode{kInterruptedExitCode}; }
  Notes notes;
  std::vector<std::string> failures;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const CaseOutcome& o = outcomes[i];
    notes.add(cases[i].id, o.notes);
    if (!o.failure.empty()) { failures.push_back(o.failure); }
    if (args.verbose && world().size() > 1) { print_safely("{}", o.times); }
  }
  notes.print();
  print_safely("{} of {} cases segmented into {}\n", cases.size() - failures.size(), cases.size(),
               args.output.string());
  VOX_CHECK_DATA(failures.empty(), "not segmented:\n  {}", fmt::join(failures, "\n  "));
}

}  // namespace

void add_predict(Command app) {
  const Command sub = app.command("predict", "Segment raw cases with a trained network");
  const auto args = std::make_shared<PredictArgs>();
  sub.option("-i,--input", args->input, "a case, a folder of cases, or a list of paths").required();
  sub.option("-o,--output", args->output, "folder for <ID>.nii.gz: labels on the case's own grid").required();
  sub.option("-m,--model", args->models, "run folder, or a checkpoint; several: the mean of their probabilities")
      .repeatable()
      .required();
  sub.option(
         "--labels", args->labels,
         "edition whose numbers are written; auto: as dataset.json names them, or as files of such names have them, "
         "brats2023 for ID-t2f and brats2020 for ID_flair")
      .one_of(labels_words());
  add_layout_option(sub, args->layout);
  add_allow_option(sub, args->allow);
  add_mask_option(sub, args->mask_suffix);
  sub.flag("--save-probabilities", args->save_probabilities, "one <ID>_p_<class>.nii.gz per class or region as well");
  sub.flag("--save-logits", args->save_logits, "the network's own input and output, <ID>_logits.safetensors");
  sub.option("--postprocess", args->postprocess, "rules of voxgrad tune, or of your own, as JSON")
      .type_name("FILE.json");
  sub.flag("--mirror", args->mirror, "mean over the eight mirror images; takes eight times as long");
  add_window_options(sub, args->windows);
  sub.option("--device", args->device, "cpu, cuda, cuda:N or simt (the CUDA kernels' sources on the CPU: slow)");
  sub.option("--fusion", args->fusion, "on; off: plain operators, slower, the same but for rounding");
  sub.option("--conv", args->conv,
             "3x3x3 convolutions on the CPU: auto (the fastest), direct, winograd or amx "
             "(wherever they can run)");
  sub.option("--threads", args->threads, "CPU threads; 0: every core. Never changes the result").not_negative();
  sub.option("--memory", args->memory, "refuse what takes more than this, such as 8GiB; default: what is available");
  sub.flag("--verbose", args->verbose, "say what became of each case's time");
  sub.run([args] { predict(*args); });
}

}  // namespace vox

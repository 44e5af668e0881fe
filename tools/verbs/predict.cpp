#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <set>

#include "data/cases/layout.h"
#include "data/cases/regions.h"
#include "data/nifti/nifti.h"
#include "data/postprocess/postprocess.h"
#include "data/prepare/prepare.h"
#include "data/prepare/restore.h"
#include "engine/context.h"
#include "kernels/base/check.h"
#include "tools/run/ensemble.h"
#include "tools/run/interrupt.h"
#include "tools/run/memory_plan.h"
#include "tools/ui/process_clock.h"
#include "tools/ui/progress_bar.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/window_options.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct PredictArgs {
  fs::path input;
  fs::path output;
  std::vector<std::string> models;
  bool save_probabilities = false;
  bool save_logits = false;
  bool mirror = false;
  WindowArgs windows;
  std::string device = "cpu";
  std::string fusion = "on";
  std::string conv = "auto";
  int threads = 0;
  std::string memory;
  bool verbose = false;
  std::string layout = "auto";
  std::string labels = "auto";
  std::vector<std::string> allow;
  std::string mask_suffix;
  fs::path postprocess;
  PostprocessRules rules;  ///< of that file

  /// The numbers to write for a case: those that a file of its name is read as again.
  [[nodiscard]] LabelConvention written(const CaseFiles& c) const {
    if (const auto asked = labels_option(labels)) { return *asked; }
    if (c.stated && c.stated->convention) { return *c.stated->convention; }
    return convention_for_output(family_of(c.id, c.hyphenated));
  }
};

constexpr std::array<const char*, kClasses> kClassFiles{"background", "necrotic", "oedema", "enhancing"};
constexpr std::array<const char*, kClassOfRegion.size()> kRegionFiles{"whole", "core", "enhancing"};

void save_network_output(const fs::path& path, const PreparedCase& prepared, std::span<const float> logits) {
  const std::int64_t channels = std::ssize(prepared.info.recipe.modalities);
  const Extent3& s = prepared.info.mapping.size;
  const auto entry = [&](const char* tensor, std::int64_t leading, std::span<const float> values) {
    return TensorToWrite{
        .name = tensor, .dtype = FileDType::f32, .shape = {leading, s[0], s[1], s[2]}, .bytes = std::as_bytes(values)};
  };
  write_safetensors(
      path,
      {entry("image", channels, prepared.image), entry("logits", std::ssize(logits) / (s[0] * s[1] * s[2]), logits)},
      {{"id", prepared.info.id}});
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What became of the time of a case, in seconds.
struct Times {
  double waited = 0;  ///< until it was read and prepared; less than those two where they ran beside the case before
  double forward = 0;
  double restore = 0;
  double write = 0;
};

Times predict_case(const CaseFiles& files, const PreparedCase& prepared, const Ensemble& ensemble,
                   const PredictArgs& args, int threads) {
  Times times;
  auto start = std::chrono::steady_clock::now();
  const auto lap = [&] {
    const double seconds = seconds_since(start);
    start = std::chrono::steady_clock::now();
    return seconds;
  };
  const auto mirror = args.mirror ? Ensemble::Mirror::all_axes : Ensemble::Mirror::off;
  const Segmenter::Output out = ensemble.run(prepared.image, prepared.info.mapping.size, mirror);
  times.forward = lap();
  const GridMapping& mapping = prepared.info.mapping;
  const bool regions = ensemble.config().targets == Targets::regions;
  const Decision decision = regions ? Decision::regions : Decision::largest;
  LabelMap labels = restore_labels(out.probabilities, mapping, threads, decision);
  postprocess(labels, args.rules);
  to_labels(labels.values, args.written(files));
  times.restore = lap();
  if (args.save_probabilities) {
    for (std::int64_t c = 0; c < ensemble.config().classes; ++c) {
      const auto i = static_cast<std::size_t>(c);
      write_nifti(args.output / fmt::format("{}_p_{}.nii.gz", files.id, regions ? kRegionFiles[i] : kClassFiles[i]),
                  restore_probability(out.probabilities, c, mapping, threads, decision), *prepared.header);
    }
  }
  if (args.save_logits) { save_network_output(args.output / (files.id + "_logits.safetensors"), prepared, out.logits); }
  write_nifti(args.output / (files.id + ".nii.gz"), labels, *prepared.header);
  times.write = lap();
  return times;
}

void say(const CaseFiles& files, const PreparedCase& prepared, const Times& t) {
  constexpr double kMs = 1e3;
  fmt::print(
      "{}: read {:.0f} ms, prepare {:.0f} ms (waited {:.0f} ms), forward {:.0f} ms, restore {:.0f} ms, write "
      "{:.0f} ms\n",
      files.id, kMs * prepared.read_seconds, kMs * prepared.prepare_seconds, kMs * t.waited, kMs * t.forward,
      kMs * t.restore, kMs * t.write);
}

/// A case that was read, and what was unusual about it.
struct ReadCase {
  PreparedCase prepared;
  std::vector<std::string> notes;
};

ReadCase read_case(CaseFiles files, const Recipe& recipe, const CheckRules& rules, int threads) {
  files.labels.clear();  // never read for a prediction
  files.note.clear();
  ReadCase c;
  c.prepared = prepare_case(files, recipe, threads, &c.notes, rules);
  return c;
}

/// Notes of all cases: each kind once, with the first case and how many have it.
class Notes {
 public:
  void add(const std::string& id, const std::vector<std::string>& notes) {
    std::set<std::string> seen;
    for (const std::string& note : notes) {
      const std::string kind = note.substr(0, note.find(':'));
      if (!seen.insert(kind).second) { continue; }
      auto& entry = kinds_.try_emplace(kind, fmt::format("{}: {}", id, note), 0).first->second;
      ++entry.second;
    }
  }
  void print() const {
    for (const auto& [kind, entry] : kinds_) {
      fmt::print("note: {}{}\n", entry.first,
                 entry.second > 1 ? fmt::format(" (and {} more such)", entry.second - 1) : "");
    }
  }

 private:
  std::map<std::string, std::pair<std::string, std::int64_t>> kinds_;
};

/// Which numbers the files have, and why.
void say_labels(const std::vector<CaseFiles>& cases, const PredictArgs& args) {
  std::map<LabelConvention, std::size_t> uses;
  for (const CaseFiles& c : cases) { ++uses[args.written(c)]; }
  for (const auto& [convention, n] : uses) {
    fmt::print("labels as in {} ({}){}\n", name(convention), meaning(convention),
               uses.size() == 1 ? "" : fmt::format(" for {} of {} cases", n, cases.size()));
  }
}

void predict(PredictArgs args) {
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
  const std::optional<WindowOptions> windows = windows_of(args.windows, ensemble.members().front());
  std::function<void(std::int64_t, std::int64_t)> on_window;
  if (windows) {
    ensemble.set_windows(*windows, [&on_window](std::int64_t done, std::int64_t all) { on_window(done, all); });
  }
  const MemoryLimit limit = memory_limit(args.memory, select_device(args.device));
  ensemble.reserve(limit, windows ? windows->window : cube(ensemble.recipe().size));  // no case takes less
  const CheckRules rules{.labels = {}, .allowed = allowed_findings(args.allow)};
  const Dataset dataset = find_dataset(args.input, layout_option(args.layout), args.mask_suffix);
  const std::vector<CaseFiles>& cases = dataset.cases;
  std::error_code error;
  fs::create_directories(args.output, error);
  if (error) { VOX_FAIL_OUTPUT("{}: cannot make the folder: {}", args.output.string(), error.message()); }
  name_labels(dataset, args.written(cases.front()), args.output);
  fmt::print("{}\n", describe(dataset));
  for (const Segmenter& s : ensemble.members()) {
    fmt::print("{}: {}, {}\n", s.file().string(), s.config().preset, recipe_text(s.recipe()));
  }
  if (windows) {
    fmt::print("windows of {}, overlap {:g}, {} blend, starts as {} has them\n", extents_text(windows->window),
               windows->overlap, windows->blend == Blend::gaussian ? "gaussian" : "constant", name(windows->rule));
  }
  say_labels(cases, args);
  const InterruptGuard guard;
  ProgressBar bar("predict", std::ssize(cases), "cases");
  const int threads = cpu_queue().threads;
  std::vector<std::string> failures;
  Notes notes;
  std::future<ReadCase> next;  // read by one thread while the case before is computed
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const CaseFiles& c = cases[i];
    try {
      const auto start = std::chrono::steady_clock::now();
      const ReadCase read = next.valid() ? next.get() : read_case(c, ensemble.recipe(), rules, threads);
      const PreparedCase& prepared = read.prepared;
      notes.add(c.id, read.notes);
      const double waited = seconds_since(start);
      if (args.verbose && i == 0) {
        fmt::print("first layer {:.0f} ms after the start\n", 1e3 * seconds_since_process_start());
      }
      if (i + 1 < cases.size()) {
        next = std::async(std::launch::async, read_case, cases[i + 1], ensemble.recipe(), rules, 1);
      }
      if (windows) { ensemble.reserve(limit, prepared.info.mapping.size); }
      on_window = [&](std::int64_t done, std::int64_t all) {
        bar.update(static_cast<std::int64_t>(i), fmt::format("{}, window {} of {}", c.id, done, all));
      };
      Times times = predict_case(c, prepared, ensemble, args, threads);
      times.waited = waited;
      if (args.verbose) { say(c, prepared, times); }
    } catch (const DataError& e) { failures.push_back(fmt::format("{}: {}", c.id, e.what())); }
    bar.update(static_cast<std::int64_t>(i) + 1, c.id);
    if (InterruptGuard::interrupted()) {
      bar.finish();
      throw ExitCode{kInterruptedExitCode};
    }
  }
  bar.finish();
  notes.print();
  fmt::print("{} of {} cases segmented into {}\n", cases.size() - failures.size(), cases.size(), args.output.string());
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

#include <chrono>
#include <filesystem>
#include <memory>

#include "data/nifti.h"
#include "data/prepare.h"
#include "data/restore.h"
#include "engine/context.h"
#include "kernels/check.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/progress_bar.h"
#include "tools/segmenter.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct PredictArgs {
  fs::path input;
  fs::path output;
  fs::path model;
  bool save_probabilities = false;
  bool save_logits = false;
  bool mirror = false;
  std::string device = "cpu";
  std::string fusion = "on";
  std::string conv = "auto";
  int threads = 0;
};

constexpr std::array<const char*, kClasses> kClassFiles{"background", "necrotic", "oedema", "enhancing"};

void save_network_output(const fs::path& path, const PreparedCase& prepared, const std::vector<float>& logits) {
  const std::int64_t channels = std::ssize(prepared.info.recipe.modalities);
  const Extent3& s = prepared.info.mapping.size;
  const auto entry = [&](const char* tensor, std::int64_t leading, const std::vector<float>& values) {
    return TensorToWrite{.name = tensor,
                         .dtype = FileDType::f32,
                         .shape = {leading, s[0], s[1], s[2]},
                         .bytes = std::as_bytes(std::span(values))};
  };
  write_safetensors(path, {entry("image", channels, prepared.image), entry("logits", kClasses, logits)},
                    {{"id", prepared.info.id}});
}

void predict_case(const CaseFiles& files, const Segmenter& segmenter, const PredictArgs& args, int threads) {
  CaseFiles images = files;
  images.labels.clear();  // never read for a prediction
  const PreparedCase prepared = prepare_case(images, segmenter.recipe(), threads);
  const Segmenter::Output out = args.mirror ? segmenter.run_mirrored(prepared.image) : segmenter.run(prepared.image);
  const GridMapping& mapping = prepared.info.mapping;
  const auto header = read_nifti(files.image(segmenter.recipe().modalities.front())).header;
  if (args.save_probabilities) {
    for (std::int64_t c = 0; c < kClasses; ++c) {
      write_nifti(args.output / fmt::format("{}_p_{}.nii.gz", files.id, kClassFiles[static_cast<std::size_t>(c)]),
                  restore_probability(out.probabilities, c, mapping, threads), *header);
    }
  }
  if (args.save_logits) { save_network_output(args.output / (files.id + "_logits.safetensors"), prepared, out.logits); }
  LabelMap labels = restore_labels(out.probabilities, mapping, threads);
  to_brats_labels(labels.values);
  write_nifti(args.output / (files.id + ".nii.gz"), labels, *header);
}

void predict(const PredictArgs& args) {
  if (args.threads > 0) { set_default_threads(args.threads); }
  set_conv_choice(args.conv);
  const Segmenter segmenter(args.model, select_device(args.device), fusion_named(args.fusion));
  VOX_CHECK_DATA(segmenter.config().classes == kClasses, "{}: has {} classes, wants {}", segmenter.file().string(),
                 segmenter.config().classes, kClasses);
  const std::vector<CaseFiles> cases = find_cases(args.input);
  fs::create_directories(args.output);
  fmt::print("{}: {}, {} at {}^3\n", segmenter.file().string(), segmenter.config().preset,
             name(segmenter.recipe().kind), segmenter.recipe().size);
  const InterruptGuard guard;
  ProgressBar bar("predict", std::ssize(cases), "cases");
  std::int64_t done = 0;
  std::vector<std::string> failures;
  for (const CaseFiles& c : cases) {
    try {
      predict_case(c, segmenter, args, cpu_queue().threads);
    } catch (const DataError& e) { failures.push_back(fmt::format("{}: {}", c.id, e.what())); }
    bar.update(++done, c.id);
    if (InterruptGuard::interrupted()) {
      bar.finish();
      throw ExitCode{kInterruptedExitCode};
    }
  }
  bar.finish();
  fmt::print("{} of {} cases segmented into {}\n", cases.size() - failures.size(), cases.size(), args.output.string());
  VOX_CHECK_DATA(failures.empty(), "not segmented:\n  {}", fmt::join(failures, "\n  "));
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* const sub = app.add_subcommand("predict", "Segment raw cases with a trained network");
  const auto args = std::make_shared<PredictArgs>();
  sub->add_option("-i,--input", args->input, "a case, or a folder of cases")->required();
  sub->add_option("-o,--output", args->output, "folder for <ID>.nii.gz: labels 0, 1, 2, 4 on the case's own grid")
      ->required();
  sub->add_option("-m,--model", args->model, "run folder, or a checkpoint")->required();
  sub->add_flag("--save-probabilities", args->save_probabilities, "one <ID>_p_<class>.nii.gz per class as well");
  sub->add_flag("--save-logits", args->save_logits, "the network's own input and output, <ID>_logits.safetensors");
  sub->add_flag("--mirror", args->mirror, "mean over the eight mirror images; takes eight times as long");
  sub->add_option("--device", args->device, "cpu, cuda, cuda:N or simt (the CUDA kernels' sources on the CPU: slow)");
  sub->add_option("--fusion", args->fusion, "on; off: plain operators, slower, the same but for rounding");
  sub->add_option("--conv", args->conv,
                  "3x3x3 convolutions on the CPU: auto (the fastest), direct, winograd or amx "
                  "(wherever they can run)");
  sub->add_option("--threads", args->threads, "CPU threads; 0: every core. Never changes the result");
  sub->callback([args] { predict(*args); });
}

}  // namespace vox

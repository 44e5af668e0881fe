#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <set>
#include <span>

#include "data/cases/edition.h"
#include "engine/atomic_file.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tools/interchange/onnx_model.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/export_description.h"
#include "tools/verbs/network_options.h"
#include "tools/verbs/window_options.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct ExportArgs {
  fs::path model;
  fs::path output;
  std::string to = "onnx";
  int opset = kUsualOpset;
  std::string instance_norm = "means";
  WindowArgs windows;
  bool mirror = false;
  std::string labels = "auto";
  fs::path postprocess;
  std::set<std::string> given;  ///< options that stood on the command line, by their JSON names
};

/// What a checkpoint says of the preparation of its input.
Metadata recipe_entries(const fs::path& checkpoint) {
  Metadata recipe;
  const CheckpointFile file(checkpoint);
  for (const auto& [key, value] : file.metadata()) {
    if (key == "recipe" || key.starts_with("recipe_")) { recipe[key] = value; }
  }
  return recipe;
}

fs::path description_of(fs::path model) { return model.replace_extension(".json"); }

void export_onnx(const ExportArgs& args, const Segmenter& segmenter) {
  const fs::path described = description_of(args.output);
  CaseRules rules{.windows = windows_of(args.windows, segmenter),
                  .mirror = args.mirror,
                  .labels = labels_option(args.labels),
                  .postprocess = {}};
  if (!args.postprocess.empty()) { rules.postprocess = read_postprocess_rules(args.postprocess); }
  Json description = case_description(segmenter, rules);
  description["model"] = args.output.filename().string();
  description["opset"] = args.opset;
  description["made_by"] = "voxgrad " + std::string(version());
  Metadata metadata = recipe_entries(segmenter.file());
  metadata["unet"] = to_json(segmenter.config());
  metadata["extents_divisible_by"] = std::to_string(size_divisor(segmenter.config()));
  const std::string model =
      onnx_model(segmenter.network(),
                 {.opset = args.opset,
                  .version = std::string(version()),
                  .metadata = metadata,
                  .instance_norm = args.instance_norm == "one" ? OnnxInstanceNorm::one : OnnxInstanceNorm::means});
  const std::string text = json_text(description, 2) + "\n";
  AtomicFile description_file(described);
  AtomicFile model_file(args.output);
  description_file.write(std::as_bytes(std::span(text)));
  model_file.write(std::as_bytes(std::span(model)));
  description_file.commit();  // first: no model that a program finds lacks it
  model_file.commit();
  fmt::print(
      "{}: opset {}, {:.1f} MiB; extents of its input are multiples of {}\n{}: how cases are prepared and "
      "its output is used\n",
      args.output.string(), args.opset, static_cast<double>(model.size()) / 0x1p20, size_divisor(segmenter.config()),
      described.string());
}

void export_safetensors(const ExportArgs& args, const Segmenter& segmenter) {
  save_checkpoint(args.output, segmenter.network(), nullptr, recipe_entries(segmenter.file()));
  fmt::print("{}: {} tensors of {}, no optimiser\n", args.output.string(),
             segmenter.network().parameters().size() + segmenter.network().buffers().size(), segmenter.config().preset);
}

/// What stands on the command line must be of use for the kind of file.
void check_options_of(const ExportArgs& args) {
  const std::string ending = args.to == "onnx" ? ".onnx" : ".safetensors";
  VOX_CHECK(args.output.extension() == ending, "-o {}: --to {} wants a name that ends in {}", args.output.string(),
            args.to, ending);
  static const std::set<std::string> of_both{"model", "output", "to", "config", "set"};
  for (const std::string& option : args.given) {
    VOX_CHECK(args.to == "onnx" || of_both.contains(option),
              "--to safetensors takes no --{}: a file of weights has no "
              "room for it",
              option);
  }
}

void export_model(const ExportArgs& args) {
  check_options_of(args);
  const Segmenter segmenter(args.model);
  fmt::print("{}: {}\n{}\n", segmenter.file().string(), text_of(segmenter.config()), recipe_text(segmenter.recipe()));
  if (args.to == "onnx") {
    export_onnx(args, segmenter);
  } else {
    export_safetensors(args, segmenter);
  }
}

}  // namespace

void add_export(Command app) {
  const Command sub = app.command("export", "Write a trained network as other tools read it: ONNX or safetensors");
  const auto args = std::make_shared<ExportArgs>();
  sub.option("-m,--model", args->model, "run folder, or a checkpoint").required();
  sub.option("-o,--output", args->output, "FILE.onnx, beside which FILE.json is written, or FILE.safetensors")
      .required();
  sub.option("--to", args->to,
             "onnx: the network with softmax or sigmoids, and a description of all that predict does around it; "
             "safetensors: weights alone, as PyTorch names them")
      .one_of({"onnx", "safetensors"});
  sub.option("--opset", args->opset, "of ONNX").range(kOldestOpset, kNewestOpset);
  sub.option("--instance-norm", args->instance_norm,
             "means: as means along one axis at a time; one: as ONNX's operator, in which runtimes may lose digits")
      .one_of({"means", "one"});
  add_window_options(sub, args->windows);
  sub.flag("--mirror", args->mirror, "described: mean over the eight mirror images");
  sub.option("--labels", args->labels,
             "described: edition whose numbers are written: " + convention_names() + "; auto: by the images' names");
  sub.option("--postprocess", args->postprocess, "described: rules of voxgrad tune, or of your own, as JSON")
      .type_name("FILE.json");
  sub.run([sub, args] {
    args->given = given_options(sub);
    export_model(*args);
  });
}

}  // namespace vox

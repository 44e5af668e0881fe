#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "engine/atomic_file.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tools/interchange/keras_weights.h"
#include "tools/interchange/nnunet_plan.h"
#include "tools/interchange/weights_of_file.h"
#include "tools/run/preset_options.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/network_options.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct ImportArgs {
  std::string from;
  fs::path file;
  fs::path output;
  TrainOptions network;  ///< the options of a network, and targets
  std::set<std::string> given;
  std::string recipe;
  std::int64_t size = 128;
  std::string spacing_mm = "1,1,1";
  std::string modalities;
  std::vector<std::int64_t> patch;
  NnunetFiles nnunet{.plans = {}, .dataset = {}, .modalities = {}};
  std::string labels = "msd";
};

/// A network, and how its input is prepared.
struct Imported {
  UNet3d net;
  Recipe recipe;
  Extents patch{};  ///< of native cases
};

Extents patch_of(const ImportArgs& args, const UNetConfig& config, Extents patch) {
  if (!args.patch.empty()) {
    VOX_CHECK(args.patch.size() == 1 || args.patch.size() == 3, "--patch has {} numbers, wants one or three (D,H,W)",
              args.patch.size());
    for (std::size_t a = 0; a < patch.size(); ++a) { patch[a] = args.patch[args.patch.size() == 1 ? 0 : a]; }
  }
  const std::int64_t divisor = size_divisor(config);
  VOX_CHECK(std::ranges::all_of(patch, [&](std::int64_t n) { return n >= divisor && n % divisor == 0; }),
            "--patch is {}, wants multiples of {}, for {} levels", fmt::join(patch, ","), divisor,
            config.widths.size());
  return patch;
}

/// As the options say, or as the preset was meant: the tutorial's crop, the seed's cube, patches of native cases.
Recipe recipe_of(const ImportArgs& args, const UNetConfig& config) {
  const bool patches = config.preset == "nnunet" || config.preset == "best";
  const std::string usual = config.preset == "tutorial" ? "tutorial" : patches ? "native" : "seed";
  Recipe recipe = recipe_named(args.recipe.empty() ? usual : args.recipe, args.size);
  if (!is_cube(recipe)) { recipe.spacing_mm = spacing_named(args.spacing_mm); }
  if (!args.modalities.empty()) { recipe.modalities = modalities_listed(args.modalities); }
  const auto channels = std::ssize(recipe.modalities);
  VOX_CHECK(channels == config.in_channels,
            "--recipe {}: {} modalities ({}) for a network with {} channels; --modalities says which they are",
            name(recipe.kind), channels, modality_list(recipe.modalities), config.in_channels);
  const std::int64_t divisor = size_divisor(config);
  VOX_CHECK(!is_cube(recipe) || recipe.size % divisor == 0, "--size is {}, wants a multiple of {}, for {} levels",
            recipe.size, divisor, config.widths.size());
  return recipe;
}

Imported with_recipe(UNet3d net, const ImportArgs& args) {
  const TrainOptions training = args.network;
  const std::int64_t usual = training.patch.size() == 1 && training.patch.front() > 0 ? training.patch.front() : 128;
  Imported i{.net = std::move(net), .recipe = {}};
  i.recipe = recipe_of(args, i.net.config());
  if (!is_cube(i.recipe)) { i.patch = patch_of(args, i.net.config(), cube(usual)); }
  return i;
}

UNetConfig config_of(const ImportArgs& args) {
  UNetConfig c = unet_config(args.network);
  if (!args.modalities.empty()) { c.in_channels = std::ssize(modalities_listed(args.modalities)); }
  return c;
}

Imported from_torch(const ImportArgs& args) {
  const SafetensorsFile file = open_weights(args.file, "w.get('state_dict', w)");
  UNet3d net(config_of(args), DType::f32, kNoWeights);
  take_torch_weights(net, args.file, file);
  return with_recipe(std::move(net), args);
}

Imported from_keras(const ImportArgs& args) {
  const KerasModel model = read_keras(args.file);
  UNet3d net(keras_config(config_of(args), model, args.file), DType::f32, kNoWeights);
  take_keras_weights(net, model, args.file);
  return with_recipe(std::move(net), args);
}

Imported from_nnunet(const ImportArgs& args) {
  VOX_CHECK(!args.nnunet.plans.empty(), "--from nnunet wants --plans, nnU-Net's plans.json");
  NnunetFiles files = args.nnunet;
  if (files.dataset.empty()) { files.dataset = files.plans.parent_path() / "dataset.json"; }
  const auto convention = convention_named(args.labels);
  VOX_CHECK(convention, "--labels is {}, wants one of {}", args.labels, convention_names());
  files.labels = *convention;
  files.modalities = modalities_listed(args.modalities);
  const NnunetPlan plan = read_nnunet_plan(files);
  const SafetensorsFile file = open_weights(args.file, "w['network_weights']");
  UNet3d net(plan.config, DType::f32, kNoWeights);
  take_nnunet_weights(net, plan, args.file, file);
  return {.net = std::move(net), .recipe = plan.recipe, .patch = patch_of(args, plan.config, plan.patch)};
}

/// What stands on the command line and is not for this kind of file.
void check_options_of(const ImportArgs& args) {
  static const std::set<std::string> network{"preset", "widths",      "norm",        "norm_bias", "negative_slope",
                                             "down",   "supervision", "block_order", "init",      "targets",
                                             "recipe", "size",        "spacing_mm"};
  static const std::set<std::string> nnunet{"plans", "dataset", "configuration", "labels"};
  const bool plans = args.from == "nnunet";
  for (const std::string& option : plans ? network : nnunet) {
    VOX_CHECK(!args.given.contains(option), "--from {} takes no --{}{}", args.from, option,
              plans ? ": plans.json and dataset.json say it" : "");
  }
}

Metadata recipe_entries(const Imported& i) {
  Metadata all{{"recipe", std::string(name(i.recipe.kind))},
               {"recipe_size", std::to_string(i.recipe.size)},
               {"recipe_modalities", modality_list(i.recipe.modalities)}};
  if (!is_cube(i.recipe)) {
    all["recipe_spacing_mm"] = spacing_text(i.recipe.spacing_mm);
    all["recipe_patch"] = fmt::format("{}", fmt::join(i.patch, ","));
  }
  return all;
}

void import_model(const ImportArgs& args) {
  check_options_of(args);
  const Imported i = args.from == "torch"   ? from_torch(args)
                     : args.from == "keras" ? from_keras(args)
                                            : from_nnunet(args);
  fs::path file = args.output;
  if (file.extension() != ".safetensors") {
    make_folders(file);
    file /= "best.safetensors";
  }
  Metadata metadata = recipe_entries(i);
  metadata["imported_from"] = args.from;
  save_checkpoint(file, i.net, nullptr, metadata);
  fmt::print("{}\n{}{}\n{}: {} parameters\n", text_of(i.net.config()), recipe_text(i.recipe),
             is_cube(i.recipe) ? "" : fmt::format(", windows of {}", extents_text(i.patch)), file.string(),
             i.net.parameter_count());
}

}  // namespace

void add_import(Command app) {
  const Command sub =
      app.command("import", "Take over weights of PyTorch, Keras or nnU-Net for predict, train and export");
  const auto args = std::make_shared<ImportArgs>();
  sub.option("FILE", args->file,
             "torch, nnunet: FILE.safetensors, a state dict; keras: FILE.h5 of save_weights() or save()")
      .required();
  sub.option("--from", args->from, "torch (our module's names), keras (the tutorial's layers) or nnunet (version 2)")
      .one_of({"torch", "keras", "nnunet"})
      .required();
  sub.option("-o,--output", args->output, "FILE.safetensors, or a folder for best.safetensors").required();
  add_network_options(sub, args->network);
  sub.option("--targets", args->network.targets, "classes or regions");
  sub.option("--recipe", args->recipe, "how the network's input is prepared: tutorial, seed, zscore or native")
      .default_text("as the preset was meant");
  sub.option("--size", args->size, "edge of the prepared cube in voxels; not of native");
  sub.option("--spacing-mm", args->spacing_mm, "native: voxel edge along D,H,W, or one for all; keep: each case's own");
  sub.option("--modalities", args->modalities, "the network's channels in order, such as flair,t1ce,t2")
      .default_text("the recipe's");
  sub.option("--patch", args->patch, "native: windows that cases go through by, voxels along D,H,W, or one for all")
      .delimiter(',')
      .default_text("the preset's, or the plans'");
  sub.option("--plans", args->nnunet.plans, "nnunet: plans.json").type_name("FILE.json");
  sub.option("--dataset", args->nnunet.dataset, "nnunet: dataset.json, with channels and labels")
      .type_name("FILE.json")
      .default_text("beside plans.json");
  sub.option("--configuration", args->nnunet.configuration, "nnunet: which of the plans");
  sub.option("--labels", args->labels, "nnunet: what the numbers in dataset.json stand for: " + convention_names());
  sub.run([sub, args] {
    args->given = given_options(sub);
    args->network = apply_preset(args->network, args->given).options;
    import_model(*args);
  });
}

}  // namespace vox

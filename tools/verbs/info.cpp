#include <filesystem>
#include <memory>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "model/summary.h"
#include "tools/run/preset_options.h"
#include "tools/run/segmenter.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/network_options.h"

namespace vox {
namespace {

struct InfoArgs {
  TrainOptions network;  ///< the options of a network, and targets
  std::filesystem::path model;
  std::int64_t size = 128;
  std::int64_t batch = 1;
  std::string dtype = "f32";
  bool json = false;
};

constexpr double kMiB = 0x1p20;

UNetConfig config_of(const InfoArgs& args) {
  return args.model.empty() ? unet_config(args.network) : Segmenter(args.model).config();
}

void info(const InfoArgs& args) {
  const UNetConfig config = config_of(args);
  check_network_size(args.size, args.batch, config);
  const DType dtype = dtype_named(args.dtype);
  const std::vector<LayerCost> layers = unet_summary(config, args.batch, args.size, dtype);
  std::int64_t parameters = 0;
  double flop = 0;
  std::int64_t bytes = 0;
  Json rows = Json::array();
  if (!args.json) {
    fmt::print("{}\n\n", text_of(config));
    fmt::print("{:<20} {:<20} {:>22} {:>12} {:>12} {:>12}\n", "layer", "kind", "output [N,C,D,H,W]", "parameters",
               "GFLOP", "output MiB");
  }
  for (const LayerCost& l : layers) {
    parameters += l.parameters;
    flop += l.forward_flop;
    bytes += l.output_bytes;
    if (args.json) {
      rows.push_back({{"layer", l.name},
                      {"kind", l.kind},
                      {"output", std::vector<std::int64_t>(l.output.extents().begin(), l.output.extents().end())},
                      {"parameters", l.parameters},
                      {"forward_flop", l.forward_flop},
                      {"output_bytes", l.output_bytes}});
    } else {
      fmt::print("{:<20} {:<20} {:>22} {:>12} {:>12.3f} {:>12.1f}\n", l.name, l.kind, l.output.str(), l.parameters,
                 l.forward_flop / 1e9, static_cast<double>(l.output_bytes) / kMiB);
    }
  }
  if (args.json) {
    const Json all{{"preset", config.preset},  {"network", Json::parse(to_json(config))},
                   {"batch", args.batch},      {"size", args.size},
                   {"parameters", parameters}, {"forward_flop", flop},
                   {"output_bytes", bytes},    {"layers", rows}};
    fmt::print("{}\n", json_text(all, 2));
    return;
  }
  const double parameter_bytes = static_cast<double>(parameters) * static_cast<double>(size_of(accumulator(dtype)));
  fmt::print("\n{} parameters ({:.1f} MiB; {:.1f} MiB with gradients and Adam's moments)\n", parameters,
             parameter_bytes / kMiB, 4 * parameter_bytes / kMiB);
  fmt::print("forward {:.1f} GFLOP, training step about {:.1f} GFLOP (multiplies and adds of the direct form)\n",
             flop / 1e9, 3 * flop / 1e9);
  fmt::print("outputs of all layers {:.1f} MiB in {}\n", static_cast<double>(bytes) / kMiB, name(dtype));
}

}  // namespace

void add_info(Command app) {
  const Command sub = app.command("info", "Layers, shapes, parameters, FLOPs and memory of the network");
  const auto args = std::make_shared<InfoArgs>();
  add_network_options(sub, args->network);
  sub.option("--targets", args->network.targets, "classes or regions");
  sub.option("-m,--model", args->model, "a run folder or a checkpoint instead of a preset");
  sub.option("--size", args->size, "edge of the input cube in voxels, a multiple of 16 (2^(levels - 1))");
  sub.option("--batch", args->batch, "cases");
  sub.option("--dtype", args->dtype, "storage of activations: f32, bf16 or f64");
  sub.flag("--json", args->json, "as JSON");
  sub.run([sub, args] {
    args->network = apply_preset(args->network, given_options(sub)).options;
    info(*args);
  });
}

}  // namespace vox

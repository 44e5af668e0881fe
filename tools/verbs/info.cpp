#include <filesystem>
#include <memory>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "model/summary.h"
#include "tools/run/segmenter.h"
#include "tools/run/train_options.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

struct InfoArgs {
  std::string preset = "seed";
  std::filesystem::path model;
  std::vector<std::int64_t> widths;
  std::int64_t size = 128;
  std::int64_t batch = 1;
  std::string dtype = "f32";
  bool json = false;
};

constexpr double kMiB = 0x1p20;

UNetConfig config_of(const InfoArgs& args) {
  if (!args.model.empty()) { return Segmenter(args.model).config(); }
  UNetConfig c = unet_preset(args.preset);
  if (!args.widths.empty()) { std::ranges::copy(args.widths, c.widths.begin()); }
  return c;
}

void info(const InfoArgs& args) {
  check_network_size(args.size, args.batch, args.widths);
  const UNetConfig config = config_of(args);
  const DType dtype = dtype_named(args.dtype);
  const std::vector<LayerCost> layers = unet_summary(config, args.batch, args.size, dtype);
  std::int64_t parameters = 0;
  double flop = 0;
  std::int64_t bytes = 0;
  Json rows = Json::array();
  if (!args.json) {
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
    const Json all{{"preset", config.preset}, {"batch", args.batch},   {"size", args.size}, {"parameters", parameters},
                   {"forward_flop", flop},    {"output_bytes", bytes}, {"layers", rows}};
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
  sub.option("--preset", args->preset, "seed or tutorial");
  sub.option("-m,--model", args->model, "a run folder or a checkpoint instead of a preset");
  sub.option("--widths", args->widths, "channels of the five levels; default: the preset's").expected(5);
  sub.option("--size", args->size, "edge of the input cube in voxels, a multiple of 16");
  sub.option("--batch", args->batch, "cases");
  sub.option("--dtype", args->dtype, "storage of activations: f32, bf16 or f64");
  sub.flag("--json", args->json, "as JSON");
  sub.run([args] { info(*args); });
}

}  // namespace vox

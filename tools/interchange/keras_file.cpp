// The layers of a file of Keras, in its three layouts.
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "engine/json.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "tools/interchange/confined.h"
#include "tools/interchange/hdf5_library.h"
#include "tools/interchange/keras_bytes.h"
#include "tools/interchange/keras_weights.h"

namespace vox {
namespace {

namespace fs = std::filesystem;
using Kind = KerasLayer::Kind;

constexpr std::size_t kMostBytes = std::size_t{1} << 36U;  // of a file
// What reading one may take: 516 numbers for each byte, twice, and what the library needs for itself.
constexpr std::size_t kOfEachByte = std::size_t{516} * 2 * sizeof(float) + 4;
constexpr std::size_t kOfLibrary = std::size_t{1} << 28U;

std::string shape_text(const Hdf5File::Values& v) { return fmt::format("{}", fmt::join(v.shape, "x")); }

/// Takes a layer for what its weights are.
KerasLayer layer_of(const std::string& name, std::vector<Hdf5File::Values> weights, const fs::path& path) {
  KerasLayer layer{.kind = Kind::conv, .name = name, .weights = std::move(weights)};
  const auto rank = [&](std::size_t i) { return layer.weights[i].shape.size(); };
  const auto& kernel = layer.weights.front().shape;
  if (layer.weights.size() <= 2 && kernel.size() == 5 && (layer.weights.size() == 1 || rank(1) == 1)) {
    layer.kind = std::all_of(kernel.begin(), kernel.begin() + 3, [](auto n) { return n == 2; }) ? Kind::up : Kind::conv;
    return layer;
  }
  if (layer.weights.size() == 4 && rank(0) == 1 && rank(1) == 1 && rank(2) == 1 && rank(3) == 1) {
    layer.kind = Kind::batch_norm;
    return layer;
  }
  VOX_FAIL_DATA("{}: layer '{}' has {} weights, the first of {}: the network has no such layer", path.string(), name,
                layer.weights.size(), shape_text(layer.weights.front()));
}

/// Keras 2, and 3 for files called .h5: groups of layers in the order of the model, each with the names of its weights.
std::vector<KerasLayer> named_layers(const Hdf5File& file, const std::string& root) {
  std::vector<KerasLayer> layers;
  const std::string start = root.empty() ? "" : root + "/";
  for (const std::string& name : file.strings(root, "layer_names")) {
    std::vector<Hdf5File::Values> weights;
    const std::string group = start + name;
    if (!file.has_attribute(group, "weight_names")) { continue; }
    for (const std::string& weight : file.strings(group, "weight_names")) {
      weights.push_back(file.read(group + "/" + weight));
    }
    if (!weights.empty()) { layers.push_back(layer_of(name, std::move(weights), file.path())); }
  }
  return layers;
}

/// "conv3d_12" -> "conv3d", 12; "conv3d" -> "conv3d", 0.
std::pair<std::string, int> numbered(const std::string& name) {
  const std::size_t bar = name.rfind('_');
  int number = 0;
  if (bar != std::string::npos) {
    const auto [end, error] = std::from_chars(name.data() + bar + 1, name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) { return {name.substr(0, bar), number}; }
  }
  return {name, 0};
}

/// Keras 3: groups called by class and number, conv3d, conv3d_1, ..., with weights called 0, 1, ...
std::vector<KerasLayer> numbered_layers(const Hdf5File& file, const std::string& root) {
  std::vector<std::string> names = file.members(root);
  std::ranges::sort(names, {}, numbered);
  std::vector<KerasLayer> layers;
  for (const std::string& name : names) {
    const std::string vars = root + "/" + name + "/vars";
    if (!file.has(vars)) { continue; }
    std::vector<Hdf5File::Values> weights;
    for (std::size_t i = 0; file.has(fmt::format("{}/{}", vars, i)); ++i) {
      weights.push_back(file.read(fmt::format("{}/{}", vars, i)));
    }
    if (!weights.empty()) { layers.push_back(layer_of(name, std::move(weights), file.path())); }
  }
  return layers;
}

/// What the description of a whole model adds: batch norm's epsilon. Refuses an order of layers that ours has not.
void read_description(KerasModel& model, const std::string& text, const fs::path& path) {
  const bool norms = std::ranges::any_of(model.layers, [](const KerasLayer& l) { return l.kind == Kind::batch_norm; });
  if (!norms) { return; }
  try {
    const Json description = Json::parse(text);
    for (const Json& layer : description.at("config").at("layers")) {
      const auto name = layer.at("class_name").get<std::string>();
      const Json& config = layer.at("config");
      if (name == "BatchNormalization") { model.norm_eps = config.at("epsilon").get<double>(); }
      const bool kernel3 = name == "Conv3D" && config.at("kernel_size").at(0).get<int>() == 3;
      VOX_CHECK_DATA(!kernel3 || config.value("activation", "linear") == "linear",
                     "{}: layer '{}' has activation {} in front of batch norm; the network wants convolution, batch "
                     "norm, ReLU",
                     path.string(), config.value("name", "?"), config.value("activation", "linear"));
    }
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: model_config is damaged: {}", path.string(), e.what()); }
}

}  // namespace

KerasModel keras_of_file(const fs::path& path, std::string bytes) {
  const Hdf5File file(path, std::move(bytes));
  KerasModel model;
  if (file.has_attribute("", "layer_names")) {
    model.layers = named_layers(file, "");
  } else if (file.has("model_weights") && file.has_attribute("model_weights", "layer_names")) {
    model.layers = named_layers(file, "model_weights");
  } else if (file.has("layers")) {
    model.layers = numbered_layers(file, "layers");
  } else {
    VOX_FAIL_DATA("{}: is no file of Keras' weights: its root has neither layer_names nor model_weights nor layers",
                  path.string());
  }
  VOX_CHECK_DATA(!model.layers.empty(), "{}: no layer has weights", path.string());
  if (file.has_attribute("", "model_config")) { read_description(model, file.strings("", "model_config").at(0), path); }
  return model;
}

KerasModel read_keras(const fs::path& path) {
  // Read here and not by the library, which takes a disk's error for a damaged file, and crashes where close() fails.
  std::string bytes = read_regular(path, kMostBytes);
  VOX_CHECK_DATA(!bytes.starts_with("PK"),
                 "{}: is an archive, as Keras 3 writes .keras; wants the weights alone: model.save_weights("
                 "'NAME.weights.h5')",
                 path.string());
  const Confinement c{.prepare = [] { static_cast<void>(hdf5_library()); },
                      .what = fmt::format("{}: HDF5's library, which reads it", path.string()),
                      .most_bytes = kOfLibrary + bytes.size() * kOfEachByte};
  const auto work = [&] { return to_bytes(keras_of_file(path, std::move(bytes))); };
  return keras_of_bytes(confined(c, work), c.what);
}

}  // namespace vox

#include "tools/interchange/keras_weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;
using Kind = KerasLayer::Kind;
using Extents5 = std::vector<std::int64_t>;

/// A layer of ours: "encoder.0.conv1", "up.0", "encoder.0.norm1".
struct OurLayer {
  Kind kind;
  std::string name;
};

std::vector<OurLayer> our_layers(const UNetConfig& c) {
  std::vector<OurLayer> all;
  const auto block = [&](const std::string& name) {
    for (int i = 1; i <= 2; ++i) {
      all.push_back({Kind::conv, fmt::format("{}.conv{}", name, i)});
      if (c.norm == Norm::batch) { all.push_back({Kind::batch_norm, fmt::format("{}.norm{}", name, i)}); }
    }
  };
  const std::size_t levels = c.widths.size();
  for (std::size_t l = 0; l < levels; ++l) { block(l + 1 < levels ? fmt::format("encoder.{}", l) : "bottleneck"); }
  for (std::size_t i = 0; i + 1 < levels; ++i) {
    all.push_back({Kind::up, fmt::format("up.{}", i)});
    block(fmt::format("decoder.{}", i));
  }
  all.push_back({Kind::conv, "head"});
  return all;
}

std::vector<std::string> tensors_of(const OurLayer& layer, const std::map<std::string, Tensor>& net) {
  std::vector<std::string> names;
  const auto parts = layer.kind == Kind::batch_norm
                         ? std::vector<const char*>{"weight", "bias", "running_mean", "running_var"}
                         : std::vector<const char*>{"weight", "bias"};
  for (const char* const part : parts) {
    const std::string name = fmt::format("{}.{}", layer.name, part);
    if (net.contains(name)) { names.push_back(name); }
  }
  return names;
}

/// The shape that Keras gives a tensor of ours: kernels have their taps first, and the other two axes change places.
Extents5 keras_shape(const Shape& ours) {
  const auto e = ours.extents();
  if (e.size() != 5) { return {e.begin(), e.end()}; }
  return {e[2], e[3], e[4], e[1], e[0]};
}

/// Keras' [kd,kh,kw,b,a] as our [a,b,kd,kh,kw].
Tensor turned(const Hdf5File::Values& from, const Shape& shape) {
  Tensor to(shape, DType::f32);
  const auto values = to.mutable_values<float>();
  if (shape.rank() != 5) {
    std::ranges::copy(from.values, values.begin());
    return to;
  }
  const auto taps = static_cast<std::size_t>(shape.voxels());
  const auto pairs = static_cast<std::size_t>(shape[0] * shape[1]);
  const auto second = static_cast<std::size_t>(shape[1]);
  const auto first = static_cast<std::size_t>(shape[0]);
  for (std::size_t t = 0; t < taps; ++t) {
    for (std::size_t a = 0; a < first; ++a) {
      for (std::size_t b = 0; b < second; ++b) {
        values[(a * second + b) * taps + t] = from.values[t * pairs + b * first + a];
      }
    }
  }
  return to;
}

const char* what(Kind kind) {
  switch (kind) {
    case Kind::conv:
      return "convolution";
    case Kind::up:
      return "transposed convolution of 2x2x2";
    case Kind::batch_norm:
      return "batch norm";
  }
  VOX_FAIL("unknown layer");
}

std::string shapes_text(const std::vector<Extents5>& shapes) {
  std::vector<std::string> all;
  for (const Extents5& s : shapes) { all.push_back(fmt::format("{}", fmt::join(s, "x"))); }
  return fmt::format("{}", fmt::join(all, ", "));
}

void check_values(const Hdf5File::Values& v, const KerasLayer& layer, bool variance, const fs::path& path) {
  const auto bad = std::ranges::find_if_not(v.values, [](float x) { return std::isfinite(x); });
  if (bad != v.values.end()) {
    fail<NonFiniteError>(
        __FILE__, __LINE__,
        fmt::format("{}: layer '{}' holds {}, wants finite numbers of f32", path.string(), layer.name, *bad));
  }
  const bool fine = !variance || std::ranges::all_of(v.values, [](float x) { return x >= 0; });
  VOX_CHECK_DATA(fine, "{}: layer '{}' has a variance below 0", path.string(), layer.name);
}

std::size_t count(const KerasModel& model, Kind kind) {
  return static_cast<std::size_t>(
      std::ranges::count_if(model.layers, [&](const KerasLayer& l) { return l.kind == kind; }));
}

}  // namespace

UNetConfig keras_config(UNetConfig c, const KerasModel& model, const fs::path& path) {
  const bool norms = count(model, Kind::batch_norm) > 0;
  VOX_CHECK_DATA(c.norm != Norm::instance, "{}: of Keras come networks with batch norm or none, not {}", path.string(),
                 text_of(c));
  VOX_CHECK_DATA(norms || c.norm == Norm::none, "{}: has no batch norm; --norm none is the network without",
                 path.string());
  VOX_CHECK_DATA(!norms || c.norm == Norm::batch,
                 "{}: has batch norm; --norm batch takes it for convolution, batch norm, ReLU, which the weights alone "
                 "do not tell",
                 path.string());
  if (norms) {
    c.norm_eps = model.norm_eps;
    const auto first = std::ranges::find(model.layers, Kind::conv, &KerasLayer::kind);
    c.norm_bias = first != model.layers.end() && first->weights.size() == 2;
  }
  return c;
}

void take_keras_weights(UNet3d& net, const KerasModel& model, const fs::path& path) {
  std::map<std::string, Tensor> tensors;
  for (const auto* const all : {&net.parameters(), &net.buffers()}) {
    for (const NamedTensor& t : *all) { tensors.emplace(t.name, t.tensor); }
  }
  std::map<Kind, std::vector<const KerasLayer*>> of_kind;
  for (const KerasLayer& l : model.layers) { of_kind[l.kind].push_back(&l); }
  std::map<Kind, std::size_t> taken;
  std::vector<std::pair<Tensor, Tensor>> moves;  // all are checked before the first changes
  for (const OurLayer& ours : our_layers(net.config())) {
    const auto& same = of_kind[ours.kind];
    const std::vector<std::string> names = tensors_of(ours, tensors);
    std::vector<Extents5> wanted;
    for (const std::string& name : names) { wanted.push_back(keras_shape(tensors.at(name).shape())); }
    const std::size_t i = taken[ours.kind]++;
    VOX_CHECK_DATA(i < same.size(), "{}: has {} layers that are a {}, and none is left for {}, which wants {}",
                   path.string(), same.size(), what(ours.kind), ours.name, shapes_text(wanted));
    const KerasLayer& theirs = *same[i];
    std::vector<Extents5> found;
    for (const Hdf5File::Values& v : theirs.weights) { found.push_back(v.shape); }
    VOX_CHECK_DATA(found == wanted, "{}: layer '{}' is the first that does not fit: it has {}, and {} wants {}",
                   path.string(), theirs.name, shapes_text(found), ours.name, shapes_text(wanted));
    for (std::size_t w = 0; w < names.size(); ++w) {
      check_values(theirs.weights[w], theirs, names[w].ends_with("running_var"), path);
      const Tensor& to = tensors.at(names[w]);
      moves.emplace_back(to, turned(theirs.weights[w], to.shape()));
    }
  }
  for (const auto& [kind, same] : of_kind) {
    VOX_CHECK_DATA(same.size() == taken[kind], "{}: layer '{}' is one more {} than the network has", path.string(),
                   same[std::min(taken[kind], same.size() - 1)]->name, what(kind));
  }
  for (auto& [to, from] : moves) { to.assign(from); }
}

}  // namespace vox

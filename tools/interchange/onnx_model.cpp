#include "tools/interchange/onnx_model.h"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "kernels/base/check.h"
#include "onnx.pb.h"

namespace vox {
namespace {

constexpr int kFloat = 1;  // TensorProto.DataType
constexpr int kInt64 = 7;
constexpr int kFloatValue = 1;  // AttributeProto.AttributeType
constexpr int kIntValue = 2;
constexpr int kIntsValue = 7;

using Ints = std::vector<std::int64_t>;

/// The version of the format that came with an opset (onnx/docs/Versioning.md).
int format_of(int opset) {
  if (opset <= 14) { return 7; }
  if (opset <= 18) { return 8; }
  return opset <= 20 ? 9 : 10;
}

class GraphWriter {
 public:
  GraphWriter(const UNet3d& net, const OnnxOptions& options, onnx::Graph& graph)
      : config_(net.config()), options_(options), graph_(graph) {
    for (const auto* const all : {&net.parameters(), &net.buffers()}) {
      for (const NamedTensor& t : *all) { tensors_.emplace(t.name, t.tensor.to(Device::cpu)); }
    }
  }

  void write() {
    graph_.set_name("unet3d");
    open_volume(*graph_.add_input(), "image", config_.in_channels);
    const std::size_t levels = config_.widths.size();
    std::vector<std::string> skips;
    std::string x = "image";
    for (std::size_t l = 0; l < levels; ++l) {
      const std::string name = l + 1 < levels ? fmt::format("encoder.{}", l) : "bottleneck";
      const bool strided = l > 0 && config_.down == Down::strided_conv;
      x = block(name, x, strided ? 2 : 1);
      if (l + 1 == levels) { break; }
      skips.push_back(x);
      if (config_.down == Down::max_pool) {
        x = node("MaxPool", name + ".pool", {x}, {ints("kernel_shape", {2, 2, 2}), ints("strides", {2, 2, 2})});
      }
    }
    for (std::size_t i = 0; i + 1 < levels; ++i) {
      const std::string up = fmt::format("up.{}", i);
      const std::string name = fmt::format("decoder.{}", i);
      x = node("ConvTranspose", up, {x, tensor(up + ".weight"), tensor(up + ".bias")},
               {ints("kernel_shape", {2, 2, 2}), ints("strides", {2, 2, 2})});
      x = node("Concat", name + ".concat", {x, skips[levels - 2 - i]}, {integer("axis", 1)});
      x = block(name, x, 1);
    }
    const Ints ones{1, 1, 1};
    node("Conv", "head", {x, tensor("head.weight"), tensor("head.bias")}, {ints("kernel_shape", ones)}, "logits");
    if (config_.targets == Targets::regions) {
      node("Sigmoid", "sigmoid", {"logits"}, {}, "probabilities");
    } else {
      node("Softmax", "softmax", {"logits"}, {integer("axis", 1)}, "probabilities");
    }
    open_volume(*graph_.add_output(), "probabilities", config_.classes);
    open_volume(*graph_.add_output(), "logits", config_.classes);
  }

 private:
  using Attributes = std::vector<onnx::Attribute>;

  static onnx::Attribute ints(const char* name, const Ints& values) {
    onnx::Attribute a;
    a.set_name(name);
    a.set_type(kIntsValue);
    for (const std::int64_t v : values) { a.add_ints(v); }
    return a;
  }
  static onnx::Attribute integer(const char* name, std::int64_t value) {
    onnx::Attribute a;
    a.set_name(name);
    a.set_type(kIntValue);
    a.set_i(value);
    return a;
  }
  static onnx::Attribute number(const char* name, double value) {
    onnx::Attribute a;
    a.set_name(name);
    a.set_type(kFloatValue);
    a.set_f(static_cast<float>(value));
    return a;
  }

  /// [batch, channels, depth, height, width], all but the channels open.
  static void open_volume(onnx::ValueInfo& value, const char* name, std::int64_t channels) {
    value.set_name(name);
    onnx::Type::OfTensor& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(kFloat);
    for (const char* const axis : {"batch", "", "depth", "height", "width"}) {
      onnx::TensorShape::Dimension& d = *type.mutable_shape()->add_dim();
      if (*axis == '\0') {
        d.set_dim_value(channels);
      } else {
        d.set_dim_param(axis);
      }
    }
  }

  /// Adds a node, named like its result unless that is to be called otherwise. Returns the result's name.
  std::string node(const char* op, const std::string& name, const std::vector<std::string>& inputs,
                   const Attributes& attributes, const std::string& output = {}) {
    onnx::Node& n = *graph_.add_node();
    n.set_op_type(op);
    n.set_name(name);
    for (const std::string& input : inputs) { n.add_input(input); }
    n.add_output(output.empty() ? name : output);
    for (const onnx::Attribute& a : attributes) { *n.add_attribute() = a; }
    return n.output(0);
  }

  std::string stored(const std::string& name, int type, const Ints& shape, std::span<const std::byte> bytes) {
    onnx::Tensor& t = *graph_.add_initializer();
    for (const std::int64_t n : shape) { t.add_dims(n); }
    t.set_data_type(type);
    t.set_name(name);
    t.set_raw_data(bytes.data(), bytes.size());
    return name;
  }

  /// Adds a parameter or a statistic, with axes of one element behind its own. Returns its name.
  std::string tensor(const std::string& name, std::size_t more_axes = 0) {
    const Tensor& t = tensors_.at(name);
    Ints shape(t.shape().extents().begin(), t.shape().extents().end());
    shape.resize(shape.size() + more_axes, 1);
    return stored(name, kFloat, shape, std::as_bytes(t.values<float>()));
  }

  /// The mean over D, H and W, which stay as axes of one element: along one axis at a time, so that no sum is long.
  std::string mean_of(const std::string& name, std::string x) {
    constexpr int kAxesAreInput = 18;  // the opset since which they are
    for (const std::int64_t axis : {4, 3, 2}) {
      const std::string part = axis == 2 ? name : fmt::format("{}.{}", name, axis);
      const onnx::Attribute keep = integer("keepdims", 1);
      if (options_.opset < kAxesAreInput) {
        x = node("ReduceMean", part, {x}, {ints("axes", {axis}), keep});
        continue;
      }
      const std::string axes = fmt::format("axis.{}", axis);
      if (constants_.insert(axes).second) { stored(axes, kInt64, {1}, std::as_bytes(std::span(&axis, 1))); }
      x = node("ReduceMean", part, {x, axes}, {keep});
    }
    return x;
  }

  /// gamma (x - mean) / sqrt(variance + eps) + beta
  std::string instance_norm(const std::string& norm, const std::string& x) {
    if (options_.instance_norm == OnnxInstanceNorm::one) {
      return node("InstanceNormalization", norm, {x, tensor(norm + ".weight"), tensor(norm + ".bias")},
                  {number("epsilon", config_.norm_eps)});
    }
    const auto eps = static_cast<float>(config_.norm_eps);
    if (constants_.insert("eps").second) { stored("eps", kFloat, {}, std::as_bytes(std::span(&eps, 1))); }
    const std::string centred = node("Sub", norm + ".centred", {x, mean_of(norm + ".mean", x)}, {});
    const std::string square = node("Mul", norm + ".square", {centred, centred}, {});
    const std::string variance = node("Add", norm + ".variance_eps", {mean_of(norm + ".variance", square), "eps"}, {});
    const std::string deviation = node("Sqrt", norm + ".deviation", {variance}, {});
    const std::string scale = node("Div", norm + ".scale", {tensor(norm + ".weight", 3), deviation}, {});
    const std::string scaled = node("Mul", norm + ".scaled", {centred, scale}, {});
    return node("Add", norm, {scaled, tensor(norm + ".bias", 3)}, {});
  }

  std::string layer(const std::string& conv, const std::string& norm, const std::string& x, std::int64_t stride) {
    std::vector<std::string> inputs{x, tensor(conv + ".weight")};
    if (tensors_.contains(conv + ".bias")) { inputs.push_back(tensor(conv + ".bias")); }
    std::string y = node(
        "Conv", conv, inputs,
        {ints("kernel_shape", {3, 3, 3}), ints("pads", {1, 1, 1, 1, 1, 1}), ints("strides", {stride, stride, stride})});
    if (config_.norm == Norm::instance) {
      y = instance_norm(norm, y);
    } else if (config_.norm == Norm::batch) {
      y = node("BatchNormalization", norm,
               {y, tensor(norm + ".weight"), tensor(norm + ".bias"), tensor(norm + ".running_mean"),
                tensor(norm + ".running_var")},
               {number("epsilon", config_.norm_eps)});
    }
    if (config_.negative_slope > 0) {
      return node("LeakyRelu", conv + ".relu", {y}, {number("alpha", config_.negative_slope)});
    }
    return node("Relu", conv + ".relu", {y}, {});
  }

  std::string block(const std::string& name, const std::string& x, std::int64_t stride) {
    const std::string y = layer(name + ".conv1", name + ".norm1", x, stride);
    return layer(name + ".conv2", name + ".norm2", y, 1);
  }

  const UNetConfig& config_;
  const OnnxOptions& options_;
  onnx::Graph& graph_;
  std::map<std::string, Tensor> tensors_;
  std::set<std::string> constants_;  ///< that are there
};

}  // namespace

std::string onnx_model(const UNet3d& net, const OnnxOptions& o) {
  VOX_CHECK(o.opset >= kOldestOpset && o.opset <= kNewestOpset, "onnx: opset {}, wants {} to {}", o.opset, kOldestOpset,
            kNewestOpset);
  VOX_CHECK(net.dtype() == DType::f32, "onnx: a network in {}, wants f32", name(net.dtype()));
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  constexpr std::int64_t kBeside = 1 << 20;  // names and attributes
  const auto bytes = net.parameter_count() * static_cast<std::int64_t>(sizeof(float));
  VOX_CHECK(bytes < kMost - kBeside, "onnx: {} parameters take {} bytes, and a file of ONNX holds {}",
            net.parameter_count(), bytes, kMost);
  onnx::Model model;
  model.set_ir_version(format_of(o.opset));
  model.set_producer_name("voxgrad");
  model.set_producer_version(o.version);
  model.set_doc_string(text_of(net.config()));
  onnx::OperatorSet& opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(o.opset);
  for (const auto& [key, value] : o.metadata) {
    onnx::Entry& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  GraphWriter(net, o, *model.mutable_graph()).write();
  return model.SerializeAsString();
}

}  // namespace vox

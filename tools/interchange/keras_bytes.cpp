#include "tools/interchange/keras_bytes.h"

#include <cstring>

#include "kernels/base/check.h"
#include "kernels/base/size_product.h"

namespace vox {
namespace {

class Writer {
 public:
  template <class T> void number(T value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(const std::string& s) {
    number(s.size());
    bytes_ += s;
  }
  void values(const Hdf5File::Values& v) {
    number(v.shape.size());
    for (const std::int64_t extent : v.shape) { number(extent); }
    bytes_.append(reinterpret_cast<const char*>(v.values.data()), v.values.size() * sizeof(float));
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  Reader(std::string_view bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}
  template <class T> T number() {
    T value{};
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::size_t count() {  // of things of a byte and more
    const auto n = number<std::size_t>();
    if (n > bytes_.size()) { damaged(); }
    return n;
  }
  std::string text() { return std::string(take(count())); }
  Hdf5File::Values values() {
    Hdf5File::Values v;
    v.shape.resize(count());
    for (std::int64_t& extent : v.shape) { extent = number<std::int64_t>(); }
    const auto most = static_cast<std::int64_t>(bytes_.size() / sizeof(float));
    const auto n = size_product(v.shape, most);
    if (!n) { damaged(); }
    v.values.resize(static_cast<std::size_t>(*n));
    const std::string_view from = take(v.values.size() * sizeof(float));
    if (!v.values.empty()) { std::memcpy(v.values.data(), from.data(), from.size()); }
    return v;
  }
  void finish() const {
    if (!bytes_.empty()) { damaged(); }
  }
  [[noreturn]] void damaged() const { VOX_FAIL_DATA("{}: gave an answer that is no model", what_); }

 private:
  std::string_view take(std::size_t n) {
    if (n > bytes_.size()) { damaged(); }
    const std::string_view taken = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return taken;
  }

  std::string_view bytes_;
  std::string what_;
};

}  // namespace

std::string to_bytes(const KerasModel& model) {
  Writer to;
  to.number(model.norm_eps);
  to.number(model.layers.size());
  for (const KerasLayer& layer : model.layers) {
    to.number(static_cast<std::uint8_t>(layer.kind));
    to.text(layer.name);
    to.number(layer.weights.size());
    for (const Hdf5File::Values& v : layer.weights) { to.values(v); }
  }
  return to.take();
}

KerasModel keras_of_bytes(std::string_view bytes, const std::string& what) {
  Reader from(bytes, what);
  KerasModel model;
  model.norm_eps = from.number<double>();
  const std::size_t layers = from.count();
  for (std::size_t i = 0; i < layers; ++i) {
    const auto kind = from.number<std::uint8_t>();
    if (kind > static_cast<std::uint8_t>(KerasLayer::Kind::batch_norm)) { from.damaged(); }
    KerasLayer layer{.kind = static_cast<KerasLayer::Kind>(kind), .name = from.text(), .weights = {}};
    const std::size_t weights = from.count();
    for (std::size_t k = 0; k < weights; ++k) { layer.weights.push_back(from.values()); }
    model.layers.push_back(std::move(layer));
  }
  from.finish();
  return model;
}

}  // namespace vox

#include "model/stored_tensor.h"

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

#include "engine/dispatch.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

template <class T, class V>
void check_values(const std::vector<V>& values, const std::string& name, const std::filesystem::path& path) {
  const bool variance = name.ends_with(".running_var") || name.starts_with("adam.v.");
  const double lowest = variance ? 0 : static_cast<double>(std::numeric_limits<T>::lowest());
  const double highest = static_cast<double>(std::numeric_limits<T>::max());
  const auto sound = [&](V v) { return static_cast<double>(v) >= lowest && static_cast<double>(v) <= highest; };
  const auto bad = std::ranges::find_if_not(values, sound);
  if (bad == values.end()) { return; }
  const auto value = static_cast<double>(*bad);
  const bool negative = value < 0 && value >= -highest;
  VOX_CHECK_DATA(!negative, "{}: '{}' holds {}, a variance, wants 0 or more", path.string(), name, value);
  fail<NonFiniteError>(__FILE__, __LINE__,
                       fmt::format("{}: '{}' holds {}, wants finite numbers of {}", path.string(), name, value,
                                   std::is_same_v<T, double> ? "f64" : "f32"));
}

Shape shape_of(const TensorInFile& t) { return Shape{std::span<const std::int64_t>(t.shape)}; }

}  // namespace

std::string text_of(const TensorInFile& t) {
  constexpr std::array kNames{"f32", "f64", "bf16", "u8", "i64"};
  return fmt::format("{} {}", kNames[static_cast<std::size_t>(t.dtype)], shape_of(t).str());
}

Tensor stored_tensor(const SafetensorsFile& file, const std::filesystem::path& path, const std::string& name,
                     const Tensor& like) {
  VOX_CHECK_DATA(file.has(name), "{}: holds no tensor '{}', which the network has", path.string(), name);
  const TensorInFile& stored = file.tensor(name);
  VOX_CHECK_DATA(shape_of(stored) == like.shape(), "{}: '{}' is {}, wants {}", path.string(), name,
                 shape_of(stored).str(), like.shape().str());
  VOX_CHECK_DATA(stored.dtype == FileDType::f32 || stored.dtype == FileDType::f64, "{}: '{}' wants F32 or F64 values",
                 path.string(), name);
  Tensor to(like.shape(), like.dtype());
  dispatch_type(to.dtype(), [&]<class T>(TypeTag<T>) {
    const auto put = [&](const auto& values) {
      check_values<Acc<T>>(values, name, path);
      std::ranges::transform(values, to.mutable_values<T>().begin(),
                             [](auto v) { return store<T>(static_cast<Acc<T>>(v)); });
    };
    if (stored.dtype == FileDType::f64) {
      put(file.read<double>(name));
    } else {
      put(file.read<float>(name));
    }
  });
  return to;
}

}  // namespace vox

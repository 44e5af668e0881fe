#include "engine/samples/sample.h"

#include <numeric>
#include <utility>

#include "kernels/base/check.h"

namespace vox::samples {
namespace {

template <std::size_t... I> std::array<std::vector<Sample>, sizeof...(I)> all_samples(std::index_sequence<I...>) {
  return {make<static_cast<Op>(I)>()...};
}

/// A number per element, the same on every machine.
double random_unit(std::size_t element, std::uint32_t place) {
  return unit(random4({.seed = 1, .step = 0, .place = place}, element).v[0]);
}

std::vector<double> values_of(const Input& in, std::int64_t count) {
  std::vector<double> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (in.draw == Draw::distinct) {
      v[i] = static_cast<double>(i * 101 % 257) / 64.0 - 2;
      continue;
    }
    v[i] = in.low + (in.high - in.low) * random_unit(i, in.place);
    if (in.draw == Draw::off_zero) { v[i] += v[i] < 0 ? -0.125 : 0.125; }
  }
  return v;
}

Tensor labels_of(const Input& in, const Shape& shape, std::int64_t classes) {
  std::vector<std::uint8_t> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<std::uint8_t>(random_unit(i, in.place) * static_cast<double>(classes));
  }
  return Tensor::of<std::uint8_t>(shape, v);
}

}  // namespace

Input volume(std::string_view name, std::uint32_t place, Draw draw) {
  Input in{.name = name, .role = Role::volume, .place = place, .draw = draw};
  if (draw == Draw::probabilities) {
    in.low = 0.1;
    in.high = 0.9;
  }
  return in;
}
Input weight(std::string_view name, Role role) {
  return {.name = name, .role = role, .place = 1, .low = -1, .high = 1};
}
Input vector(std::string_view name, std::uint32_t place, double low, double high) {
  return {.name = name, .role = Role::vector, .place = place, .low = low, .high = high};
}
Input statistics(std::string_view name, std::uint32_t place, double low, double high) {
  Input in = vector(name, place, low, high);
  in.differentiable = false;
  return in;
}
Input labels(std::string_view name) {
  return {.name = name, .role = Role::labels, .place = 9, .differentiable = false};
}
Input optional(Input in) {
  in.optional = true;
  return in;
}

const std::vector<Sample>& of(Op op) {
  static const auto all = all_samples(std::make_index_sequence<static_cast<std::size_t>(Op::count_)>());
  return all.at(static_cast<std::size_t>(op));
}

std::vector<Shape> shapes_of(const Sample& sample, const Size& size) {
  const auto& e = size.extent;
  const std::int64_t all = std::accumulate(size.in.begin(), size.in.end(), std::int64_t{0});
  const std::int64_t k = size.kernel;
  std::vector<Shape> shapes;
  std::size_t volumes = 0;
  for (const Input& in : sample.inputs) {
    switch (in.role) {
      case Role::volume:
        if (volumes < size.in.size()) {
          shapes.push_back({size.batch, size.in[volumes], e[0], e[1], e[2]});
        } else {
          shapes.emplace_back();
        }
        ++volumes;
        break;
      case Role::weight:
        shapes.push_back({size.out, all, k, k, k});
        break;
      case Role::transposed_weight:
        shapes.push_back({all, size.out, k, k, k});
        break;
      case Role::vector:
        shapes.push_back({size.out > 0 ? size.out : size.in.front()});
        break;
      case Role::labels:
        shapes.push_back({size.batch, e[0], e[1], e[2]});
        break;
    }
  }
  return shapes;
}

std::vector<Tensor> small_inputs(const Sample& sample) {
  const std::vector<Shape> shapes = shapes_of(sample, sample.size);
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Input& in = sample.inputs[i];
    if (in.role == Role::labels) {
      inputs.push_back(labels_of(in, shapes[i], sample.size.in.front()));
      continue;
    }
    const std::vector<double> values = values_of(in, shapes[i].count());
    inputs.push_back(in.role == Role::volume ? Tensor::volume_of<double>(shapes[i], values)
                                             : Tensor::of<double>(shapes[i], values));
    if (in.differentiable) { inputs.back().requires_grad(); }
  }
  return inputs;
}

}  // namespace vox::samples

#include "data/loading/intensity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "data/loading/power.h"

namespace vox {
namespace {

struct Statistics {
  double mean = 0;
  double deviation = 0;
  float least = 0;
  float greatest = 0;
};

/// Sums of a channel, of values counted from `origin`, in lanes: the order does not hang on the compiler.
class Sums {
 public:
  static constexpr std::size_t kLanes = 8;

  explicit Sums(float origin) : origin_(origin) {}

  void add(const float* x) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const double v = static_cast<double>(x[l]) - static_cast<double>(origin_);
      sum_[l] += v;
      squares_[l] += v * v;
    }
  }
  void add_one(float x) {
    const double v = static_cast<double>(x) - static_cast<double>(origin_);
    sum_[0] += v;
    squares_[0] += v * v;
  }
  [[nodiscard]] Statistics of(std::size_t n) const {
    double sum = 0;
    double squares = 0;
    for (std::size_t l = 0; l < kLanes; ++l) {
      sum += sum_[l];
      squares += squares_[l];
    }
    const auto count = static_cast<double>(n);
    const double variance = n > 1 ? (squares - sum * sum / count) / (count - 1) : 0;
    return {.mean = static_cast<double>(origin_) + sum / count, .deviation = std::sqrt(std::max(variance, 0.0))};
  }

 private:
  float origin_;
  std::array<double, kLanes> sum_{};
  std::array<double, kLanes> squares_{};
};

Statistics statistics_of(std::span<const float> x) {
  constexpr std::size_t kLanes = Sums::kLanes;
  Sums sums(x.front());
  std::array<float, kLanes> least{};
  std::array<float, kLanes> greatest{};
  least.fill(x.front());
  greatest.fill(x.front());
  std::size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) {
    sums.add(x.data() + i);
    for (std::size_t l = 0; l < kLanes; ++l) {
      least[l] = std::min(least[l], x[i + l]);
      greatest[l] = std::max(greatest[l], x[i + l]);
    }
  }
  for (; i < x.size(); ++i) {
    sums.add_one(x[i]);
    least[0] = std::min(least[0], x[i]);
    greatest[0] = std::max(greatest[0], x[i]);
  }
  Statistics s = sums.of(x.size());
  s.least = std::ranges::min(least);
  s.greatest = std::ranges::max(greatest);
  return s;
}

}  // namespace

void change_brightness(std::span<float> channel, float factor) {
  for (float& x : channel) { x *= factor; }
}

void change_contrast(std::span<float> channel, float factor) {
  if (channel.empty()) { return; }
  const Statistics s = statistics_of(channel);
  const auto mean = static_cast<float>(s.mean);
  const float least = s.least;
  const float greatest = s.greatest;
  for (float& x : channel) { x = std::min(std::max(product(x - mean, factor) + mean, least), greatest); }
}

void change_gamma(std::span<float> channel, float gamma, GammaOf of) {
  if (channel.empty()) { return; }
  constexpr float kLeast = 1e-7F;
  const float sign = of == GammaOf::negated ? -1.0F : 1.0F;
  const Statistics old = statistics_of(channel);
  const float low = of == GammaOf::negated ? -old.greatest : old.least;
  const float range = old.greatest - old.least;
  const float divisor = std::max(range, kLeast);
  const auto changed = [&](float x) { return product(power((product(sign, x) - low) / divisor, gamma), range) + low; };
  Sums sums(low);
  std::size_t i = 0;
  for (; i + Sums::kLanes <= channel.size(); i += Sums::kLanes) {
    float* const x = channel.data() + i;
    for (std::size_t l = 0; l < Sums::kLanes; ++l) { x[l] = changed(x[l]); }
    sums.add(x);
  }
  for (; i < channel.size(); ++i) {
    channel[i] = changed(channel[i]);
    sums.add_one(channel[i]);
  }
  const Statistics now = sums.of(channel.size());
  const auto mean = static_cast<float>(now.mean);
  const auto factor = static_cast<float>(static_cast<double>(sign) * old.deviation /
                                         std::max(now.deviation, static_cast<double>(kLeast)));
  const auto back = static_cast<float>(old.mean);  // of the channel itself: twice negated
  for (float& x : channel) { x = product(x - mean, factor) + back; }
}

}  // namespace vox

#include "model/not_finite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <set>
#include <unordered_map>
#include <utility>

#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/volume.h"
#include "model/train_step.h"

namespace vox {
namespace {

/// What is wrong with a tensor.
struct Found {
  std::int64_t count = 0;  ///< of numbers that are not finite
  std::int64_t first = 0;  ///< in memory
  double value = 0;
  std::set<std::int64_t> samples = {};  ///< where it is a batch
};

Found look_at(const Tensor& t) {
  const Tensor here = t.to(Device::cpu);
  const std::int64_t of_sample =
      here.shape().rank() == 5 && here.shape()[0] > 0 ? here.stored_count() / here.shape()[0] : here.stored_count();
  Found found;
  dispatch_type(here.dtype(), [&]<class T>(TypeTag<T>) {
    const auto values = here.values<T>();
    for (std::int64_t i = 0; i < std::ssize(values); ++i) {
      const auto v = static_cast<double>(load(values[static_cast<std::size_t>(i)]));
      if (std::isfinite(v)) { continue; }
      if (found.count++ == 0) {
        found.first = i;
        found.value = v;
      }
      found.samples.insert(i / of_sample);
    }
  });
  return found;
}

/// "channel 5, voxel 0,3,1" of what lies in memory at i.
std::string place_in_volume(const Shape& s, std::int64_t i) {
  const std::int64_t lane = i % kBlock8;
  const std::int64_t voxel = i / kBlock8 % s.voxels();
  const std::int64_t block = i / kBlock8 / s.voxels() % channel_blocks(s[1]);
  return fmt::format("channel {}, voxel {},{},{}", block * kBlock8 + lane, voxel / (s[3] * s[4]), voxel / s[4] % s[3],
                     voxel % s[4]);
}

class Watch : public TapeListener {
 public:
  Watch(const UNet3d& net, std::span<const MicroBatch> parts, std::span<const std::string> ids,
        std::span<const std::int64_t> places)
      : net_(net), ids_(ids), places_(places) {
    for (const MicroBatch& part : parts) {
      firsts_[&part.images.body()] = first_;
      check(part.images, [] { return std::string("the image"); });
      first_ += part.images.shape()[0];
    }
    for (const NamedTensor& p : net.parameters()) {
      layers_[&p.tensor.body()] = p.name.substr(0, p.name.rfind('.'));
      check(p.tensor, [&] { return fmt::format("the weight {}", p.name); });
    }
    before_ = set_tape_listener(this);
  }
  ~Watch() override { set_tape_listener(before_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  Watch(Watch&&) = delete;
  Watch& operator=(Watch&&) = delete;

  void ran_forward(Op op, const Tensor& y, std::span<const Tensor> inputs, std::uint64_t number) override {
    for (const Tensor& t : inputs) {
      if (!t.defined()) { continue; }
      if (const auto part = firsts_.find(&t.body()); part != firsts_.end()) { first_ = part->second; }
      if (const auto at = layers_.find(&t.body()); at != layers_.end()) { layer_ = at->second; }
    }
    nodes_[number] = {.op = op, .layer = layer_, .first = first_};
    check(y, [&] { return fmt::format("{}: the result of {}", layer_, name(op)); });
  }

  void gradient_arrived(std::uint64_t number, const Tensor& dy) override {
    const Ran& ran = nodes_.at(number);
    first_ = ran.first;
    check(dy,
          [&] { return fmt::format("{}: the gradient that arrives at the result of {}", ran.layer, name(ran.op)); });
  }

  void ran_backward(std::uint64_t) override {}

  void check_gradients() {
    for (const NamedTensor& p : net_.parameters()) {
      if (!p.tensor.grad().defined()) { continue; }
      check(p.tensor.grad(), [&] { return fmt::format("the gradient of the weight {}", p.name); });
    }
  }

  [[nodiscard]] bool found() const { return !text_.empty(); }
  [[nodiscard]] NotFinite result() const { return {.text = text_, .looked = looked_}; }

 private:
  struct Ran {
    Op op;
    std::string layer;
    std::int64_t first;  ///< case of its part
  };

  template <class What> void check(const Tensor& t, const What& what) {
    if (!text_.empty()) { return; }
    const Found found = look_at(t);
    if (found.count == 0) {
      ++looked_;
      return;
    }
    std::string where;
    if (t.layout() == Layout::blocked) {
      std::vector<std::string> cases;
      for (const std::int64_t n : found.samples) {
        const auto at = static_cast<std::size_t>(first_ + n);
        cases.push_back(fmt::format("{} (sample {})", ids_[at], places_.empty() ? first_ + n : places_[at]));
      }
      where = fmt::format(" in case {}, first in {}", fmt::join(cases, ", "), place_in_volume(t.shape(), found.first));
    } else {
      where = fmt::format(" at {}", found.first);
    }
    text_ = fmt::format("{} {} is {}{}; {} of its {} numbers are not finite", what(), t.shape().str(), found.value,
                        where, found.count, t.shape().count());
  }

  const UNet3d& net_;
  std::span<const std::string> ids_;
  std::span<const std::int64_t> places_;
  std::int64_t looked_ = 0;
  TapeListener* before_ = nullptr;
  std::unordered_map<const TensorBody*, std::string> layers_;
  std::unordered_map<const TensorBody*, std::int64_t> firsts_;  ///< place in the batch of an image's first case
  std::unordered_map<std::uint64_t, Ran> nodes_;
  std::string layer_;
  std::int64_t first_ = 0;  ///< of the part that is computed
  std::string text_;
};

}  // namespace

NotFinite first_not_finite(const UNet3d& net, std::span<const MicroBatch> parts, std::span<const std::string> ids,
                           const LossOptions& loss, std::uint64_t seed, std::uint32_t step,
                           std::span<const std::int64_t> places, RankSums* ranks) {
  Watch watch(net, parts, ids, places);
  if (!watch.found() || ranks != nullptr) {
    static_cast<void>(submit_batch(net, parts, loss, seed, step, nullptr, ranks));
    watch.check_gradients();
  }
  for (const NamedTensor& p : net.parameters()) { Tensor(p.tensor).clear_grad(); }
  return watch.result();
}

}  // namespace vox

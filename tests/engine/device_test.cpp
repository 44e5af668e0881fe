#include <fmt/core.h>

#include <algorithm>
#include <random>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/tensor_body.h"
#include "engine/uploader.h"
#include "kernels/cuda/runtime.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"
#include "tools/run/device_confusion.h"

namespace vox::test {
namespace {

/// Padding channels included.
bool same_bytes(const Tensor& there, const Tensor& want) {
  const Tensor here = there.to(Device::cpu);
  const auto bytes = [](const Tensor& t) {
    const Storage& s = *t.body().storage;
    return std::span(s.data(), s.size_bytes());
  };
  return std::ranges::equal(bytes(here), bytes(want));
}

}  // namespace

TEST_CASE("a device is chosen by name, and a wrong one is refused with what there is", "[device]") {
  CHECK(select_device("cpu") == Device::cpu);
  CHECK(select_device("simt") == Device::simt);
  for (const char* const wrong : {"", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:1x", "cuda:-1x", "cuda 0"}) {
    INFO("'" << wrong << "'");
    CHECK_THROWS_WITH(select_device(wrong), ContainsSubstring("none of cpu, cuda, cuda:N, simt"));
  }
  if (!cuda::built()) { CHECK_THROWS_WITH(select_device("cuda"), ContainsSubstring("built without CUDA")); }
  if (cuda::built() && cuda::devices().empty()) {
    CHECK_THROWS_WITH(select_device("cuda"), ContainsSubstring("no NVIDIA GPU") || ContainsSubstring("driver"));
  }
  if (!cuda::devices().empty()) { CHECK_THROWS_WITH(select_device("cuda:99"), ContainsSubstring("numbered from 0")); }
}

TEST_CASE("values come back from simt and from a GPU as they went", "[device][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Shape shape{2, 5, 3, 1, 4};
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Tensor there = to_tensor(make_values(shape.count(), 1), shape, Kind::volume, dtype).to(device);
    CHECK(there.device() == device);
    CHECK(there.to_doubles() == make_values(shape.count(), 1));
  }
  const Tensor zeros = Tensor::zeros(shape, DType::f32, device, Layout::blocked);
  CHECK(zeros.to_doubles() == Values(static_cast<std::size_t>(shape.count()), 0.0));
}

TEST_CASE("fresh memory of the simt device is NaN, and what was given back is counted no more", "[device][simt]") {
  const std::size_t before = memory_report(Device::simt).in_use_bytes;
  {
    const Tensor fresh({3}, DType::f32, Device::simt);
    CHECK(memory_report(Device::simt).in_use_bytes == before + 12);
  }
  CHECK(memory_report(Device::simt).in_use_bytes == before);
}

TEST_CASE("labels carry their largest value to the device, where a loss refuses them by it", "[device][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Shape shape{1, 3, 2, 2, 2};
  const Tensor x = to_tensor(make_values(shape.count(), 1), shape, Kind::volume, DType::f32).to(device);
  const auto labelled = [device](double largest) {
    return to_tensor({0, 1, 2, 0, 1, 2, 0, largest}, {1, 2, 2, 2}, Kind::labels, DType::f32).to(device);
  };
  CHECK(labelled(2).largest_label() == 2);
  CHECK(labelled(200).largest_label() == 200);
  CHECK_NOTHROW(cross_entropy(x, labelled(2), {}));
  CHECK_THROWS_WITH(cross_entropy(x, labelled(3), {}), ContainsSubstring("label 3, wants less than 3"));
}

TEST_CASE("an operator refuses inputs on different devices", "[device][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Shape shape{1, 3, 2, 2, 2};
  const Tensor x = to_tensor(make_values(shape.count(), 1), shape, Kind::volume, DType::f32);
  CHECK_THROWS_WITH(add(x, x.to(device)), ContainsSubstring(fmt::format("on {}", name(device))));
}

TEST_CASE("voxels are counted alike on every device", "[device][simt]") {
  std::mt19937 random(1);
  for (const std::size_t voxels : {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{150'000}}) {
    std::vector<std::uint8_t> truth(voxels);
    std::vector<std::uint8_t> predicted(voxels);
    for (std::size_t v = 0; v < voxels; ++v) {
      truth[v] = static_cast<std::uint8_t>(random() % 4);
      predicted[v] = static_cast<std::uint8_t>(random() % 5 % 4);
    }
    Confusion wants;
    wants.add(truth, predicted);
    for (const char* const device : {"cpu", "simt"}) {
      INFO(device << ", " << voxels << " voxels");
      CHECK(count_on(device, truth, predicted).counts == wants.counts);
    }
  }
  const std::vector<std::uint8_t> four{4};
  CHECK_THROWS_WITH(count_on("simt", four, four), ContainsSubstring("wants 0..3"));
}

TEST_CASE("a batch's parts are what was given, bit for bit, on every device", "[device][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const Device on : {Device::cpu, device}) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
      Uploader uploader(on, {3, 3, 2, 2, 4});
      CHECK_THROWS_WITH(uploader.take(dtype), ContainsSubstring("without a start()"));
      for (const std::int64_t n : {2, 2, 2, 1, 3}) {
        const Values images = make_values(n * 48, static_cast<unsigned>(n));
        std::vector<float> plain(images.begin(), images.end());
        for (float& x : plain) { x *= 1.001F; }  // what bf16 has to round
        std::vector<std::uint8_t> labels;
        for (const double l : make_labels(n * 16, 4, 1)) { labels.push_back(static_cast<std::uint8_t>(l)); }
        const Shape shape{n, 3, 2, 2, 4};
        uploader.start({.shape = shape, .images = plain, .labels = labels}, 2);
        const std::vector<MicroBatch> parts = uploader.take(dtype);
        REQUIRE(parts.size() == static_cast<std::size_t>((n + 1) / 2));
        for (std::size_t p = 0; p < parts.size(); ++p) {
          const std::int64_t count = std::min<std::int64_t>(2, n - 2 * static_cast<std::int64_t>(p));
          const auto one = std::span<const float>(plain).subspan(p * 2 * 48, static_cast<std::size_t>(count) * 48);
          const Tensor want = cast(Tensor::volume_of({count, 3, 2, 2, 4}, one), dtype);
          CHECK(parts[p].images.device() == on);
          CHECK(parts[p].images.shape() == want.shape());
          CHECK(parts[p].images.dtype() == dtype);
          CHECK(same_bytes(parts[p].images, want));
          const auto part = std::span(labels).subspan(p * 2 * 16, static_cast<std::size_t>(count) * 16);
          CHECK(std::ranges::equal(parts[p].labels.to_doubles(), part));
          CHECK(parts[p].labels.largest_label() == *std::ranges::max_element(part));
        }
      }
      CHECK_THROWS_WITH(uploader.start({.shape = {2, 3, 2, 2, 4}, .images = {}, .labels = {}}, 1),
                        ContainsSubstring("0 values and 0 labels for shape 2x3x2x2x4"));
    }
  }
}

TEST_CASE("a batch larger than the largest is refused where there is no room for it", "[device][simt]") {
  Uploader uploader(Device::simt, {1, 1, 1, 1, 2});
  const std::vector<float> images(4);
  const std::vector<std::uint8_t> labels(4);
  CHECK_THROWS_WITH(uploader.start({.shape = {2, 1, 1, 1, 2}, .images = images, .labels = labels}, 1),
                    ContainsSubstring("the largest was to be 1x1x1x1x2"));
}

}  // namespace vox::test

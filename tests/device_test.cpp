#include <fmt/format.h>

#include <random>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/uploader.h"
#include "kernels/cuda/runtime.h"
#include "tests/catch.h"
#include "tests/devices.h"
#include "tests/op_case.h"
#include "tools/device_confusion.h"

namespace vox::test {

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

TEST_CASE("uploaded batches are what was given, also when their shape changes", "[device][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const Device on : {Device::cpu, device}) {
    Uploader uploader(on);
    for (const std::int64_t n : {2, 2, 2, 1, 3}) {
      const Shape shape{n, 3, 2, 2, 2};
      const Values images = make_values(shape.count(), static_cast<unsigned>(n));
      const Values labels = make_labels(n * 8, 4, 1);
      const auto there = uploader.start({to_tensor(images, shape, Kind::volume, DType::f32),
                                         to_tensor(labels, {n, 2, 2, 2}, Kind::labels, DType::f32)});
      REQUIRE(there.size() == 2);
      CHECK(there[0].device() == on);
      CHECK(there[0].to_doubles() == images);
      CHECK(there[1].to_doubles() == labels);
      CHECK(there[1].largest_label() == 3);
    }
  }
}

}  // namespace vox::test

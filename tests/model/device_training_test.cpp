// A whole training step of the network on the CPU and where the CUDA kernels run: on the simt device, on a GPU.
#include <cmath>
#include <tuple>
#include <utility>

#include "engine/readback.h"
#include "engine/tape.h"
#include "kernels/simt/memory.h"
#include "model/checkpoint.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "model/train_step.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

constexpr std::int64_t kBatch =
    3;  // 16^3 leaves one voxel at the bottom, and batch norm of two values is all but 1 and -1
constexpr std::int64_t kEdge = 16;
constexpr double kLr = 1e-3;

UNetConfig small_config() {
  UNetConfig c = unet_preset("seed");
  c.widths = {8, 8, 16, 8, 16};
  return c;
}

/// The network, its optimiser and a batch on one device.
struct Lab {
  Lab(DType dtype, Device device, double adam_eps = 1e-8)
      : net(small_config(), dtype, 7, device), adam(net.parameters(), {.eps = adam_eps}) {
    const Shape shape{kBatch, net.config().in_channels, kEdge, kEdge, kEdge};
    images = to_tensor(make_values(shape.count(), 1), shape, Kind::volume, dtype).to(device);
    const Shape label_shape{kBatch, kEdge, kEdge, kEdge};
    labels = to_tensor(make_labels(label_shape.count(), 4, 2), label_shape, Kind::labels, dtype).to(device);
  }

  /// Forward and backward with dropout; gradients are left in the parameters.
  double loss_and_gradients(std::uint32_t step) {
    const Tensor logits = net.forward(images, {.mode = UNetMode::training, .seed = 3, .step = step});
    const Tensor loss = segmentation_loss(logits, labels, {});
    backward(loss);
    return loss.item();
  }

  UNet3d net;
  Optimizer adam;
  Tensor images;
  Tensor labels;
};

double relative_error(const Tensor& got, const Tensor& want) {
  return test::relative_error(got.to_doubles(), want.to_doubles());
}

/// A share of an infinite loss would allow every other.
bool near(double got, double wants, double share) {
  return std::isfinite(wants) && std::abs(got - wants) <= share * std::abs(wants);
}

}  // namespace

TEST_CASE("a training step on simt and on a GPU gives the loss and every gradient of the cpu", "[net][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  Lab cpu(DType::f64, Device::cpu);
  Lab other(DType::f64, device);
  const double wants = cpu.loss_and_gradients(0);
  CHECK(near(other.loss_and_gradients(0), wants, 1e-13));  // the masks of dropout are the same, then
  for (std::size_t p = 0; p < cpu.net.parameters().size(); ++p) {
    INFO(cpu.net.parameters()[p].name);
    const Tensor got = other.net.parameters()[p].tensor.grad();
    CHECK(relative_error(got, cpu.net.parameters()[p].tensor.grad()) < 1e-10);
  }
  for (std::size_t b = 0; b < cpu.net.buffers().size(); ++b) {
    INFO(cpu.net.buffers()[b].name);
    CHECK(relative_error(other.net.buffers()[b].tensor, cpu.net.buffers()[b].tensor) < 1e-12);
  }
}

TEST_CASE("gradients in f32 on simt and on a GPU are as near to the truth as those of the cpu", "[net][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  Lab truth(DType::f64, Device::cpu);
  Lab cpu(DType::f32, Device::cpu);
  Lab other(DType::f32, device);
  for (Lab* lab : {&truth, &cpu, &other}) { lab->loss_and_gradients(0); }
  for (std::size_t p = 0; p < truth.net.parameters().size(); ++p) {
    INFO(truth.net.parameters()[p].name);
    const Tensor exact = truth.net.parameters()[p].tensor.grad();
    const double of_cpu = relative_error(cpu.net.parameters()[p].tensor.grad(), exact);
    REQUIRE(std::isfinite(of_cpu));
    CHECK(relative_error(other.net.parameters()[p].tensor.grad(), exact) <= 4 * of_cpu + 1e-5);
  }
}

TEST_CASE("ten training steps on simt and on a GPU stay with those of the cpu", "[net][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  // Adam divides a gradient by its own size, so an f32 gradient that is all rounding error would move its weight by lr
  // in either direction. In f64 there is none; in f32 an epsilon above the rounding errors keeps such weights still.
  const auto [dtype, eps, allowed] = GENERATE(std::tuple(DType::f64, 1e-8, 1e-9), std::tuple(DType::f32, 1e-2, 1e-5));
  Lab cpu(dtype, Device::cpu, eps);
  Lab other(dtype, device, eps);
  const double first = cpu.loss_and_gradients(0);
  CHECK(near(other.loss_and_gradients(0), first, allowed));
  for (std::uint32_t step = 1; step <= 10; ++step) {
    INFO(name(dtype) << " step " << step);
    const double norm = cpu.adam.step(kLr);
    const double got = other.adam.step(kLr);
    CHECK((dtype == DType::f32 || near(got, norm, 100 * allowed)));  // relu and pooling jump in f32
    const double wants = cpu.loss_and_gradients(step);
    CHECK(near(other.loss_and_gradients(step), wants, allowed));
    CHECK(wants != first);
  }
}

// On a GPU every wait leaves it idle until the host has submitted more, and every launch takes the host microseconds.
TEST_CASE("a training step waits for the device once, and launches no more kernels than it did", "[net][simt]") {
  const auto [dtype, most_launches] = GENERATE(std::pair(DType::f32, 311), std::pair(DType::bf16, 260));
  Lab lab(dtype, Device::simt);
  const std::vector<MicroBatch> parts{{lab.images, lab.labels}};
  const simt_device::Work before = simt_device::work();
  PendingLoss loss = submit_batch(lab.net, parts, {}, 3, 0);
  SubmittedStep step = lab.adam.submit_step(kLr);
  const simt_device::Work submitted = simt_device::work();
  CHECK(submitted.copies_out == before.copies_out);  // the host has not waited so far
  CHECK(submitted.copies_in == before.copies_in);
  std::vector<Tensor> results = loss.released();
  results.push_back(std::exchange(step.squares, {}));
  Readback readback(Device::simt);
  readback.start(std::move(results));
  const std::vector<double> values = readback.wait();
  CHECK(std::isfinite(loss.mean(std::span(values).first(1))));
  CHECK(step.norm(std::span(values).subspan(1)) > 0);
  const simt_device::Work after = simt_device::work();
  CHECK(after.copies_out == before.copies_out + 2);  // loss and norm, one after the other, once all is done
  INFO(name(dtype));
  CHECK(after.launches - before.launches <= most_launches);
}

TEST_CASE("bf16 activations on simt and on a GPU change the loss by no more than their rounding", "[net][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  Lab exact(DType::f32, Device::cpu);
  Lab cpu(DType::bf16, Device::cpu);
  Lab other(DType::bf16, device);
  const double wants = exact.loss_and_gradients(0);
  const double got = other.loss_and_gradients(0);
  // Some 30 roundings of 2^-9 lie between image and loss, of either sign; the loss is a mean over 8192 voxels.
  CHECK(near(got, wants, 30 * 0x1p-9));
  CHECK(near(got, cpu.loss_and_gradients(0), 30 * 0x1p-9));
  CHECK(got != wants);
}

TEST_CASE("a checkpoint moves between devices", "[net][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const TempFolder folder;
  Lab other(DType::f32, device);
  other.loss_and_gradients(0);
  other.adam.step(kLr);
  save_checkpoint(folder / "net.safetensors", other.net, &other.adam, {});
  Lab cpu(DType::f32, Device::cpu);
  const CheckpointFile file(folder / "net.safetensors");
  file.load(cpu.net);
  file.load(cpu.adam);
  for (std::size_t p = 0; p < cpu.net.parameters().size(); ++p) {
    CHECK(cpu.net.parameters()[p].tensor.to_doubles() == other.net.parameters()[p].tensor.to_doubles());
  }
  const double wants = cpu.loss_and_gradients(1);
  CHECK(near(other.loss_and_gradients(1), wants, 1e-5));
}

}  // namespace vox::test

// Whole training steps and inference passes of the seed network on any device, timed by the clock on the wall with the
// device waited for. With --serve it answers lines on stdin, so that another program can take turns with it:
//   train N    N steps            infer N    N passes            quit
// Each answer is one line of JSON: milliseconds of each, peak memory, last loss. See ../README.md.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <sstream>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/kept.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"
#include "kernels/base/philox.h"
#include "kernels/cuda/runtime.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "tools/ui/command_line.h"

namespace vox::gpu_bench {
namespace {

struct Options {
  std::string device = "cuda";
  std::string dtype = "bf16";
  std::int64_t size = 128;
  std::int64_t batch = 1;
  std::vector<std::int64_t> widths{16, 32, 64, 128, 256};
  int steps = 5;
  bool serve = false;
  bool profile = false;
  bool recompute = false;
};

UNetConfig config_of(const Options& o) {
  UNetConfig config = unet_preset("seed");
  std::ranges::copy(o.widths, config.widths.begin());
  return config;
}

/// On all cores: batch 16 has 170 million numbers.
template <class Body> void for_each_index(std::size_t count, const Body& body) {
  constexpr std::size_t kChunk = 1U << 16U;
  parallel_for(cpu_queue().threads, static_cast<std::int64_t>((count + kChunk - 1) / kChunk), [&](std::int64_t chunk) {
    const auto first = static_cast<std::size_t>(chunk) * kChunk;
    for (std::size_t i = first; i < std::min(count, first + kChunk); ++i) { body(i); }
  });
}

Tensor noise(const Shape& shape, DType dtype, Device device) {
  std::vector<float> v(static_cast<std::size_t>(shape.count()));
  for_each_index(v.size(), [&](std::size_t i) { v[i] = static_cast<float>(unit(random4({.seed = 1}, i).v[0]) - 0.5); });
  const NoGradScope no_grad;
  return cast(Tensor::volume_of<float>(shape, v), dtype).to(device);
}

Tensor some_labels(const Shape& shape, Device device) {
  std::vector<std::uint8_t> v(static_cast<std::size_t>(shape.count()));
  for_each_index(v.size(), [&](std::size_t i) { v[i] = static_cast<std::uint8_t>(random4({.seed = 2}, i).v[0] % 4); });
  return Tensor::of<std::uint8_t>(shape, v).to(device);
}

/// The network with its optimiser and one batch, on its device.
class Lab {
 public:
  explicit Lab(const Options& o)
      : device_(select_device(o.device)),
        net_(config_of(o), dtype_named(o.dtype), 1, device_),
        adam_(net_.parameters(), {}),
        images_(noise({o.batch, 4, o.size, o.size, o.size}, dtype_named(o.dtype), device_)),
        labels_(some_labels({o.batch, o.size, o.size, o.size}, device_)) {}

  void train() {
    const Tensor logits = net_.forward(images_, {.mode = UNetMode::training, .seed = 1, .step = step_++});
    const Tensor loss = segmentation_loss(logits, labels_, {});
    backward(loss);
    adam_.step(1e-3);
    last_loss_ = loss.item();
  }
  void infer() {
    const NoGradScope no_grad;
    static_cast<void>(softmax(net_.forward(images_, {})));
  }

  /// Milliseconds of each of `count` calls, and what they needed.
  template <class Work> Json timed(int count, const Work& work) {
    reset_peak(device_);
    Json answer{{"ms", Json::array()}};
    for (int i = 0; i < count; ++i) {
      wait();
      const auto start = std::chrono::steady_clock::now();
      work();
      wait();
      answer["ms"].push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    answer["peak_mib"] = static_cast<double>(memory_report(device_).peak_bytes) / 0x1p20;
    answer["reserved_mib"] = static_cast<double>(memory_report(device_).reserved_bytes) / 0x1p20;
    answer["loss"] = last_loss_;
    return answer;
  }

 private:
  void wait() const {
    if (device_ == Device::cuda) { cuda::wait(cuda_queue().stream); }
  }

  Device device_;
  UNet3d net_;
  Adam adam_;
  Tensor images_;
  Tensor labels_;
  std::uint32_t step_ = 0;
  double last_loss_ = 0;
};

Json answer(Lab& lab, const std::string& what, int count) {
  VOX_CHECK(count >= 1 && (what == "train" || what == "infer"), "'{} {}': wants train N, infer N or quit", what, count);
  return what == "train" ? lab.timed(count, [&] { lab.train(); }) : lab.timed(count, [&] { lab.infer(); });
}

void serve(Lab& lab) {
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
    std::istringstream words(line);
    std::string what;
    int count = 0;
    words >> what >> count;
    std::cout << json_text(answer(lab, what, count).sorted()) << std::endl;  // flushed: somebody waits for it
  }
}

void run(const Options& o) {
  set_keep_all(!o.recompute && select_device(o.device) == Device::cuda);  // as `voxgrad train` where there is room
  Lab lab(o);
  const Json head{{"device", describe(select_device(o.device))},
                  {"cuda", cuda::versions()},
                  {"dtype", o.dtype},
                  {"size", o.size},
                  {"batch", o.batch}};
  std::cout << json_text(head.sorted()) << std::endl;
  if (o.serve) { return serve(lab); }
  if (o.profile) {
    static_cast<void>(lab.timed(2, [&] { lab.train(); }));
    cuda::profile(true);
    lab.train();
    return cuda::profile(false);
  }
  for (const char* const what : {"train", "infer"}) {
    static_cast<void>(answer(lab, what, 1));  // fresh memory costs more than any step
    Json result = answer(lab, what, o.steps);
    result["what"] = what;
    std::cout << json_text(result.sorted()) << std::endl;
  }
}

}  // namespace
}  // namespace vox::gpu_bench

int main(int argc, char** argv) {
  vox::CommandLine app("Training steps and inference passes of the seed network", "vox_step_bench");
  vox::gpu_bench::Options o;
  app.option("--device", o.device, "cpu, cuda, cuda:N or simt");
  app.option("--dtype", o.dtype).one_of({"f32", "bf16"});
  app.option("--size", o.size, "voxels along each axis").positive();
  app.option("--batch", o.batch).positive();
  app.option("--widths", o.widths).delimiter(',').expected(5).positive();
  app.option("--steps", o.steps).positive();
  app.flag("--serve", o.serve, "answer lines on stdin");
  app.flag("--recompute", o.recompute, "make again what backward needs, as where memory is short");
  app.flag("--profile", o.profile, "one training step under a profiler that was told to wait, after two without");
  if (const std::optional<int> code = app.read(argc, argv)) { return *code; }
  try {
    vox::gpu_bench::run(o);
  } catch (const vox::MemoryError& e) {
    std::cerr << "vox_step_bench: " << e.what() << '\n';
    return 4;
  } catch (const vox::Error& e) {
    std::cerr << "vox_step_bench: " << e.what() << '\n';
    return 2;
  }
  return 0;
}

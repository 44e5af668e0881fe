#include "model/checkpoint.h"

#include "engine/tape.h"
#include "kernels/check.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/op_case.h"

namespace vox::test {
namespace {

UNetConfig small(const char* preset) {
  UNetConfig c = unet_preset(preset);
  c.widths = {2, 3, 3, 4, 9};
  return c;
}

/// A network whose weights, statistics and moments are not the initial ones.
struct Trained {
  UNet3d net;
  Adam adam;

  explicit Trained(const UNetConfig& c, DType dtype = DType::f32) : net(c, dtype, 1), adam(net.parameters(), {}) {
    const Shape shape{1, c.in_channels, 16, 16, 32};
    const Tensor x = to_tensor(make_values(shape.count(), 3), shape, Kind::volume, dtype);
    backward(mean(net.forward(x, {.mode = UNetMode::training})));
    adam.step(0.01);
  }
};

std::vector<Values> all_of(const UNet3d& net, const Adam& adam) {
  std::vector<Values> all;
  for (const auto& list : {net.parameters(), net.buffers(), adam.state()}) {
    for (const NamedTensor& t : list) { all.push_back(t.tensor.to_doubles()); }
  }
  return all;
}

std::string refusal(const std::filesystem::path& file) {
  try {
    const CheckpointFile c(file);
    UNet3d net(small("seed"), DType::f32, 5);
    c.load(net);
    Adam adam(net.parameters(), {});
    c.load(adam);
    return "accepted";
  } catch (const DataError& e) { return e.what(); }
}

}  // namespace

TEST_CASE("a checkpoint gives back weights, statistics and moments bit for bit", "[checkpoint]") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const TempFolder folder;
    const Trained t(small("seed"), dtype);
    save_checkpoint(folder / "c.safetensors", t.net, &t.adam, {{"note", "kept"}});
    const CheckpointFile file(folder / "c.safetensors");
    CHECK(file.metadata().at("note") == "kept");
    CHECK(file.config() == t.net.config());
    CHECK(file.has_optimizer());
    UNet3d net(small("seed"), dtype, 77);
    Adam adam(net.parameters(), {});
    CHECK(all_of(net, adam) != all_of(t.net, t.adam));
    file.load(net);
    file.load(adam);
    CHECK(all_of(net, adam) == all_of(t.net, t.adam));
    CHECK(adam.steps() == 1);
  }
}

TEST_CASE("a checkpoint holds PyTorch's count of batches", "[checkpoint]") {
  const TempFolder folder;
  const Trained t(small("seed"));
  save_checkpoint(folder / "c.safetensors", t.net, &t.adam, {});
  const SafetensorsFile file(folder / "c.safetensors");
  CHECK(file.read<std::int64_t>("encoder.0.norm1.num_batches_tracked") == std::vector<std::int64_t>{1});
  CHECK(file.tensor("encoder.0.norm1.num_batches_tracked").shape.empty());
}

TEST_CASE("a wrong checkpoint is refused with what was found and what was wanted", "[checkpoint][errors]") {
  const TempFolder folder;
  const Trained seed(small("seed"));
  const auto path = folder / "c.safetensors";

  const Trained other(small("tutorial"));
  save_checkpoint(path, other.net, &other.adam, {});
  CHECK_THAT(refusal(path), ContainsSubstring("\"preset\":\"tutorial\"") && ContainsSubstring("wants") &&
                                ContainsSubstring("\"preset\":\"seed\""));

  save_checkpoint(path, seed.net, nullptr, {});
  CHECK_THAT(refusal(path), ContainsSubstring("holds no tensor 'adam.m.encoder.0.conv1.weight'"));

  save_checkpoint(path, seed.net, &seed.adam, {});
  CHECK(refusal(path) == "accepted");
  const std::string bytes = read_bytes(path);
  write_bytes(path, bytes.substr(0, bytes.size() / 2));
  CHECK_THAT(refusal(path), ContainsSubstring("c.safetensors"));
  write_bytes(path, bytes.substr(0, 5));
  CHECK_THAT(refusal(path), ContainsSubstring("c.safetensors"));
  write_bytes(path, "PK\x03\x04 this is a pickle in a zip file, as torch.save writes it");
  CHECK_THAT(refusal(path), ContainsSubstring("c.safetensors"));
  CHECK_THAT(refusal(folder / "absent.safetensors"), ContainsSubstring("absent.safetensors"));

  const float value = 1;
  write_safetensors(
      path, {{.name = "x", .dtype = FileDType::f32, .shape = {1}, .bytes = std::as_bytes(std::span(&value, 1))}}, {});
  CHECK_THAT(refusal(path), ContainsSubstring("without 'format'") && ContainsSubstring("voxgrad-checkpoint-1"));
  write_safetensors(path, {}, {{"format", "voxgrad-checkpoint-9"}});
  CHECK_THAT(refusal(path), ContainsSubstring("voxgrad-checkpoint-9") && ContainsSubstring("voxgrad-checkpoint-1"));
  write_safetensors(path, {}, {{"format", kCheckpointFormat}, {"unet", "{\"preset\": 3}"}});
  CHECK_THAT(refusal(path), ContainsSubstring("description is damaged"));
}

TEST_CASE("nothing changes in a network when one tensor of the file does not fit", "[checkpoint][errors]") {
  const TempFolder folder;
  const Trained t(small("seed"));
  const auto path = folder / "c.safetensors";
  save_checkpoint(path, t.net, nullptr, {});
  // The same file with the last tensor, head.bias, in another shape.
  const SafetensorsFile whole(path);
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : whole.tensors()) {
    tensors.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
    if (name == "head.bias") { tensors.back().shape = {2, 2}; }
  }
  write_safetensors(folder / "other.safetensors", tensors, whole.metadata());
  UNet3d net(small("seed"), DType::f32, 77);
  const Adam adam(net.parameters(), {});
  const auto before = all_of(net, adam);
  CHECK_THROWS_WITH(CheckpointFile(folder / "other.safetensors").load(net),
                    ContainsSubstring("'head.bias' is 2x2, wants 4"));
  CHECK(all_of(net, adam) == before);
}

}  // namespace vox::test

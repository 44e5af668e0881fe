#include "model/checkpoint.h"

#include <limits>
#include <tuple>

#include "engine/tape.h"
#include "kernels/base/check.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

UNetConfig small(const char* preset) { return with_widths(unet_preset(preset), {2, 3, 3, 4, 9}); }

/// A network whose weights, statistics and moments are not the initial ones.
struct Trained {
  UNet3d net;
  Optimizer adam;

  explicit Trained(const UNetConfig& c, DType dtype = DType::f32) : net(c, dtype, 1), adam(net.parameters(), {}) {
    const Shape shape{1, c.in_channels, 16, 16, 32};
    const Tensor x = to_tensor(make_values(shape.count(), 3), shape, Kind::volume, dtype);
    backward(mean(net.forward(x, {.mode = UNetMode::training})));
    adam.step(0.01);
  }
};

std::vector<Values> all_of(const UNet3d& net, const Optimizer& adam) {
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
    Optimizer adam(net.parameters(), {});
    c.load(adam);
    return "accepted";
  } catch (const DataError& e) { return e.what(); }
}

/// A copy of the checkpoint in which the first number of a tensor is another.
template <class T>
void with_number(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& tensor, T value,
                 Metadata more = {}) {
  const SafetensorsFile whole(from);
  std::vector<TensorToWrite> tensors;
  std::vector<T> changed;
  for (const auto& [name, t] : whole.tensors()) {
    tensors.push_back({name, t.dtype, t.shape, t.bytes});
    if (name != tensor) { continue; }
    for (const float v : whole.read<float>(name)) { changed.push_back(static_cast<T>(v)); }
    changed.front() = value;
    tensors.back().dtype = sizeof(T) == sizeof(float) ? FileDType::f32 : FileDType::f64;
    tensors.back().bytes = std::as_bytes(std::span(changed));
  }
  REQUIRE((tensor.empty() || !changed.empty()));
  more.insert(whole.metadata().begin(), whole.metadata().end());
  write_safetensors(to, tensors, more);
}

}  // namespace

TEST_CASE("a checkpoint gives back weights, statistics and moments bit for bit", "[checkpoint]") {
  for (const auto& [preset, dtype] :
       {std::pair("seed", DType::f32), std::pair("seed", DType::f64), std::pair("nnunet", DType::f32)}) {
    const TempFolder folder;
    const Trained t(small(preset), dtype);
    save_checkpoint(folder / "c.safetensors", t.net, &t.adam, {{"note", "kept"}});
    const CheckpointFile file(folder / "c.safetensors");
    CHECK(file.metadata().at("note") == "kept");
    CHECK(file.config() == t.net.config());
    CHECK(file.has_optimizer());
    UNet3d net(small(preset), dtype, 77);
    Optimizer adam(net.parameters(), {});
    CHECK(all_of(net, adam) != all_of(t.net, t.adam));
    file.load(net);
    file.load(adam);
    CHECK(all_of(net, adam) == all_of(t.net, t.adam));
    CHECK(adam.steps() == 1);
  }
}

TEST_CASE("a network's description keeps every setting, and old ones mean what they meant", "[checkpoint]") {
  UNetConfig c = small("nnunet");
  CHECK(unet_config_from_json(to_json(c), "f") == c);
  c.norm = Norm::none;
  c.down = Down::max_pool;
  c.init = Init::torch;
  c.block_order = BlockOrder::dropout_last;
  c.supervision = 4;
  CHECK(unet_config_from_json(to_json(c), "f") == c);
  // As versions wrote it that knew five levels of batch norm, or of none.
  const std::string old =
      R"({"batch_norm_eps":1e-05,"batch_norm_momentum":0.1,"block_order":"dropout_between","classes":4,)"
      R"("decoder_dropout":[0.2,0.2,0.1,0.1],"encoder_dropout":[0.1,0.1,0.2,0.2,0.3],"in_channels":4,"norm":"batch",)"
      R"("preset":"seed","widths":[16,32,64,128,256]})";
  CHECK(unet_config_from_json(old, "f") == unet_preset("seed"));
  CHECK_THAT(to_json(unet_preset("seed")), !ContainsSubstring("supervision") && !ContainsSubstring("down"));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = to_json(small("nnunet"));
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  for (const auto& [from, to, why] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {R"("norm":"instance")", R"("norm":"group")", "f: the network's norm is 'group', which this version"},
           {R"("down":"strided_conv")", R"("down":"blur")", "f: the network's down is 'blur'"},
           {R"("supervision":3)", R"("supervision":9)", "damaged: unet3d: supervision is 9, wants 1 to 4"},
           {R"("widths":[2,3,3,4,9])", R"("widths":[2,3])", "damaged: unet3d: 2 widths"},
           {R"("norm_bias":true)", R"("norm_bias":"yes")", "f: the network's description is damaged"}}) {
    CHECK_THROWS_AS(unet_config_from_json(changed(from, to), "f"), DataError);
    CHECK_THROWS_WITH(unet_config_from_json(changed(from, to), "f"), ContainsSubstring(why));
  }
}

TEST_CASE("a checkpoint gives back SGD's momentum and the average of the weights, beside the weights", "[checkpoint]") {
  const TempFolder folder;
  const auto path = folder / "c.safetensors";
  const OptimizerOptions options{.kind = OptimizerKind::sgd};
  UNet3d net(small("tutorial"), DType::f32, 1);
  Optimizer sgd(net.parameters(), options);
  WeightAverage average(net, 0.9);
  const Tensor x = to_tensor(make_values(3 * 16 * 16 * 16, 3), {1, 3, 16, 16, 16}, Kind::volume, DType::f32);
  backward(mean(net.forward(x, {.mode = UNetMode::training})));
  average.submit(sgd.submit_step(0.01));
  save_checkpoint(path, net, &sgd, {}, &average);

  const CheckpointFile file(path);
  CHECK(file.has_optimizer());
  CHECK(file.metadata().at("sgd_steps") == "1");
  UNet3d other(small("tutorial"), DType::f32, 77);
  Optimizer other_sgd(other.parameters(), options);
  WeightAverage other_average(other, 0.9);
  file.load(other);
  file.load(other_sgd);
  file.load(other_average);
  CHECK(all_of(other, other_sgd) == all_of(net, sgd));
  CHECK(all_of(other_average.net(), sgd) == all_of(average.net(), sgd));
  CHECK(all_of(average.net(), sgd) != all_of(net, sgd));
  CHECK(other_sgd.steps() == 1);
  Optimizer adam(other.parameters(), {});
  CHECK_THROWS_WITH(file.load(adam), ContainsSubstring("holds no tensor 'adam.m.encoder.0.conv1.weight'"));
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
  const Optimizer adam(net.parameters(), {});
  const auto before = all_of(net, adam);
  CHECK_THROWS_WITH(CheckpointFile(folder / "other.safetensors").load(net),
                    ContainsSubstring("'head.bias' is 2x2, wants 4"));
  CHECK(all_of(net, adam) == before);
}

TEST_CASE("a checkpoint with a number that no training leaves behind is refused, and changes nothing",
          "[checkpoint][errors]") {
  const TempFolder folder;
  const Trained t(small("seed"));
  const auto good = folder / "good.safetensors";
  const auto bad = folder / "bad.safetensors";
  save_checkpoint(good, t.net, &t.adam, {});
  UNet3d net(small("seed"), DType::f32, 77);
  Optimizer adam(net.parameters(), {});
  const auto before = all_of(net, adam);
  const auto load = [&] {
    const CheckpointFile file(bad);
    file.load(adam);
    file.load(net);
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [tensor, value, found] :
       std::vector<std::tuple<std::string, float, std::string>>{{"encoder.0.norm1.running_var", kInfinity, "inf"},
                                                                {"encoder.0.norm1.running_var", -kInfinity, "-inf"},
                                                                {"decoder.3.norm2.running_mean", kNaN, "nan"},
                                                                {"encoder.0.conv1.weight", kNaN, "nan"},
                                                                {"head.bias", -kInfinity, "-inf"},
                                                                {"adam.m.head.bias", kNaN, "nan"},
                                                                {"adam.v.head.bias", kInfinity, "inf"}}) {
    with_number(good, bad, tensor, value);
    CHECK_THROWS_AS(load(), NonFiniteError);
    const std::string why = "bad.safetensors: '" + tensor + "' holds " + found + ", wants finite numbers";
    CHECK_THROWS_WITH(load(), ContainsSubstring(why));
    if (!tensor.starts_with("adam")) { adam = Optimizer(net.parameters(), {}); }  // moments come first, and were sound
    CHECK(all_of(net, adam) == before);
  }
  for (const char* const tensor : {"encoder.0.norm1.running_var", "adam.v.head.bias"}) {
    with_number(good, bad, tensor, -0.5F);
    CHECK_THROWS_AS(load(), DataError);
    CHECK_THROWS_WITH(load(),
                      ContainsSubstring(tensor) && ContainsSubstring("holds -0.5, a variance, wants 0 or more"));
  }
  with_number(good, bad, "head.bias", 1e300);  // finite in f64, not in the network
  CHECK_THROWS_WITH(load(), ContainsSubstring("'head.bias' holds 1e+300, wants finite numbers of f32"));
  with_number(good, bad, "head.bias", -2.0);
  CHECK_NOTHROW(load());
  for (const char* const steps : {"", "-1", "12x", "many", "9223372036854775807"}) {
    with_number(good, bad, "", 0.0F, {{"adam_steps", steps}});
    CHECK_THROWS_WITH(load(), ContainsSubstring("adam_steps is '" + std::string(steps) + "', wants a number from 0"));
  }
}

}  // namespace vox::test

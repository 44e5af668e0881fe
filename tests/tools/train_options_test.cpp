#include "tools/run/train_options.h"

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tools/run/stored_run.h"

namespace vox::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Change = std::function<void(TrainOptions&)>;

void check_refused(const Change& change, const std::string& why) {
  TrainOptions o;
  change(o);
  CHECK_THROWS_AS(check_options(o), Error);
  CHECK_THROWS_WITH(check_options(o), ContainsSubstring(why));
}

void check_taken(const Change& change) {
  TrainOptions o;
  change(o);
  CHECK_NOTHROW(check_options(o));
}

}  // namespace

TEST_CASE("a number that makes no sense is refused by its option's name", "[options]") {
  for (const auto& [change, why] : std::vector<std::pair<Change, std::string>>{
           {[](TrainOptions& o) {
              o.widths = {1, 2, 0, 4, 5};
            },
            "--widths is 0, wants 1 to"},
           {[](TrainOptions& o) {
              o.widths = {8, 8};
            },
            "--widths has 2 numbers (8 8), wants 3 to 7"},
           {[](TrainOptions& o) { o.widths.assign(8, 4); }, "--widths has 8 numbers"},
           {[](TrainOptions& o) { o.norm = "group"; }, "--norm is 'group', wants one of: batch, instance, none"},
           {[](TrainOptions& o) { o.norm_bias = "yes"; }, "--norm-bias is 'yes', wants one of: on, off"},
           {[](TrainOptions& o) { o.negative_slope = -0.5; }, "--negative-slope is -0.5, wants 0 to below 1"},
           {[](TrainOptions& o) { o.negative_slope = 1; }, "--negative-slope is 1"},
           {[](TrainOptions& o) { o.negative_slope = kNaN; }, "--negative-slope is nan"},
           {[](TrainOptions& o) { o.down = "stride"; }, "--down is 'stride', wants one of: max-pool, strided-conv"},
           {[](TrainOptions& o) { o.supervision = -1; }, "--supervision is -1, wants 1 to 4"},
           {[](TrainOptions& o) { o.supervision = 5; }, "--supervision is 5, wants 1 to 4, the decoder's levels"},
           {[](TrainOptions& o) { o.init = "he"; }, "--init is 'he', wants one of: keras, torch, kaiming"},
           {[](TrainOptions& o) { o.preset = "unet"; }, "none of: seed, tutorial, nnunet, best"},
           {[](TrainOptions& o) {
              o.widths = {4, 4, 4, 4, 4, 4};
              o.patch = {48};
            },
            "--patch is 48, wants auto, or one number or three (D,H,W), each a multiple of 32 from 32"},
           {[](TrainOptions& o) { o.size = -16; }, "--size is -16, wants 0 to 4096"},
           {[](TrainOptions& o) { o.batch = 0; }, "--batch is 0, wants 1 to"},
           {[](TrainOptions& o) { o.batch = std::numeric_limits<std::int64_t>::max(); }, "--batch is 9223"},
           {[](TrainOptions& o) { o.micro_batch = -1; }, "--micro-batch is -1, wants 1 to the batch, 2"},
           {[](TrainOptions& o) { o.micro_batch = 3; }, "--micro-batch is 3, wants 1 to the batch, 2"},
           {[](TrainOptions& o) { o.epochs = 0; }, "--epochs is 0, wants 1 to"},
           {[](TrainOptions& o) { o.targets = "labels"; }, "--targets is 'labels', wants one of: classes, regions"},
           {[](TrainOptions& o) { o.targets = "regions"; }, "--loss is dice+focal, --targets regions wants dice, bce"},
           {[](TrainOptions& o) { o.loss = "dice+bce"; }, "--loss is dice+bce: bce is for --targets regions"},
           {[](TrainOptions& o) {
              o.targets = "regions";
              o.loss = "dice+bce";
              o.background = "exclude";
            },
            "--targets regions has neither"},
           {[](TrainOptions& o) {
              o.class_weights = {1, 1};
            },
            "--class-weights has 2 numbers, wants one for each"},
           {[](TrainOptions& o) {
              o.class_weights = {1, 1, 1, -1};
            },
            "--class-weights is -1"},
           {[](TrainOptions& o) {
              o.class_weights = {1, 1, 1, kNaN};
            },
            "--class-weights is nan"},
           {[](TrainOptions& o) {
              o.class_weights = {0, 0, 0, 0};
            },
            "--class-weights is 0 0 0 0"},
           {[](TrainOptions& o) {
              o.class_weights = {1, 0, 0, 0};
              o.background = "exclude";
            },
            "--class-weights is 1 0 0 0"},
           {[](TrainOptions& o) { o.lr = 0; }, "--lr is 0, wants a number above 0"},
           {[](TrainOptions& o) { o.lr = kNaN; }, "--lr is nan"},
           {[](TrainOptions& o) { o.lr = kInfinity; }, "--lr is inf"},
           {[](TrainOptions& o) { o.plateau_factor = 1; }, "--plateau-factor is 1"},
           {[](TrainOptions& o) { o.plateau_factor = kNaN; }, "--plateau-factor is nan"},
           {[](TrainOptions& o) { o.plateau_patience = -1; }, "--plateau-patience is -1"},
           {[](TrainOptions& o) { o.warmup = -1; }, "--warmup is -1"},
           {[](TrainOptions& o) { o.min_lr = -1; }, "--min-lr is -1, wants 0 to --lr, 0.001"},
           {[](TrainOptions& o) { o.min_lr = 0.01; }, "--min-lr is 0.01, wants 0 to --lr, 0.001"},
           {[](TrainOptions& o) { o.min_lr = kNaN; }, "--min-lr is nan"},
           {[](TrainOptions& o) { o.adam_eps = 0; }, "--adam-eps is 0"},
           {[](TrainOptions& o) { o.weight_decay = -1; }, "--weight-decay is -1"},
           {[](TrainOptions& o) { o.weight_decay = kInfinity; }, "--weight-decay is inf"},
           {[](TrainOptions& o) { o.clip_norm = -1; }, "--clip-norm is -1"},
           {[](TrainOptions& o) { o.clip_norm = kNaN; }, "--clip-norm is nan"},
           {[](TrainOptions& o) { o.background = "no"; },
            "--background is 'no', wants one of: include, exclude, exclude-dice"},
           {[](TrainOptions& o) { o.optimizer = "lion"; }, "--optimizer is 'lion', wants one of: adam, adamw, sgd"},
           {[](TrainOptions& o) { o.momentum = 1; }, "--momentum is 1, wants 0 or more and less than 1"},
           {[](TrainOptions& o) { o.momentum = kNaN; }, "--momentum is nan"},
           {[](TrainOptions& o) { o.nesterov = "yes"; }, "--nesterov is 'yes', wants one of: on, off"},
           {[](TrainOptions& o) { o.schedule = "step"; }, "schedule 'step' is none of"},
           {[](TrainOptions& o) { o.poly_power = 0; }, "--poly-power is 0, wants a number above 0"},
           {[](TrainOptions& o) { o.poly_every = "batch"; }, "--poly-every is 'batch', wants one of: epoch, step"},
           {[](TrainOptions& o) { o.ema = 1; }, "--ema is 1, wants 0 or more and less than 1"},
           {[](TrainOptions& o) { o.stop_patience = -1; }, "--stop-patience is -1, wants 0 or more"},
           {[](TrainOptions& o) { o.fold = -1; }, "--fold is -1"},
           {[](TrainOptions& o) { o.folds = 1; }, "--folds is 1, wants 2 or more"},
           {[](TrainOptions& o) { o.threads = -1; }, "--threads is -1, wants 0 to"},
           {[](TrainOptions& o) { o.loader_threads = 1 << 20; }, "--loader-threads is 1048576, wants 0 to"},
           {[](TrainOptions& o) { o.loader_threads = -3; }, "--loader-threads is -3"},
           {[](TrainOptions& o) { o.loader_memory_mib = -5; }, "--loader-memory-mib is -5"},
           {[](TrainOptions& o) { o.graph = "maybe"; }, "--graph is 'maybe', wants auto, on or off"},
           {[](TrainOptions& o) { o.augment = "nnunet,zoom=2"; }, "'zoom' is no step of nnunet"},
           {[](TrainOptions& o) { o.validate_every = 0; }, "--validate-every is 0, wants 1 or more"}}) {
    INFO(why);
    check_refused(change, why);
  }
}

TEST_CASE("a GPU's loader has more threads than the CPU's, within reason", "[options]") {
  CHECK(usual_loader_threads(Device::cpu) == 1);
  CHECK(usual_loader_threads(Device::simt) == 1);
  CHECK(usual_loader_threads(Device::cuda) >= 1);
  CHECK(usual_loader_threads(Device::cuda) <= 16);
}

TEST_CASE("the usual options, and the ends of what makes sense, are taken", "[options]") {
  check_taken([](TrainOptions&) {});
  check_taken([](TrainOptions& o) { o.class_weights = {0, 1, 0, 2.5}; });
  check_taken([](TrainOptions& o) { o.min_lr = o.lr; });
  check_taken([](TrainOptions& o) { o.micro_batch = o.batch; });
  check_taken([](TrainOptions& o) {
    o.folds = 0;  // a splits file has its own
    o.splits = "splits.json";
  });
}

TEST_CASE("a network that is described or planned has a size that can be counted", "[options]") {
  const UNetConfig seed = unet_preset("seed");
  const auto network = [&](const std::vector<std::int64_t>& widths) { return with_widths(seed, widths); };
  CHECK_NOTHROW(check_network_size(128, 2, seed));
  CHECK_NOTHROW(check_network_size(16, 1, network({1, 1, 1, 1, 1})));
  CHECK_NOTHROW(check_network_size(4, 1, network({1, 1, 1})));
  CHECK_NOTHROW(check_network_size(4096, 1, seed));
  for (const std::int64_t size : {0, -16, 8, 33, 8192}) {
    CHECK_THROWS_WITH(check_network_size(size, 1, seed),
                      ContainsSubstring(fmt::format("--size is {}, wants a mul", size)));
  }
  CHECK_THROWS_WITH(check_network_size(16, 0, seed), ContainsSubstring("--batch is 0"));
  CHECK_THROWS_WITH(check_network_size(48, 1, unet_preset("nnunet")), ContainsSubstring("wants a multiple of 32"));
  CHECK_THROWS_WITH(check_network_size(4096, 1'000'000, network({60000, 1, 1, 1, 1})),
                    ContainsSubstring("no machine holds"));
}

TEST_CASE("options are refused wherever they come from: exit 2", "[options][cli]") {
  const TempFolder folder;
  write_bytes(folder / "c.toml", "[train]\nepochs = 0\n[plan]\nthreads = -1\n");
  const std::string config = " --config " + (folder / "c.toml").string();
  const std::string train = "train -i " + folder.path().string() + " -o " + (folder / "run").string();
  for (const auto& [arguments, why] : std::vector<std::pair<std::string, std::string>>{
           {train + " --threads -1", "--threads is -1"},
           {train + " --set validate-every=0", "--validate-every is 0"},
           {train + config, "--epochs is 0"},
           {train + " --seed -1", "--seed: is -1, wants 0 or more"},
           {"plan" + config, "--threads is -1"},
           {"plan --size 0", "--size is 0"},
           {"plan --size 4294967296", "--size is 4294967296, wants 0 to 4096"},  // whose cube overflows 64 bits
           {"plan --patch 16 --case 4294967296,4294967296,4294967296", "wants three numbers of voxels, D,H,W, 2^40 in"},
           {"plan --batch 9223372036854775808", "--batch: is 9223372036854775808, which 64 bits do not hold"},
           {"plan --batch -9223372036854775809", "--batch: is -9223372036854775809, which 64 bits do not hold"},
           {train + " --seed 18446744073709551616", "--seed: is 18446744073709551616, which 64 bits do not hold"},
           {train + " --negative-slope nan", "--negative-slope: is nan, wants a finite number"},
           {train + " --set lr=1e999", "--lr: is 1e999, wants a finite number"},
           {"plan --micro-batch -1", "--micro-batch is -1"},
           {"info --batch 0", "--batch is 0"},
           {"info --widths 1 2 3 4 0", "--widths is 0"},
           {"synth --seed -1 -o " + (folder / "x").string(), "--seed: is -1, wants 0 or more"},
           {"synth --threads nan -o " + (folder / "x").string(), "--threads: is nan, wants 0 or more"}}) {
    INFO(arguments);
    const Ended e = voxgrad(arguments);
    CHECK(e.code == 2);
    CHECK_THAT(e.output, ContainsSubstring(why));
  }
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_CASE("options that a checkpoint holds are checked like those of the command line, and called the file's",
          "[options]") {
  const TempFolder folder;
  const UNet3d net(with_widths(unet_preset("seed"), {1, 1, 1}), DType::f32, std::nullopt);
  const auto stored = [&](const TrainOptions& o, const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json options = nlohmann::json::parse(to_json(o));
    change(options);
    save_checkpoint(folder / "last.safetensors", net, nullptr,
                    {{"options", options.dump()}, {"training", to_json(TrainingProgress())}});
    return stored_run(folder.path()).options;
  };
  CHECK(stored({}, [](nlohmann::json& j) { j["lr"] = 0.25; }).lr == 0.25);
  for (const auto& [key, value, why] :
       std::vector<std::tuple<const char*, nlohmann::json, const char*>>{{"lr", -1, "--lr is -1"},
                                                                         {"batch", 0, "--batch is 0"},
                                                                         {"loss", "x", "loss 'x'"},
                                                                         {"augment", "x", "augment 'x'"},
                                                                         {"threads", 1e9, "--threads is 1000000000"},
                                                                         {"widths", {1, 0, 1}, "widths"}}) {
    INFO(key);
    const auto change = [&key = key, &value = value](nlohmann::json& j) { j[key] = value; };
    CHECK_THROWS_AS(stored({}, change), DataError);
    CHECK_THROWS_WITH(stored({}, change),
                      ContainsSubstring("last.safetensors: the run's options are damaged: ") && ContainsSubstring(why));
  }
}

TEST_CASE("a run whose splits file has a name that is no UTF-8 goes on with that file", "[options]") {
  TrainOptions asked;
  asked.splits = "M\xFCller.json";
  const TrainOptions run = train_options_from_json(to_json(asked), "last.safetensors");
  CHECK(run.splits == "M\\xfcller.json");
  CHECK_NOTHROW(resumed(run, asked, {"splits"}));
  CHECK_THAT(to_toml(asked), ContainsSubstring(R"(splits = "M\\xfcller.json")"));
  asked.splits = "other.json";
  CHECK_THROWS_WITH(resumed(run, asked, {"splits"}), ContainsSubstring("splits is \"M\\\\xfcller.json\" in the run"));
  asked.splits = "a\x7F.json";  // which TOML's texts hold escaped alone
  CHECK_THAT(to_toml(asked), ContainsSubstring(R"(splits = "a\u007F.json")"));
}

}  // namespace vox::test

// What a preset says of the training, and whose word counts for more.
#include <set>
#include <string>
#include <vector>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tools/run/preset_options.h"

namespace vox::test {
namespace {

TrainOptions of(const char* preset) {
  TrainOptions o;
  o.preset = preset;
  return o;
}

}  // namespace

TEST_CASE("seed and tutorial say nothing of the training", "[options]") {
  for (const char* const preset : {"seed", "tutorial"}) {
    const PresetApplied applied = apply_preset(of(preset), {});
    CHECK(applied.said.empty());
    CHECK(to_json(applied.options) == to_json(of(preset)));
  }
}

TEST_CASE("nnunet brings nnU-Net's training along", "[options]") {
  TrainOptions o = of("nnunet");
  o.splits = "M\xFCller.json";
  const auto [applied, said] = apply_preset(o, {"preset", "splits"});
  CHECK_NOTHROW(check_options(applied));
  CHECK(applied.targets == "regions");
  CHECK(applied.loss == "dice+bce");
  CHECK(applied.sums == "batch");
  CHECK(step_extents(applied) == cube(128));
  CHECK(applied.foreground == 0.33);
  CHECK(applied.batch == 2);
  CHECK(applied.steps_per_epoch == 250);
  CHECK(applied.epochs == 1000);
  CHECK(applied.lr == 0.01);
  CHECK(applied.weight_decay == 3e-5);
  CHECK(applied.clip_norm == 12);
  CHECK(applied.splits == o.splits);
  CHECK(unet_config(applied) == unet_preset("nnunet"));
  CHECK_THAT(said,
             ContainsSubstring("targets regions, loss dice+bce, sums batch, patch 128, foreground 0.33, batch 2"));
}

TEST_CASE("best is nnunet's network with seed's channels, and a training of its own", "[options]") {
  const auto [applied, said] = apply_preset(of("best"), {"preset"});
  CHECK_NOTHROW(check_options(applied));
  UNetConfig wanted = unet_preset("nnunet");
  wanted.preset = "best";
  wanted.widths = unet_preset("seed").widths;
  wanted.encoder_dropout.assign(5, 0);
  wanted.decoder_dropout.assign(4, 0);
  wanted.supervision = 3;
  CHECK(unet_config(applied) == wanted);
  CHECK(step_extents(applied) == cube(64));
  CHECK((applied.optimizer == "adam" && applied.lr == 0.003 && applied.clip_norm == 12 && applied.ema == 0.999));
  CHECK((applied.schedule == "poly" && applied.poly_every == "step" && applied.augment == "nnunet"));
  CHECK_THAT(said, ContainsSubstring("targets regions, loss dice+bce, sums batch, patch 64"));
  TrainOptions o = of("best");
  CHECK(apply_preset(o, {"targets"}).options.background == "exclude-dice");  // of classes
}

TEST_CASE("what somebody gave counts for more than the preset", "[options]") {
  TrainOptions o = of("nnunet");
  o.lr = 0.5;
  o.epochs = 3;
  PresetApplied applied = apply_preset(o, {"lr", "epochs"});
  CHECK(applied.options.lr == 0.5);
  CHECK(applied.options.epochs == 3);
  CHECK(applied.options.clip_norm == 12);
  CHECK_THAT(applied.said, !ContainsSubstring("lr") && !ContainsSubstring("epochs"));
  o.size = 64;
  CHECK(step_extents(apply_preset(o, {"size"}).options) == cube(64));
  applied = apply_preset(o, {"targets"});  // classes
  CHECK(applied.options.loss == "dice+ce");
  CHECK_NOTHROW(check_options(applied.options));
  CHECK(unet_config(applied.options).classes == 4);
  o.loss = "ce";
  CHECK(apply_preset(o, {"targets", "loss"}).options.loss == "ce");
}

TEST_CASE("a resumed run takes another word for the network it has, and no other network", "[options]") {
  const TrainOptions run = of("seed");
  TrainOptions asked = run;
  asked.norm = "batch";
  asked.widths = {16, 32, 64, 128, 256};
  asked.negative_slope = 0;
  asked.init = "keras";
  asked.supervision = 1;
  const std::set<std::string> all{"norm", "widths", "negative_slope", "init", "supervision"};
  CHECK(unet_config(resumed(run, asked, all)) == unet_preset("seed"));
  asked.norm = "instance";
  CHECK_THROWS_WITH(resumed(run, asked, {"norm"}),
                    ContainsSubstring("norm is the preset's (seed: 4 channels to 4 classes; 5 levels of 16 32 64 128 "
                                      "256; batch norm, ReLU,") &&
                        ContainsSubstring("in the run, \"instance\" was asked"));
  asked.widths = {16, 32, 64};
  CHECK_THROWS_WITH(resumed(run, asked, {"widths"}), ContainsSubstring("[16,32,64] was asked"));
  asked.supervision = 9;
  CHECK_THROWS_WITH(resumed(run, asked, {"supervision"}), ContainsSubstring("--supervision is 9, wants 1 to 4"));
}

TEST_CASE("plan and info know the preset nnunet, and every setting of a network by itself", "[options][cli]") {
  const Ended plan = voxgrad("plan --preset nnunet --memory 1GiB --widths 4 4 4 4 --patch 16");
  CHECK(plan.code == 0);
  CHECK_THAT(plan.output, ContainsSubstring("nnunet: batch 2 at 16^3, f32 on cpu"));
  const Ended nnunet = voxgrad("info --preset nnunet");
  CHECK(nnunet.code == 0);
  CHECK_THAT(nnunet.output, ContainsSubstring("31198028 parameters") && ContainsSubstring("heads.3") &&
                                ContainsSubstring("3 regions; 6 levels of 32 64 128 256 320 320; instance norm"));
  const Ended set = voxgrad(
      "info --widths 8 8 8 --norm instance --norm-bias on --negative-slope 0.2 --down strided-conv --supervision 2 "
      "--init kaiming --size 8");
  CHECK(set.code == 0);
  CHECK_THAT(
      set.output,
      ContainsSubstring("seed: 4 channels to 4 classes; 3 levels of 8 8 8; instance norm behind a bias, leaky ReLU "
                        "0.2, strided convolutions, dropout 0.1 0.1 0.2, the loss sees 2 levels, initial weights "
                        "kaiming\n"));
  for (const auto& [arguments, why] : std::vector<std::pair<std::string, std::string>>{
           {"info --preset nnunet --size 48", "--size is 48, wants a multiple of 32 from 32"},
           {"plan --preset nnunet --patch 48",
            "--patch is 48, wants auto, or one number or three (D,H,W), each a multiple of 32"},
           {"plan --preset nnunet --patch 32", "whose bottleneck has one voxel, and instance norm wants more"},
           {"info --widths 8 8", "--widths has 2 numbers (8 8), wants 3 to 7, one for each level"},
           {"info --negative-slope 1.5", "--negative-slope is 1.5, wants 0 to below 1"},
           {"info --supervision 5", "--supervision is 5, wants 1 to 4"}}) {
    INFO(arguments);
    const Ended e = voxgrad(arguments);
    CHECK(e.code == 2);
    CHECK_THAT(e.output, ContainsSubstring(why));
  }
}

}  // namespace vox::test

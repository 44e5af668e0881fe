#include "tools/run/run_ranks.h"

#include "engine/context.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/unet3d.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/thread_ranks.h"
#include "tests/support/training_run.h"
#include "tools/run/epoch_report.h"
#include "tools/run/first_rank.h"
#include "tools/run/training_cases.h"
#include "tools/run/validation.h"
#include "tools/run/validation_pictures.h"

namespace vox::test {
namespace {

/// What ranks with these options say of each other.
std::string met(const std::vector<TrainOptions>& options, const std::vector<std::string>& programs = {}) {
  std::string said;
  try {
    run_ranks(static_cast<int>(options.size()), [&](Communicator& ranks) {
      const auto r = static_cast<std::size_t>(ranks.rank());
      const auto all = meet_ranks(ranks, options[r], programs.empty() ? "voxgrad 1" : programs[r]);
      if (r == 0) { said = ranks_text(all, "threads"); }
    });
  } catch (const Error& e) { said = e.what(); }
  return said;
}

TEST_CASE("ranks that are to do other things are refused, and the message names them", "[training][ranks]") {
  TrainOptions o;
  o.batch = 3;
  CHECK_THAT(met({o, o, o}), ContainsSubstring("3 ranks (threads): ranks 0, 1, 2 on "));
  TrainOptions other = o;
  other.lr = 0.5;
  other.seed = 7;
  CHECK_THAT(met({o, other, other}),
             ContainsSubstring("ranks 1, 2: other options than on rank 0: lr is 0.5, on rank 0 0.001; seed is 7"));
  CHECK_THAT(met({o, o}, {"voxgrad 1", "voxgrad 2"}),
             ContainsSubstring("rank 1: another program than on rank 0: voxgrad 2, not voxgrad 1"));
  o.batch = 1;
  CHECK_THAT(met({o, o}), ContainsSubstring("--batch is 1, and there are 2 ranks"));
  // What only changes the time may differ.
  o.batch = 2;
  other = o;
  other.loader_threads = 3;
  other.loader_memory_mib = 100;
  CHECK_THAT(met({o, other}), ContainsSubstring("2 ranks"));
}

TEST_CASE("ranks of other instruction sets are refused unless sums may be in any order", "[training][ranks]") {
  if (runnable_isas().size() < 2) { return; }  // there is nothing to tell apart
  TrainOptions o;
  o.batch = 2;
  const auto meet = [&] {
    run_ranks(2, [&](Communicator& ranks) {
      if (ranks.rank() == 1) { cpu_queue().isa = Isa::baseline; }
      const auto all = meet_ranks(ranks, o, "voxgrad");
      VOX_CHECK(all.size() == 2 && all[1].isa == "baseline", "rank 1 has {}", all[1].isa);
    });
  };
  CHECK_THROWS_WITH(meet(), ContainsSubstring("rank 1: the instruction set baseline on "));
  o.reduce = "fast";
  CHECK_NOTHROW(meet());
}

TEST_CASE("ranks take state and folds of the first, and miss no difference of a digest", "[training][ranks]") {
  const UNetConfig small = unet_config(small_training());
  const UNet3d first(small, DType::f32, 3, Device::cpu);
  std::vector<std::vector<double>> found(3);
  run_ranks(3, [&](Communicator& ranks) {
    UNet3d net(small, DType::f32, 3 + static_cast<std::uint64_t>(ranks.rank()), Device::cpu);
    Optimizer optimizer(net.parameters(), {});
    if (ranks.rank() == 0) { optimizer.set_steps(5); }
    take_state_of_first(ranks, net, optimizer, nullptr);
    auto& mine = found[static_cast<std::size_t>(ranks.rank())];
    for (const NamedTensor& p : net.parameters()) {
      for (const double v : p.tensor.to_doubles()) { mine.push_back(v); }
    }
    mine.push_back(static_cast<double>(optimizer.steps()));
  });
  std::vector<double> wanted;
  for (const NamedTensor& p : first.parameters()) {
    for (const double v : p.tensor.to_doubles()) { wanted.push_back(v); }
  }
  wanted.push_back(5);
  for (const auto& mine : found) { CHECK(mine == wanted); }

  const auto compare = [](const std::string& of_last) {
    run_ranks(3, [&](Communicator& ranks) { check_digest(ranks, ranks.rank() == 2 ? of_last : "ab", 17); });
  };
  CHECK_NOTHROW(compare("ab"));
  CHECK_THROWS_WITH(compare("ac"), ContainsSubstring("after step 17 the weights of rank 2 are not those of rank 0"));
}

TEST_CASE("a validation by ranks is that of one, and so are its pictures", "[training][ranks]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, 5);
  const std::vector<std::filesystem::path> files = find_prepared_cases(folder / "cache");
  const UNetConfig small = unet_config(small_training());
  const LossOptions loss{.terms = loss_terms("dice+ce")};
  std::string wanted;
  for (int n = 1; n <= 3; ++n) {
    std::vector<std::string> said(static_cast<std::size_t>(n));
    std::string drawn;
    run_ranks(n, [&](Communicator& ranks) {
      cpu_queue().threads = 1;
      const UNet3d net(small, DType::f32, 3, Device::cpu);
      ValidationPictures pictures;
      const auto keep = [&](const PreparedFile& file, const CaseValidation& scores, const Tensor& logits) {
        pictures.keep(file, scores, logits, Targets::classes);
      };
      const Validation v = validate(net, files, loss, {}, {}, keep, &ranks);
      said[static_cast<std::size_t>(ranks.rank())] = json_text(to_json(v, loss));
      pictures.gather(ranks, files);
      if (ranks.rank() == 0) { drawn = json_text(pictures.draw()); }
    });
    if (n == 1) { wanted = said.front() + drawn; }
    CAPTURE(n);
    for (const std::string& s : said) { CHECK(s + drawn == wanted); }
  }
}

}  // namespace
}  // namespace vox::test

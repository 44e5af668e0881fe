#include "tools/verbs/config.h"

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

using Strings = std::vector<std::string>;

struct Program {
  CommandLine app{"", "program"};
  double lr = 1;
  int batch = 2;
  int micro_batch = 1;
  bool resume = false;
  Strings tags;

  Program() {
    const Command train = app.command("train", "");
    train.option("-r,--lr", lr);
    train.option("-b,--batch", batch);
    train.option("--micro-batch", micro_batch);
    train.flag("--resume", resume, "");
    train.option("--tag", tags);
    add_config_options(train);
    add_config_options(app.command("check", ""));
  }

  void run(const Strings& arguments) {
    const CommandLine::Answer answer = app.read(apply_config(app, arguments));
    CHECK(answer.error.empty());
  }
};

std::string write(const TempFolder& folder, const std::string& name, const std::string& text) {
  write_bytes(folder / name, text);
  return (folder / name).string();
}

std::string refusal(const Strings& arguments) {
  Program p;
  try {
    p.run(arguments);
  } catch (const Error& e) { return e.what(); }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("a config file sets the options that its keys name", "[config]") {
  const TempFolder folder;
  const std::string file = write(folder, "c.toml", "lr = 1e-3\nmicro_batch = 4\nresume = true\ntag = ['a', 'b c']\n");
  Program p;
  p.run({"train", "--config", file});
  CHECK(p.lr == 1e-3);
  CHECK(p.batch == 2);
  CHECK(p.micro_batch == 4);
  CHECK(p.resume);
  CHECK(p.tags == Strings{"a", "b c"});
}

TEST_CASE("an empty text in a file is an empty value and takes nothing else with it", "[config]") {
  const TempFolder folder;
  const std::string file = write(folder, "c.toml", "tag = ''\nlr = 0.5\n");
  Program p;
  p.run({"train", "--config", file});
  CHECK(p.tags == Strings{""});
  CHECK(p.lr == 0.5);
}

TEST_CASE("the command line beats --set, and --set beats the file", "[config]") {
  const TempFolder folder;
  const std::string file = write(folder, "c.toml", "lr = 0.5\nbatch = 8\n[train]\nmicro-batch = 3\n");
  Program a;
  a.run({"train", "--config=" + file, "--set", "lr=0.25", "--set", "lr=-0.125"});
  CHECK(a.lr == -0.125);
  CHECK(a.batch == 8);
  CHECK(a.micro_batch == 3);
  for (const Strings& given : {Strings{"--lr", "2"}, {"--lr=2"}, {"-r", "2"}, {"-r2"}}) {
    Program b;
    Strings arguments{"train", "--set", "lr=0.25", "--config", file};
    arguments.insert(arguments.end(), given.begin(), given.end());
    b.run(arguments);
    CHECK(b.lr == 2);
    CHECK(b.batch == 8);
  }
}

TEST_CASE("false in a file leaves a flag out", "[config]") {
  Program p;
  p.run({"train", "--set", "resume=false"});
  CHECK_FALSE(p.resume);
}

TEST_CASE("sections count for their own verb", "[config]") {
  const TempFolder folder;
  const std::string file = write(folder, "c.toml", "[check]\nno-such = 1\n[train]\nlr = 3.0\n");
  Program p;
  p.run({"train", "--config", file, "--set", "check.whatever=1", "--set", "train.batch=5"});
  CHECK(p.lr == 3);
  CHECK(p.batch == 5);
}

TEST_CASE("what a config gets wrong is named, with the nearest key", "[config]") {
  const TempFolder folder;
  const std::string typo = write(folder, "typo.toml", "bacth = 1\n");
  CHECK_THAT(refusal({"train", "--config", typo}),
             ContainsSubstring(typo) && ContainsSubstring("'bacth'") && ContainsSubstring("'batch'"));
  CHECK_THAT(refusal({"train", "--set", "micro_bach=1"}), ContainsSubstring("'micro-batch'"));
  CHECK_THAT(refusal({"train", "--set", "xylophone=1"}),
             ContainsSubstring("'xylophone' is no option of train") && !ContainsSubstring("nearest"));
  CHECK_THAT(refusal({"train", "--set", "lr"}), ContainsSubstring("KEY=VALUE"));
  CHECK_THAT(refusal({"train", "--set", "=3"}), ContainsSubstring("KEY=VALUE"));
  CHECK_THAT(refusal({"train", "--set", "resume=maybe"}), ContainsSubstring("true or false"));
  CHECK_THAT(refusal({"train", "--set", "config=x"}), ContainsSubstring("no option"));
  CHECK_THAT(refusal({"train", "--config", write(folder, "syntax.toml", "lr = 1\nbatch = = 2\n")}),
             ContainsSubstring("line 2"));
  CHECK_THAT(refusal({"train", "--config", (folder / "absent.toml").string()}), ContainsSubstring("absent.toml"));
  CHECK_THAT(refusal({"train", "--config", write(folder, "section.toml", "[trian]\nlr = 1\n")}),
             ContainsSubstring("[trian]"));
  CHECK_THAT(refusal({"train", "--config", write(folder, "date.toml", "lr = 2020-01-01\n")}),
             ContainsSubstring("'lr'"));
}

TEST_CASE("the nearest word is the one with the fewest changes", "[config]") {
  const Strings known{"epochs", "batch", "lr", "loss"};
  CHECK(nearest("epoch", known) == "epochs");
  CHECK(nearest("bahct", known) == "batch");
  CHECK(nearest("learning-rate", known).empty());
}

}  // namespace vox::test

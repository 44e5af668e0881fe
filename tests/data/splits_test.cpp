#include "data/loading/splits.h"

#include <algorithm>
#include <set>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

TEST_CASE("splits: nnU-Net's form is read, and what is written reads the same", "[splits]") {
  const TempFolder folder;
  const std::filesystem::path path = folder / "splits.json";
  write_bytes(path, R"([{"train": ["b", "a"], "val": ["c"]}, {"train": ["c"], "val": []}])");
  const std::vector<Split> splits = read_splits(path);
  REQUIRE(splits.size() == 2);
  CHECK(splits[0].train == std::vector<std::string>{"a", "b"});
  CHECK(splits[0].val == std::vector<std::string>{"c"});
  CHECK(splits[1].val.empty());
  write_splits(path, splits);
  CHECK(read_splits(path)[0].train == splits[0].train);
  CHECK(select_fold(splits, 1, {"a", "b", "c"}, "s").train == std::vector<std::string>{"c"});
  CHECK_THROWS_WITH(select_fold(splits, 2, {"a", "b", "c"}, "s"), ContainsSubstring("s: has folds 0 to 1, not 2"));
  CHECK_THROWS_AS(select_fold(splits, -1, {"a", "b", "c"}, "s"), DataError);
  CHECK_THROWS_WITH(select_fold(splits, 0, {"a", "b"}, "s"), ContainsSubstring("names case 'c', which is not among"));
}

TEST_CASE("splits: an id that is no UTF-8 is written escaped, and the file is read back", "[splits]") {
  const TempFolder folder;
  write_splits(folder / "s.json", {{.train = {"M\xFCller"}, .val = {"b"}}});
  CHECK(read_splits(folder / "s.json").at(0).train == std::vector<std::string>{"M\\xfcller"});
  CHECK_THROWS_AS(write_splits(folder / "no" / "s.json", {}), OutputError);
}

TEST_CASE("splits: what is wrong in a file is named", "[splits]") {
  const TempFolder folder;
  const std::filesystem::path path = folder / "splits.json";
  const auto refused = [&](const std::string& text, const std::string& why) {
    write_bytes(path, text);
    CHECK_THROWS_AS(read_splits(path), DataError);
    CHECK_THROWS_WITH(read_splits(path), ContainsSubstring(path.string()) && ContainsSubstring(why));
  };
  refused("", "is not JSON");
  refused("[{]", "is not JSON");
  refused("[]", "wants a list of folds");
  refused(R"({"train": []})", "wants a list of folds");
  refused("[1]", "fold 0 wants a list \"train\"");
  refused(R"([{"train": ["a"]}])", "fold 0 wants a list \"val\"");
  refused(R"([{"train": [1], "val": []}])", "holds 1, wants case ids");
  refused(R"([{"train": ["a"], "val": ["a"]}])", "names case 'a' twice");
  refused(R"([{"train": ["a", "a"], "val": []}])", "names case 'a' twice");
  refused(R"([{"train": ["a"], "val": []}, {"train": [], "val": ["a"]}])", "fold 1 has no training case");
  CHECK_THROWS_WITH(read_splits(path / "none"), ContainsSubstring("cannot open"));
}

TEST_CASE("splits: folds made from a seed validate every case once and depend on nothing else", "[splits]") {
  std::vector<std::string> ids;
  for (int i = 0; i < 23; ++i) { ids.push_back(fmt::format("case{:02}", i)); }
  const std::vector<Split> folds = make_folds(ids, 5, 42);
  REQUIRE(folds.size() == 5);
  std::multiset<std::string> validated;
  for (const Split& f : folds) {
    CHECK(f.val.size() >= 4);
    CHECK(f.val.size() <= 5);
    CHECK(f.train.size() + f.val.size() == ids.size());
    validated.insert(f.val.begin(), f.val.end());
    std::vector<std::string> both;
    std::ranges::set_intersection(f.train, f.val, std::back_inserter(both));
    CHECK(both.empty());
  }
  CHECK(validated == std::multiset<std::string>(ids.begin(), ids.end()));
  std::vector<std::string> backwards(ids.rbegin(), ids.rend());
  CHECK(make_folds(backwards, 5, 42)[3].val == folds[3].val);
  CHECK(make_folds(ids, 5, 43)[3].val != folds[3].val);
  CHECK_THROWS_AS(make_folds(ids, 1, 0), Error);
  CHECK_THROWS_AS(make_folds(ids, 24, 0), Error);
  CHECK_THROWS_AS(make_folds({"a", "a", "b"}, 2, 0), Error);
}

}  // namespace
}  // namespace vox::test

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "engine/json.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"
#include "tools/report/case_picture.h"
#include "tools/report/data_uri.h"
#include "tools/report/page.h"
#include "tools/run/label_volumes.h"
#include "tools/run/run_report.h"
#include "tools/ui/png.h"

namespace vox::test {
namespace {

std::string decode_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int held = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6U | static_cast<unsigned>(digits.find(c));
    held += 6;
    if (held >= 8) { bytes += static_cast<char>(bits >> static_cast<unsigned>(held -= 8) & 0xffU); }
  }
  return bytes;
}

struct Grey {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<std::uint8_t> rows{};
};

/// Reads a PNG of 8 bits of grey by the definitions of its filters.
Grey decode(const std::string& uri) {
  const std::string start = "data:image/png;base64,";
  REQUIRE(uri.starts_with(start));
  const std::string png = decode_base64(uri.substr(start.size()));
  REQUIRE(png.starts_with("\x89PNG\r\n\x1a\n"));
  const auto u32 = [&](std::size_t at) {
    std::size_t v = 0;
    for (std::size_t k = 0; k < 4; ++k) { v = v << 8U | static_cast<std::uint8_t>(png.at(at + k)); }
    return v;
  };
  Grey g{.width = u32(16), .height = u32(20)};
  REQUIRE(png.substr(24, 5) == std::string("\x08\x00\x00\x00\x00", 5));
  std::string packed;
  std::string kinds;
  for (std::size_t at = 8; at < png.size(); at += u32(at) + 12) {
    const std::size_t size = u32(at);
    CHECK(crc32(0, reinterpret_cast<const Bytef*>(png.data()) + at + 4, static_cast<uInt>(size + 4)) ==
          u32(at + 8 + size));
    kinds += png.substr(at + 4, 4) + " ";
    if (png.substr(at + 4, 4) == "IDAT") { packed += png.substr(at + 8, size); }
  }
  CHECK(kinds == "IHDR IDAT IEND ");
  std::vector<std::uint8_t> filtered((g.width + 1) * g.height);
  uLongf size = filtered.size();
  REQUIRE(uncompress(filtered.data(), &size, reinterpret_cast<const Bytef*>(packed.data()), packed.size()) == Z_OK);
  REQUIRE(size == filtered.size());
  g.rows.resize(g.width * g.height);
  for (std::size_t y = 0; y < g.height; ++y) {
    const int filter = filtered[y * (g.width + 1)];
    for (std::size_t x = 0; x < g.width; ++x) {
      const auto before = [&](std::size_t dx, std::size_t dy) {
        return x < dx || y < dy ? 0 : static_cast<int>(g.rows[(y - dy) * g.width + x - dx]);
      };
      const int a = before(1, 0);
      const int b = before(0, 1);
      const int c = before(1, 1);
      const int p = a + b - c;
      const std::array<int, 3> distances{std::abs(p - a), std::abs(p - b), std::abs(p - c)};
      const int nearest = distances[0] <= distances[1] && distances[0] <= distances[2] ? a
                          : distances[1] <= distances[2]                               ? b
                                                                                       : c;
      const std::array<int, 5> predicted{0, a, b, (a + b) / 2, nearest};
      g.rows[y * g.width + x] = static_cast<std::uint8_t>(filtered[y * (g.width + 1) + 1 + x] +
                                                          predicted.at(static_cast<std::size_t>(filter)));
    }
  }
  return g;
}

const Json* section_called(const Json& model, std::string_view title) {
  for (const Json& s : model["sections"]) {
    if (s["title"] == title) { return &s; }
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a picture of grey is a PNG with the same pixels, whatever they are", "[report]") {
  for (const auto& [width, height] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {7, 5}, {64, 33}}) {
    for (const int kind : {0, 1, 2}) {  // noise, a slope, mostly nothing: other filters are the best
      std::vector<std::uint8_t> rows;
      for (std::int64_t i = 0; i < width * height; ++i) {
        const auto x = static_cast<unsigned>(i % width);
        const auto y = static_cast<unsigned>(i / width);
        const unsigned noise = (static_cast<unsigned>(i) + 1) * 2654435761U >> 24U;
        rows.push_back(static_cast<std::uint8_t>(kind == 0     ? noise
                                                 : kind == 1   ? 3 * x + 5 * y
                                                 : noise > 250 ? noise
                                                               : 0));
      }
      const Grey g = decode(data_uri("image/png", png_file(width, height, 1, rows)));
      CHECK(g.width == static_cast<std::size_t>(width));
      CHECK(g.height == static_cast<std::size_t>(height));
      CHECK(g.rows == rows);
    }
  }
}

TEST_CASE("a case on a page is cut to what is not empty and made smaller to the voxels allowed", "[report]") {
  const Extent3 size{6, 5, 4};
  std::vector<float> image(120, 0.0F);
  std::vector<std::uint8_t> truth(120, 0);
  std::vector<std::uint8_t> predicted(120, 0);
  const auto at = [](std::size_t d, std::size_t h, std::size_t w) { return (d * 5 + h) * 4 + w; };
  image[at(1, 1, 1)] = 2;
  image[at(4, 3, 2)] = 5;
  truth[at(2, 2, 1)] = 3;
  predicted[at(2, 2, 1)] = 1;
  predicted[at(4, 1, 2)] = 2;
  ShownCase c{.id = "a",
              .title = "t",
              .facts = {},
              .size = size,
              .spacing_mm = {1, 2, 3},
              .image = image,
              .truth = truth,
              .prediction = predicted};
  const Json j = case_picture(c);
  CHECK(j["size"].get<std::vector<int>>() == std::vector<int>{4, 3, 2});
  CHECK(j["spacing_mm"].get<std::vector<double>>() == std::vector<double>{1, 2, 3});
  CHECK(j["columns"].get<int>() == 2);
  const Grey labels = decode(j["labels"].get<std::string>());
  REQUIRE(labels.width == 4);
  REQUIRE(labels.height == 6);
  const auto shown = [&](std::size_t d, std::size_t h, std::size_t w) {  // of the box, which starts at 1,1,1
    return labels.rows[(d / 2 * 3 + h) * 4 + d % 2 * 2 + w];
  };
  CHECK(shown(1, 1, 0) == 3 + 4 * 1);
  CHECK(shown(3, 0, 1) == 4 * 2);
  CHECK(std::ranges::count_if(labels.rows, [](auto v) { return v != 0; }) == 2);
  CHECK(decode(j["image"].get<std::string>()).rows.size() == 24);
  CHECK(j["facts"][0].get<std::string>() == "grid 6x5x4, shown of it 4x3x2");

  const Json smaller = case_picture(c, 10);
  const auto extents = smaller["size"].get<std::vector<std::int64_t>>();
  CHECK(extents[0] * extents[1] * extents[2] <= 10);
  CHECK(smaller["spacing_mm"][0].get<double>() == Approx(4.0 / static_cast<double>(extents[0])));
  c.image = {};
  c.truth = {};
  c.prediction = {};
  CHECK(case_picture(c)["image"].is_null());
  CHECK(case_picture(c)["size"].get<std::vector<int>>() == std::vector<int>{6, 5, 4});
}

TEST_CASE("the worst, the median and the best are those, and none is named twice", "[report]") {
  const auto roles = [](const std::vector<double>& scores) {
    std::string text;
    for (const auto& [role, index] : worst_median_best(scores)) { text += role + " " + std::to_string(index) + " "; }
    return text;
  };
  CHECK(roles({}) == "");
  CHECK(roles({0.5}) == "only 0 ");
  CHECK(roles({0.5, 0.2}) == "worst 1 best 0 ");
  CHECK(roles({0.9, 0.1, 0.5, 0.4, 0.8}) == "worst 1 median 2 best 0 ");
  CHECK(roles({0.9, 0.1, NAN, 0.8}) == "worst 2 median 1 best 0 ");
}

TEST_CASE("whatever a text of a model holds, it ends neither the script nor the title", "[report]") {
  const std::string nasty = "</script><b>\"&'<!--\xff";
  Json facts = facts_of({{nasty, nasty}, {"list", Json::array({1, 2})}, {"yes", true}}, nasty);
  const std::string page = report_page({{"title", nasty}, {"sections", Json::array({facts})}});
  CHECK(page.find("</script><b>") == std::string::npos);
  CHECK(page.find("<!--") == std::string::npos);
  CHECK_THAT(page, ContainsSubstring("<title>&lt;/script&gt;&lt;b&gt;&quot;&amp;'&lt;!--\\xff</title>"));
  const std::string start = "id=\"model\">";
  const std::size_t at = page.find(start) + start.size();
  const Json model = Json::parse(page.substr(at, page.find("</script>", at) - at));
  CHECK(model["title"].get<std::string>() == "</script><b>\"&'<!--\\xff");
  CHECK(model["sections"][0]["items"][1][1].get<std::string>() == "[1,2]");
  CHECK(page.find("http") == page.find("http-equiv"));
}

TEST_CASE("a table of records has a column for every key that any of them has", "[report]") {
  const Json t =
      table_of(Json::array({Json{{"a_b", 1}, {"in", {{"x", 2}}}}, Json{{"c", "t"}, {"list", Json::array({1})}}}), "T");
  CHECK(t["columns"] == Json::array({Json{{"title", "a b"}}, Json{{"title", "in x"}}, Json{{"title", "c"}}}));
  CHECK(t["rows"] == Json::array({Json::array({1, 2, nullptr}), Json::array({nullptr, nullptr, "t"})}));
}

TEST_CASE("training is the same to the last bit with its report and without", "[report]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.epochs = 2;
  std::filesystem::create_directories(folder / "with");
  write_bytes(folder / "with" / "data.json", "of another run");
  Training(folder / "cache", folder / "with", o, Training::Start::fresh).run();
  Training(folder / "cache", folder / "without", o, Training::Start::fresh, {}, {.report = false, .environment = {}})
      .run();
  CHECK(tensors_of(folder / "with" / "last.safetensors") == tensors_of(folder / "without" / "last.safetensors"));
  CHECK(log_of(folder / "with", "epoch") == log_of(folder / "without", "epoch"));
  CHECK(log_of(folder / "with", "step") == log_of(folder / "without", "step"));
  for (const char* const file : {"report.html", "data.json", "pictures.json"}) {
    CHECK(std::filesystem::exists(folder / "with" / file));
    CHECK_FALSE(std::filesystem::exists(folder / "without" / file));
  }
  CHECK(Json::parse(read_bytes(folder / "with" / "data.json"))["cases"].size() == 6);
  const auto epoch = log_of(folder / "with", "epoch").back();
  double mean = 0;
  for (const auto& c : epoch["cases"]) {
    mean += c["dice"]["WT"].get<double>() / static_cast<double>(epoch["cases"].size());
  }
  CHECK(mean == Approx(epoch["dice"]["WT"].get<double>()));
  CHECK(epoch["val_loss"].get<double>() ==
        Approx(epoch["val_loss_parts"]["dice"].get<double>() + epoch["val_loss_parts"]["focal"].get<double>()));

  // What the page says of a run that goes on, that has ended, and that stopped in between.
  RunHistory history = read_history(folder / "with" / "log.jsonl");
  const Json ended = run_model(folder / "with", history, true);
  CHECK(ended["subtitle"] == "finished");
  CHECK(ended["refresh_seconds"].get<double>() == 0);
  CHECK(section_called(ended, "Worst, median and best case") != nullptr);
  RunHistory half;
  half.add(history.start());
  half.add(history.epochs().front());
  CHECK(run_model(folder / "with", half, true)["subtitle"] == "running");
  CHECK(run_model(folder / "with", half, true)["refresh_seconds"].get<double>() > 0);
  const Json stopped = run_model(folder / "with", half, false);
  CHECK(stopped["subtitle"].get<std::string>().starts_with("not finished"));
  CHECK(stopped["refresh_seconds"].get<double>() == 0);
}

TEST_CASE("an interrupted training leaves a page that does not read itself again", "[report]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  CHECK(train_and_interrupt(folder / "cache", folder / "run", 5, {"--epochs", "1000"}) == 130);
  const std::string page = read_bytes(folder / "run" / "report.html");
  CHECK_THAT(page, ContainsSubstring("\"refresh_seconds\":0") && ContainsSubstring("not finished"));
  CHECK(voxgrad("report " + (folder / "run").string()).code == 0);
}

TEST_CASE("a report that cannot be written does not end the training", "[report]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  std::filesystem::create_directories(folder / "run" / "report.html");
  const Ended e = voxgrad("train -i " + (folder / "cache").string() + " -o " + (folder / "run").string() +
                          " --widths 4 4 6 6 8 --batch 2 --epochs 2 --folds 3");
  CHECK(e.code == 2);
  CHECK_THAT(e.output, ContainsSubstring("report.html: cannot be written"));
  CHECK(log_of(folder / "run", "epoch").size() == 2);
}

TEST_CASE("the history keeps the scores of single cases of the best epoch and of the last", "[report]") {
  RunHistory h;
  CHECK(h.best() == nullptr);
  h.add(Json(3));
  h.add({{"type", "step"}, {"step", 1}, {"loss", nullptr}});
  CHECK(std::isnan(h.steps().at(0).loss));
  const auto epoch = [](int n, double dice) {
    return Json{{"type", "epoch"}, {"epoch", n}, {"dice", {{"WT", dice}, {"TC", dice}}}, {"cases", Json::array({n})}};
  };
  for (const auto& [n, dice] : {std::pair{1, 0.1}, {2, 0.5}, {3, 0.3}, {4, 0.2}}) { h.add(epoch(n, dice)); }
  h.add({{"type", "epoch"}, {"epoch", 5}});
  CHECK((*h.best())["epoch"] == 2);
  CHECK((*h.validated())["epoch"] == 4);
  std::string with_cases;
  for (const Json& e : h.epochs()) { with_cases += e.contains("cases") ? '1' : '0'; }
  CHECK(with_cases == "01010");
}

TEST_CASE("volumes of labels are counted in ml of the patient", "[report]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, 1);
  const std::vector<std::filesystem::path> files{folder / "cache" / "case_0.safetensors"};
  const Json one = label_volumes(files, "train", 1)[std::size_t{0}];
  CHECK(one["set"] == "train");
  CHECK(one["ml"]["whole tumour"].get<double>() == Approx(36 * 16 * 1e-3));  // 6x6 columns of 16 voxels of 1 mm^3
  CHECK(one["ml"]["necrotic"].get<double>() == Approx(12 * 16 * 1e-3));
}

}  // namespace vox::test

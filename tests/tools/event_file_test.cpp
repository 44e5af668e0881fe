#include "tools/interchange/event_file.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/json.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tools/interchange/crc32c.h"
#include "tools/run/run_events.h"
#include "tools/ui/png.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

/// The events of a file, and how far it could be read.
std::vector<BoardEvent> events_of(const fs::path& file) {
  std::vector<BoardEvent> events;
  const fs::path copy = fs::path(file).concat(".copy");
  fs::copy_file(file, copy, fs::copy_options::overwrite_existing);
  const EventFile reader(copy, [&](const BoardEvent& e) {
    events.push_back(e);
    return true;
  });
  return events;
}

}  // namespace

TEST_CASE("CRC-32C gives the published check values", "[interchange]") {
  std::string counting;
  for (int i = 0; i < 32; ++i) { counting += static_cast<char>(i); }
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xE3069283U);
  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAU);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43U);
  CHECK(crc32c(counting) == 0x46DD794EU);
  CHECK(crc32c(std::string(counting.rbegin(), counting.rend())) == 0x113FDB5CU);
}

TEST_CASE("an event file keeps what is to be kept, whole records alone", "[interchange]") {
  const TempFolder folder;
  const fs::path path = folder / "events.out.tfevents.x";
  const auto all = [](const BoardEvent&) { return true; };
  {
    EventFile file(path, all);
    for (std::int64_t step = 1; step <= 3; ++step) {
      file.write({.step = step, .scalars = {{"a/b", 0.5 * static_cast<double>(step)}}, .pictures = {}});
    }
    file.write({.step = 3, .scalars = {}, .pictures = {{"p", 2, 1, "\x89PNG"}}});
  }
  const std::string whole = read_bytes(path);
  // The first record: its length, 8 bytes of it, then what names the version.
  CHECK(whole.substr(12, 40).find("brain.Event:2") != std::string::npos);
  std::vector<BoardEvent> events = events_of(path);
  REQUIRE(events.size() == 5);
  CHECK(events[1].step == 1);
  CHECK(events[2].scalars.at(0).tag == "a/b");
  CHECK(events[2].scalars.at(0).value == 1);
  CHECK(events[4].pictures.at(0).png == "\x89PNG");

  std::vector<std::size_t> ends;  // of the records: each is 16 bytes and so many as its first byte says
  for (std::size_t at = 0; at < whole.size(); ends.push_back(at)) {
    at += 16 + std::size_t{static_cast<std::uint8_t>(whole[at])};
  }
  REQUIRE(ends.size() == 5);
  // Cut anywhere, or changed anywhere, the records before are kept and the file goes on behind them.
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const auto before =
        static_cast<std::size_t>(std::ranges::count_if(ends, [&](std::size_t e) { return e <= bytes; }));
    write_bytes(path, whole.substr(0, bytes));
    EventFile(path, all).write({.step = 9, .scalars = {{"z", 1}}, .pictures = {}});
    events = events_of(path);
    REQUIRE(events.size() == std::max<std::size_t>(before, 1) + 1);  // the version is written anew where it was lost
    CHECK(events.back().step == 9);
    std::string changed = whole;
    changed[bytes] = static_cast<char>(changed[bytes] ^ 0x10);
    write_bytes(path, changed);
    CHECK(events_of(path).size() == before);
  }
  write_bytes(path, whole);
  EventFile(path, [](const BoardEvent& e) { return e.step <= 1; }).write({.step = 2, .scalars = {}, .pictures = {}});
  events = events_of(path);
  REQUIRE(events.size() == 3);
  CHECK(events.back().scalars.empty());
  CHECK_THROWS_AS(EventFile(folder / "absent" / "file", all), OutputError);
}

TEST_CASE("a line of the log becomes scalars by name, whatever it holds", "[interchange]") {
  const Json line = Json::parse(R"({"type": "epoch", "step": 7, "epoch": 2, "train_loss": 0.5, "best": null,
      "dice": {"WT": 0.25}, "new": {"deep": {"x": 3}}, "cases": [{"id": "a b", "mean_dice": 1}], "words": "no"})");
  const BoardEvent event = board_event(line);
  CHECK(event.step == 7);
  std::string all;
  for (const auto& [tag, value] : event.scalars) { all += tag + "=" + std::to_string(value).substr(0, 4) + " "; }
  CHECK(all == "epoch=2.00 loss/train=0.50 dice/WT=0.25 new/deep/x=3.00 cases/a b=1.00 ");
}

TEST_CASE("a PNG refuses values that are not as many as its pixels", "[interchange]") {
  const std::vector<std::uint8_t> six(6);
  CHECK(png_file(2, 1, 3, six).substr(1, 3) == "PNG");
  CHECK_THROWS_AS(png_file(2, 2, 3, six), Error);
  CHECK_THROWS_AS(png_file(3, 1, 2, six), Error);
  CHECK_THROWS_AS(png_file(0, 1, 3, std::vector<std::uint8_t>()), Error);
}

}  // namespace vox::test

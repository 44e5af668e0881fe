#include "tools/ui/progress_bar.h"

#include "tests/support/catch.h"
#include "tools/ui/table.h"

namespace vox::test {

TEST_CASE("a progress line tells part, rate and time left", "[progress]") {
  ProgressState s{.label = "epoch 3/50",
                  .unit = "sample",
                  .done = 8,
                  .total = 16,
                  .at_start = 0,
                  .elapsed_s = 4,
                  .text = "loss 0.31"};
  CHECK(progress_line(s, 80) == "epoch 3/50 [#########----------]  50 %  8/16  2.0 sample/s  0:04 left  loss 0.31");
  s.at_start = 6;  // a resumed run: two in four seconds
  CHECK_THAT(progress_line(s, 200), ContainsSubstring("2.0 s/sample  0:16 left"));
  s.done = 16;
  s.elapsed_s = 3725;
  CHECK_THAT(progress_line(s, 200), ContainsSubstring("100 %") && ContainsSubstring("in 1:02:05"));
}

TEST_CASE("a progress line fits its terminal", "[progress]") {
  const ProgressState s{
      .label = "prepare", .unit = "case", .done = 1, .total = 3, .at_start = 0, .elapsed_s = 2, .text = "x"};
  for (std::size_t columns = 1; columns < 120; ++columns) { CHECK(progress_line(s, columns).size() <= columns); }
  CHECK_THAT(progress_line(s, 45), !ContainsSubstring("["));
}

TEST_CASE("a progress line of nothing is complete", "[progress]") {
  CHECK_THAT(
      progress_line(
          {.label = "check", .unit = "case", .done = 0, .total = 0, .at_start = 0, .elapsed_s = 0, .text = {}}, 80),
      ContainsSubstring("100 %  0/0"));
}

TEST_CASE("a text table aligns its columns", "[progress]") {
  CHECK(text_table({{"op", "error"}, {"conv3d", "1e-9"}, {"add"}}) ==
        "op      error\n"
        "-------------\n"
        "conv3d   1e-9\n"
        "add\n");
}

}  // namespace vox::test

#include "benchmarks/rivals/child.h"

#include <chrono>

#include "benchmarks/rivals/rivals.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

// What calls itself a rival may be any program: it must end as one line, and soon.

namespace vox::test {
namespace {

using bench::Child;

const Json kHello = {{"do", "hello"}};
const Json kRun = {{"do", "run"}, {"count", 1}};

/// What the Error says that the question ends in.
std::string refusal(Child& program, const Json& question, double limit_s = 60) {
  try {
    return "answered " + json_text(program.ask(question, limit_s));
  } catch (const Error& e) { return e.what(); }
}
Child shell(const std::string& script) { return Child({"/bin/sh", "-c", script}); }

/// Says the same to every question.
std::string answering(const std::string& json) { return "while read -r question; do echo '" + json + "'; done"; }

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("a rival that only chatters is stopped, with lines and without", "[bench][child]") {
  Child lines({"yes", "no answer"});
  CHECK_THAT(refusal(lines, kHello),
             ContainsSubstring("yes: said ") && ContainsSubstring(" KiB and no answer: 'no answer'"));
  Child one_line = shell("tr '\\000' a </dev/zero");
  CHECK_THAT(refusal(one_line, kHello), ContainsSubstring("KiB and no answer: 'aaaa"));
  Child bytes = shell("tr '\\000' '\\377' </dev/zero");
  CHECK_THAT(refusal(bytes, kHello), ContainsSubstring("KiB and no answer: '????"));
}

TEST_CASE("the time for an answer is that of the whole question, and a late program is not asked again",
          "[bench][child]") {
  Child slow = shell("while :; do echo still at it; sleep 0.05; done");
  CHECK_THAT(refusal(slow, kHello, 0.5), ContainsSubstring("/bin/sh: no answer within 0.5 s"));
  Child silent({"sleep", "1000"});
  const double first_s =
      seconds_of([&] { CHECK_THAT(refusal(silent, kHello, 0.25), ContainsSubstring("no answer within 0.25 s")); });
  CHECK(first_s < 30);
  const double again_s =
      seconds_of([&] { CHECK_THAT(refusal(silent, kRun, 50), ContainsSubstring("no answer within 0.25 s")); });
  CHECK(again_s < 10);
}

TEST_CASE("chatter before an answer is passed over, and an error leaves the program in place", "[bench][child]") {
  Child program = shell(
      "echo a warning; echo '[1]'; read q; echo another; echo '{\"name\": \"x\"}'; read q; echo '{\"error\": \"no\"}'; "
      "read q; echo '{\"wall_s\": 2}'");
  CHECK(program.ask(kHello).at("name") == "x");
  CHECK(refusal(program, kRun) == "no");
  CHECK(program.ask(kRun).at("wall_s") == 2);
}

TEST_CASE("an answer that lacks what was asked for is an error that names the program", "[bench][child]") {
  Child echo({"cat"});
  CHECK_THAT(refusal(echo, kHello), ContainsSubstring("cat: answers hello by {\"do\":\"hello\"}: wants name, a text"));
  const auto says = [](const std::string& json, const Json& question) {
    Child program = shell(answering(json));
    return refusal(program, question);
  };
  CHECK_THAT(says(R"({"name": 5})", kHello), ContainsSubstring("wants name, a text"));
  CHECK_THAT(says(R"({"name": "x"})", kRun),
             ContainsSubstring("/bin/sh: answers run by") && ContainsSubstring("wants wall_s, seconds per call"));
  for (const char* const wall : {"\"fast\"", "null", "-1", "[]", "true"}) {
    CHECK_THAT(says(fmt::format(R"({{"wall_s": {}}})", wall), kRun), ContainsSubstring("wants wall_s"));
  }
  CHECK_THAT(says(R"({"wall_s": 1, "processor_s": "x"})", kRun), ContainsSubstring("wants processor_s"));
  CHECK_THAT(says(R"({"wall_s": 1, "phases_s": {"forward": null}})", kRun), ContainsSubstring("wants phases_s"));
  CHECK_THAT(says(R"({"wall_s": 1, "phases_s": 3})", kRun), ContainsSubstring("wants phases_s"));
  CHECK_THAT(says(R"({"wall_s": 1, "peak_resident_bytes": {}})", kRun), ContainsSubstring("wants peak_resident_bytes"));
  CHECK_THAT(says(R"({"nothing": "yes"})", {{"do", "prepare"}}), ContainsSubstring("wants nothing, true or false"));
  CHECK_THAT(says(R"({"error": 5})", kRun), ContainsSubstring("/bin/sh: error 5"));
  CHECK_THAT(says(R"({"wall_s": 1e999})", kRun), ContainsSubstring("the answer is no JSON"));
  CHECK_THAT(says("{", kRun), ContainsSubstring("the answer is no JSON"));
}

TEST_CASE("PyTorch may take long to say its name, other programs not", "[bench][child]") {
  const bench::Programs programs{.serve = {}, .torch_script = "/bin/sh", .onednn = "/bin/sh"};
  CHECK(bench::rivals_named("/bin/sh", {}, programs).front().hello_s <= 60);
  CHECK(bench::rivals_named("onednn", {}, programs).front().hello_s <= 60);
  CHECK(bench::rivals_named("torch", {"contiguous eager"}, programs).front().hello_s >= 120);
}

TEST_CASE("a bench goes on without a rival that is none, says so in one line, and exits 2", "[bench][child]") {
  const std::string step = "bench predict --size 16 --widths 8,8,8,8,8 --rounds 1 ";
  const auto lines_with = [](const std::string& text, const std::string& what) {
    int count = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) { ++count; }
    return count;
  };
  const Ended chatter = voxgrad(step + "--against \"$(command -v yes)\"");
  CHECK(chatter.code == 2);
  CHECK(lines_with(chatter.output, "KiB and no answer") == 1);
  CHECK_THAT(chatter.output, ContainsSubstring("| voxgrad "));
  const Ended echo = voxgrad(step + "--against onednn --onednn \"$(command -v cat)\"");
  CHECK(echo.code == 2);
  CHECK(lines_with(echo.output, "wants name, a text") == 1);
  CHECK_THAT(echo.output, ContainsSubstring("| voxgrad "));
  const Ended python = voxgrad(step + "--against torch --python \"$(command -v yes)\"");
  CHECK(python.code == 2);
  CHECK_THAT(python.output, ContainsSubstring("name a Python that has PyTorch") && ContainsSubstring("| voxgrad "));
  const std::string kernel = "bench kernel --op relu --shape 8@4^3 --pass forward --rounds 1 --least-seconds 0.0001 ";
  const Ended lines = voxgrad(kernel + "--against \"$(command -v yes)\",\"$(command -v cat)\"");
  CHECK(lines.code == 2);
  CHECK(lines_with(lines.output, "KiB and no answer") == 1);
  CHECK(lines_with(lines.output, "ended without an answer") == 1);  // there is no file "bench"
  CHECK_THAT(lines.output, ContainsSubstring("| relu "));
}

}  // namespace vox::test
